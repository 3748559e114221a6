using System.Text;

namespace Buoy.Balancer.Control.Cli;

/// <summary><c>show events</c>: the rings and what is in them (management manual 9.3).</summary>
internal static class CliEvents
{
    public static CliReply Show(CliContext context, string[] words)
    {
        var rings = context.Plane.Rings;
        string name = words.Length > 2 ? words[2] : "";
        if (name.Length == 0)
        {
            var text = new StringBuilder("Supported events sinks are listed below. Add -w(wait), -n(new). Any key to stop\n");
            text.Append("    stdout     : type=fd, 0 dropped, standard output (fd#1)\n");
            text.Append("    stderr     : type=fd, 0 dropped, standard output (fd#2)\n");
            text.Append("    buf0       : type=buffer, 0 dropped, in-memory ring buffer\n");
            foreach (var ring in rings.Values)
            {
                text.Append(System.Globalization.CultureInfo.InvariantCulture,
                    $"    {ring.Config.Name,-10} : type=buffer, {ring.Dropped} dropped, {ring.Config.Description}\n");
            }

            return new CliReply(text.ToString());
        }

        if (name is "stdout" or "stderr")
        {
            return CliReply.Error("Nothing to report for this sink");
        }

        bool waits = words.Skip(3).Any(w => w.StartsWith('-') && w.Contains('w', StringComparison.Ordinal));
        bool onlyNew = words.Skip(3).Any(w => w.StartsWith('-') && w.Contains('n', StringComparison.Ordinal));
        if (waits)
        {
            return CliReply.Error("'-w' is not supported yet.");
        }

        if (name == "buf0")
        {
            return CliReply.Done;
        }

        return rings.TryGetValue(name, out var found) ? new CliReply(onlyNew ? "" : found.Dump())
            : CliReply.Error("No such event sink");
    }
}
