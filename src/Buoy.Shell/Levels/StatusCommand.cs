using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Status;

namespace Buoy.Shell.Levels;

/// <summary>crm status.</summary>
internal static class StatusCommand
{
    private static readonly string[] Options =
        ["bynode", "inactive", "ops", "timing", "failcounts", "verbose", "quiet", "xml", "simple", "tickets",
            "noheaders", "detail", "brief", "full"];

    public static bool Run(Crm crm, IReadOnlyList<string> arguments)
    {
        var options = new StatusOptions { Inactive = true, Live = crm.Source.IsLive };
        bool xml = false;
        foreach (string a in arguments)
        {
            string? name = Options.FirstOrDefault(o => o == a) ?? (a.Length > 1 ? Options.FirstOrDefault(o =>
                o.StartsWith(a, StringComparison.Ordinal)) : null);
            switch (name)
            {
                case "full":
                    options = options with { GroupByNode = true, Operations = true, FailCounts = true, Timing = true };
                    break;
                case "bynode":
                    options = options with { GroupByNode = true };
                    break;
                case "ops":
                    options = options with { Operations = true };
                    break;
                case "timing":
                    options = options with { Operations = true, Timing = true };
                    break;
                case "failcounts":
                    options = options with { FailCounts = true };
                    break;
                case "detail" or "inactive" or "verbose" or "quiet":
                    break;
                case "xml":
                    xml = true;
                    break;
                case null:
                    crm.Messages.Error($"status: Unknown option '{a}': expected one of {string.Join(", ", Options)}");
                    return false;
                default:
                    crm.Messages.Error($"status: option '{name}' is not supported");
                    return false;
            }
        }

        CibDocument cib;
        try
        {
            cib = crm.Source.Query();
        }
        catch (CibException e) when (e.Status == ControlStatus.NotConnected)
        {
            crm.Messages.ErrorOutput.Write("error: Could not connect to launcher: Connection refused\ncrm_mon: "
                + "Connection to cluster failed: Connection refused\n");
            crm.Messages.Error("status: crm_mon (rc=102): ");
            return false;
        }

        DateTimeOffset now = crm.Services.Now();
        IStatusView view = crm.Services.Status(cib, now);
        if (xml)
        {
            crm.Output.Write(StatusXml.Format(cib, view, now, crm.Source.IsLive, null) + "\n");
        }
        else
        {
            // crm status without bynode shows inactive resources; with it only full does.
            StatusPrinter.Print(crm.Output, cib, view, options with { Inactive = !options.GroupByNode
                || options.Operations }, now);
            crm.Output.Write("\n");
        }

        return true;
    }
}
