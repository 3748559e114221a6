using System.Text.Json;
using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Agents;
using Buoy.Shell.Cluster;
using Buoy.Shell.Tools;

namespace Buoy.Shell.Levels;

/// <summary>crm cluster: of this node.</summary>
internal sealed class ClusterLevel(Crm crm) : Level(crm)
{
    public override string Name => "cluster";

    public override IReadOnlyList<string> Commands { get; } =
    [
        "status", "health", "stop", "wait_for_startup", "start", "restart", "enable", "disable", "init", "join",
            "remove", "rename", "run",
        "copy", "diff", "crash_test", "geo_init", "geo_join", "geo_init_arbitrator",
    ];

    public override bool Run(string command, IReadOnlyList<string> a)
    {
        switch (command)
        {
            case "status":
                bool up = Crm.Connection.IsUp;
                Crm.Output.Write($"Services:\ncorosync         "
                    + $"{(up ? "active/running" : "inactive/dead")}\npacemaker        "
                    + $"{(up ? "active/running" : "inactive/dead")}\n\n");
                if (up)
                {
                    CorosyncTools.PrintLinks(Crm.Connection.Membership(), Crm.Output);
                }

                return up;
            case "health":
                return Health();
            case "stop":
                Crm.Connection.Call(ControlCommand.Shutdown);
                Crm.Messages.Info($"The cluster stack stopped on {Crm.HostName()}");
                return true;
            case "wait_for_startup":
                Crm.Wait = true;
                return Crm.WaitIfAsked();
            case "start" or "restart" or "enable" or "disable":
                Crm.Messages.Error($"cluster.{command}: not supported here: use the system's service manager "
                    + $"(systemctl {command} buoy)");
                return false;
            default:
                return NotSupported(command);
        }
    }

    private bool Health()
    {
        CibDocument cib = Crm.Source.Query();
        var view = Crm.Services.Status(cib, Crm.Services.Now());
        bool good = true;
        foreach (var n in view.Nodes)
        {
            string state = n.State;
            good &= n.Online;
            Crm.Output.Write($"{n.Name}: {(n.Online ? "ok" : state)}\n");
        }

        foreach (var f in view.Failures)
        {
            good = false;
            Crm.Output.Write($"failed: {Status.StatusPrinter.Failure(f)}\n");
        }

        return good;
    }
}

/// <summary>crm corosync.</summary>
internal sealed class CorosyncLevel(Crm crm) : Level(crm)
{
    private const string Configuration = "/etc/corosync/corosync.conf";

    public override string Name => "corosync";

    public override IReadOnlyList<string> Commands { get; } = ["status", "show", "reload", "get", "set", "edit",
        "diff", "push", "pull", "log", "link"];

    public override bool Run(string command, IReadOnlyList<string> a)
    {
        switch (command)
        {
            case "status":
                switch (a.Count > 0 ? a[0] : "ring")
                {
                    case "ring":
                        CorosyncTools.PrintLinks(Crm.Connection.Membership(), Crm.Output);
                        return true;
                    case "quorum":
                        CorosyncTools.PrintQuorum(Crm.Connection.Membership(), Crm.Output, Crm.Services.Now(),
                            status: true);
                        return true;
                    default:
                        Crm.Messages.Error($"corosync.status: Wrong type \"{a[0]}\" to query status: expected ring "
                            + $"or quorum");
                        return false;
                }

            case "show":
                string file = Environment.GetEnvironmentVariable("COROSYNC_MAIN_CONFIG_FILE") ?? Configuration;
                if (!File.Exists(file))
                {
                    Crm.Messages.Error($"corosync.show: {file} not found");
                    return false;
                }

                Crm.Output.Write(File.ReadAllText(file));
                return true;
            case "reload":
                Crm.Connection.Call(ControlCommand.Reload);
                return true;
            default:
                return NotSupported(command);
        }
    }
}

/// <summary>crm ra.</summary>
internal sealed class RaLevel(Crm crm) : Level(crm)
{
    public override string Name => "ra";

    public override IReadOnlyList<string> Commands { get; } = ["classes", "list", "providers", "info", "validate"];

    public override IReadOnlyDictionary<string, string> Aliases { get; } = new Dictionary<string, string> { ["meta"] =
        "info" };

    public override bool Run(string command, IReadOnlyList<string> a)
    {
        InstalledAgents agents = Crm.Services.Agents;
        switch (command)
        {
            case "classes":
                Crm.Output.Write($"lsb\nocf / {string.Join(' ', agents.Providers)}\nservice\nstonith\nsystemd\n");
                return true;
            case "providers":
                if (a.Count == 0)
                {
                    return Usage(command, "type [class]", 0);
                }

                Crm.Output.Write(string.Join(' ', agents.Providers.Where(p => agents.List("ocf", p).Contains(a[0])))
                    + "\n");
                return true;
            case "list":
                if (a.Count == 0)
                {
                    return Usage(command, "class [provider]", 0);
                }

                if (a[0] != "ocf")
                {
                    Crm.Messages.Error($"ra.list: class {a[0]} is not listed here");
                    return false;
                }

                Columns(agents.List("ocf", a.Count > 1 ? a[1] : null));
                return true;
            case "info":
                return a.Count == 0 ? Usage(command, "[class:[provider:]]type", 0) : Info(agents, a[0]);
            default:
                return NotSupported(command);
        }
    }

    private void Columns(IReadOnlyList<string> names)
    {
        for (int i = 0; i < names.Count; i += 3)
        {
            Crm.Output.Write(string.Concat(names.Skip(i).Take(3).Select(n => n.PadRight(26))).TrimEnd() + "\n");
        }
    }

    private bool Info(InstalledAgents agents, string name)
    {
        (string cls, string? provider, string type) = agents.Resolve(name);
        string full = provider is null ? $"{cls}:{type}" : $"{cls}:{provider}:{type}";
        if (AgentDescription.Parse(agents.MetaData(full)) is not { } d)
        {
            Crm.Messages.Error($"{full}: got no meta-data, does this RA exist?");
            return false;
        }

        TextWriter o = Crm.Output;
        o.Write($"{d.ShortDescription} ({full})\n\n{d.LongDescription}\n\nParameters (*: required, []: default):\n\n");
        foreach (AgentDescription.Parameter p in d.Parameters)
        {
            string standard = string.IsNullOrEmpty(p.Default) ? "" : $", [{p.Default}]";
            o.Write($"{p.Name}{(p.Required ? "*" : "")} ({p.Type}{standard}): {p.ShortDescription}\n");
            foreach (string line in p.LongDescription.Split('\n'))
            {
                o.Write($"    {line.Trim()}\n");
            }

            o.Write("\n");
        }

        o.Write("Operations' defaults (advisory minimum):\n\n");
        foreach (AgentDescription.AgentAction x in d.Actions.Where(x =>
            x.Name is not ("meta-data" or "validate-all" or "status")))
        {
            string depth = x.Depth is null ? "" : $" depth={x.Depth}";
            o.Write($"    {x.Name,-13}{depth} "
                + $"timeout={x.Timeout}{(x.Interval is null ? "" : $" interval={x.Interval}")}"
                + "\n");
        }

        return true;
    }
}

/// <summary>crm maintenance.</summary>
internal sealed class MaintenanceLevel(Crm crm) : Level(crm)
{
    public override string Name => "maintenance";

    public override IReadOnlyList<string> Commands { get; } = ["on", "off", "action"];

    public override bool Run(string command, IReadOnlyList<string> a)
    {
        if (command is not ("on" or "off"))
        {
            return NotSupported(command);
        }

        new CibEdits(Crm.Source, "crm_attribute").SetProperty("maintenance-mode", command == "on" ? "true" : "false");
        return true;
    }
}

/// <summary>crm options: what there is to choose in this shell.</summary>
internal sealed class OptionsLevel(Crm crm) : Level(crm)
{
    public override string Name => "options";

    public override IReadOnlyList<string> Commands { get; } = ["show", "wait"];

    public override bool Run(string command, IReadOnlyList<string> a)
    {
        if (command == "wait" && a.Count == 1)
        {
            Crm.Wait = Status.CrmBoolean.IsTrue(a[0]);
            return true;
        }

        Crm.Output.Write($"wait {(Crm.Wait ? "yes" : "no")}\n");
        return true;
    }
}

/// <summary>crm history: failovers, step by step.</summary>
internal static class HistoryCommand
{
    public static bool Run(Crm crm, IReadOnlyList<string> a)
    {
        if (a.Count > 0)
        {
            crm.Messages.Error($"history.{a[0]}: not supported: history alone lists the failovers");
            return false;
        }

        List<FailoverRecord> records = JsonSerializer.Deserialize(crm.Connection.Call(ControlCommand.History),
            ControlJson.Default.ListFailoverRecord) ?? [];
        foreach (FailoverRecord r in records)
        {
            crm.Output.Write($"{r.At.ToLocalTime():yyyy-MM-dd HH:mm:ss.fff}  {r.Cause}\n");
            foreach (FailoverStep s in r.Steps)
            {
                crm.Output.Write(string.Create(System.Globalization.CultureInfo.InvariantCulture,
                    $"  {s.Milliseconds,10:F1} ms  {s.What}\n"));
            }
        }

        if (records.Count == 0)
        {
            crm.Output.Write("no failover since this daemon started\n");
        }

        return true;
    }
}
