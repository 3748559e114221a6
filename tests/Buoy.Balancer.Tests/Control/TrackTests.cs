using System.Text.RegularExpressions;

namespace Buoy.Balancer.Tests.Control;

/// <summary>Servers that track others: the same lines, the same columns as the original's.</summary>
public sealed class TrackTests
{
    [Fact]
    public void TrackingServers_OnBoth_FollowTheSame()
    {
        TestServer[] checkedOnes = [new(), new()];
        using var pair = new ConfigPair(which => $"""
            backend b
              server s 127.0.0.1:{checkedOnes[which].Port} check inter 100ms fall 2 rise 2
              server t 127.0.0.1:2 track s
              server u 127.0.0.1:3 track b/t backup
              server x 127.0.0.1:4
            backend c
              server d 127.0.0.1:1 check inter 60s disabled
              server e 127.0.0.1:1 track d
            """);
        pair.WaitForBoth("status: 2/2 UP");
        Same(pair);
        Array.ForEach(checkedOnes, s => s.Down());
        Both(pair, "Server b/u is DOWN via b/t");
        Array.ForEach(checkedOnes, s => s.Up());
        Both(pair, "Server b/u is UP via b/t");
        foreach (var (command, line) in ((string, string)[])[
            ("set server b/s state drain", "Server b/u enters drain state via b/t"),
            ("set server b/s state maint", "Server b/u is going DOWN for maintenance via b/t"),
            ("set server b/s state ready", "Server b/u is UP/READY (leaving maintenance)"),
            ("set server b/t state maint", "Server b/u is going DOWN for maintenance via b/t"),
            ("set server b/t state ready", "Server b/u is UP/READY (leaving maintenance)"),
            ("set server b/t state drain", "Server b/u enters drain state via b/t"),
            ("set server b/t state ready", "Server b/u is UP (leaving forced drain)"),
            ("disable health b/s", ""), ("set server b/s health stopping", "Server b/u is stopping via b/t"),
            ("set server b/s health down", "Server b/u is DOWN via b/t"), ("set server b/t health up", ""),
            ("enable health b/t", ""), ("set server b/s health up", "Server b/u is UP via b/t")])
        {
            int[] seen = [.. pair.Log.Select(l => l.Lines.Length)];
            string[] answers = pair.Ask(command);
            Assert.Equal(answers[0], answers[1]);
            if (line.Length > 0)
            {
                pair.Log[0].WaitFor(line, seen[0]);
                pair.Log[1].WaitFor(line, seen[1]);
            }

            Same(pair);
        }

        // That a check of a server back from maintenance is repeated at once or in a moment is left out.
        string[][] lines = [.. pair.Log.Select(l => l.Lines.Select(ConfigPair.Comparable)
            .Where(x => !x.Contains("Health check for", StringComparison.Ordinal)).ToArray())];
        Assert.Equal(lines[0], lines[1]);
        Array.ForEach(checkedOnes, s => s.Dispose());
    }

    private static void Both(ConfigPair pair, string line)
    {
        pair.WaitForBoth(line);
        Same(pair);
    }

    /// <summary>Status and columns of the servers that are not checked themselves, and their state.</summary>
    private static void Same(ConfigPair pair)
    {
        string[] rows = [.. pair.Ask("show stat").Select(text => string.Join('\n', text.Split('\n').Select(l => l.Split(','))
            .Where(c => c.Length > 60 && c[1] is "t" or "u" or "x" or "d" or "e")
            .Select(c => string.Join('|', c[0], c[1], Regex.Replace(c[17], @" \d/\d", ""), c[18], c[19], c[20], c[21], c[31], c[36]))))];
        Assert.Equal(rows[0], rows[1]);
        string[] states = [.. pair.Ask("show servers state").Select(text => string.Join('\n', text.Split('\n')
            .Where(l => Regex.IsMatch(l, @"^\d+ b \d+ [tux] ")).Select(l => Regex.Replace(l, @"^((?:\S+ ){9})\d+ ", "$1T "))))];
        Assert.Equal(states[0], states[1]);
    }
}
