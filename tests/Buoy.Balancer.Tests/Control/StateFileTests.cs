using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using CsCheck;

namespace Buoy.Balancer.Tests.Control;

/// <summary>State files: what one program wrote, both read alike.</summary>
public sealed class StateFileTests
{
    private static readonly string[] Commands =
    [
        "set server b/w weight 5", "set server b/d state drain", "set server b/m state maint", "set server b/a addr 127.0.0.7 port 99",
        "set server b/x health down", "set server b/st health stopping", "set server b/on state ready", "set server b/t2 weight 3",
        "set server b/ag agent-addr 127.0.0.8", "disable agent b/ag", "disable health b/ch",
    ];

    private static string Backend(string state) => $"""
        backend b
        {state}
          server n 127.0.0.1:1
          server pa 127.0.0.1:1 port 80 addr 127.0.0.3
          server pb 127.0.0.1:1 port 80 agent-port 90
          server w 127.0.0.1:1 weight 10
          server d 127.0.0.1:1
          server m 127.0.0.1:1
          server a 127.0.0.1:1
          server x 127.0.0.1:1
          server st 127.0.0.1:1
          server off 127.0.0.1:1 disabled
          server on 127.0.0.1:1 disabled
          server-template t 1-2 127.0.0.1:5 weight 7
          server ag 127.0.0.1:1 agent-check agent-port 1 agent-inter 60s
          server ch 127.0.0.1:1 check inter 60s
        """;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void State_WrittenByOne_IsReadAlikeByBoth(int writer)
    {
        using var folder = new Scratch();
        using (var first = new ConfigPair(_ => Backend("")))
        {
            foreach (string command in Commands)
            {
                first.Ask(command);
            }

            string[] states = [.. first.Ask("show servers state").Select(Timeless)];
            Assert.Equal(states[0], states[1]);
            File.WriteAllText(folder["states"], first.Ask("show servers state")[writer]);
        }

        foreach (string how in (string[])["global", "local"])
        {
            string lines = how == "global" ? "  load-server-state-from-file global"
                : $"  load-server-state-from-file local\n  server-state-file-name {folder["states"]}";
            using var second = new ConfigPair(_ => Backend(lines), $"  server-state-file {folder["states"]}");
            string[] states = [.. second.Ask("show servers state").Select(Timeless)];
            Assert.Equal(states[0], states[1]);
            Assert.Contains(" w 127.0.0.1 2 0 5 10 ", states[1], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Parse_OfAnything_NeverFails() =>
        Gen.OneOf(Gen.String, Gen.Select(Gen.Int[-5, 300].Array[25], n => string.Join(' ', n)),
                Gen.Select(Gen.Int[0, 4].Array[15, 27], n => string.Join(' ', n)))
            .Sample(line => ServerStateFile.Parse(line) is null or { State: >= 0 and <= 3, UserWeight: >= 0 and <= 256 });

    /// <summary>Without times, and without what a check under way changes.</summary>
    private static string Timeless(string text) => Regex.Replace(
        string.Join('\n', text.Split('\n').Where(l => !Regex.IsMatch(l, @"^\d+ b \d+ (ag|ch) "))),
        @"^((?:\S+ ){9})\d+ ", "$1T ", RegexOptions.Multiline);
}
