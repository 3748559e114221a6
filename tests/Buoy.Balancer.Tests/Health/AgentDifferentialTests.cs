using System.Text.RegularExpressions;
using Buoy.Balancer.Tests.Control;

namespace Buoy.Balancer.Tests.Health;

/// <summary>Agents and programs as checks: what they say means the same to HAProxy and to ours.</summary>
public sealed class AgentDifferentialTests
{
    private static readonly string[] Replies =
    [
        "up\n", "UP\n", "down\n", "down # my reason\n", "stopped\n", "fail\n", "failed\n", "drain\n", "maint\n", "ready\n",
        "50%\n", "200%\n", "up 50%\n", "maxconn:5\n", "up,50%,maxconn:7\n", "blah\n", "", "up", "up\r\n", "up # all fine\n",
        "down extra words\n", "#comment\n", "\n", "drain 30% # c\n", "-5%\n", "abc%\n", "maxconn:x\n", "maint down # x\n",
        "ready up 75%\n", "stopped # st\n", "up\ttab\n", "30% 40%\n", "up down\n", "0%\n", "maxconn:5000\n",
    ];

    [Fact]
    public void Agents_OnBoth_MeanTheSame()
    {
        var agents = Replies.Select(r => (ScriptedServer[])[new(r), new(r)]).ToArray();
        using var pair = new ConfigPair(which => string.Concat(Replies.Select((_, i) =>
            $"backend c{i}\n  server s 127.0.0.1:1 weight 10 maxconn 20 agent-check agent-inter 250ms "
            + $"agent-port {agents[i][which].Port} agent-send hello\n")));
        foreach (int which in (int[])[0, 1])
        {
            // Each agent has been asked twice: what the first answer changed is seen.
            Assert.True(SpinWait.SpinUntil(() => agents.All(a => a[which].Heard.Count > 1), TimeSpan.FromSeconds(15)));
        }

        string[][] both = [.. Enumerable.Range(0, 2).Select(w => Rows(pair.Sockets(w)))];
        Assert.Equal(both[0], both[1]);
        for (int i = 0; i < Replies.Length; i++)
        {
            Assert.Equal(Lines(pair, 0, i), Lines(pair, 1, i));
            Assert.Equal(agents[i][0].Heard[0], agents[i][1].Heard[0]);
            Array.ForEach(agents[i], a => a.Dispose());
        }
    }

    [Fact]
    public void Operators_ThatChangeAgents_AreAnsweredTheSame()
    {
        using var hers = new ScriptedServer("up\n");
        using var ours = new ScriptedServer("up\n");
        using var pair = new ConfigPair(which =>
            $"backend b\n  server s 127.0.0.1:1 agent-check agent-inter 60s agent-port {(which == 0 ? hers : ours).Port}\n"
            + "  server n 127.0.0.1:1\n");
        pair.WaitForBoth("Agent check for server b/s succeeded");
        foreach (string command in (string[])[
            "disable agent b/s", "set server b/s agent down", "set server b/s agent-addr 127.0.0.9", "set server b/s agent-port 99",
            "set server b/s agent-send foo", "enable agent b/s", "set server b/s agent foo", "set server b/s agent",
            "set server b/s agent-addr 127.0.0.9 port 88", "set server b/s agent-port 99999", "set server b/s agent-addr foo",
            "set server b/s agent-addr", "set server b/s agent-port", "set server b/s agent-send", "set server b/s agent-port x",
            "set server b/s agent down", "set server b/s agent up", "disable agent b/n", "enable agent b/n", "disable agent b/x",
            "set server b/n agent down", "set server b/n agent-addr 1.2.3.4", "set server b/n agent-port 1", "disable agent",
            "set server b/n agent-send x"])
        {
            string[] answers = pair.Ask(command);
            Assert.True(answers[0] == answers[1], $"{command}:\n{answers[0]}{answers[1]}");
        }

        static string State(string text) => Regex.Replace(
            Regex.Replace(text, @"^((?:\S+ ){9})\d+ ", "$1T ", RegexOptions.Multiline), @" 2[23] 0 0 - ", " 22 0 0 - ");
        string[] states = [.. pair.Ask("show servers state b").Select(State)];
        Assert.Equal(states[0], states[1]);
    }

    [Fact]
    public void Programs_OnBoth_MeanTheSame()
    {
        using var folder = new Scratch();
        string Script(string name, string text)
        {
            File.WriteAllText(folder[name], "#!/bin/sh\n" + text + "\n");
            File.SetUnixFileMode(folder[name], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return folder[name];
        }

        string[] commands =
        [
            "external-check command /bin/true", "external-check command /bin/false",
            "external-check command " + Script("three", "exit 3"), "external-check command " + Script("killed", "kill -9 $$"),
            "external-check command " + Script("slow", "exec /bin/sleep 100"),
            "external-check command /nonexistent", $"external-check command three;external-check path /bin:{folder.Folder}",
            "external-check command " + Script("tells", $"(echo \"$@\"; env | sort) > {folder.Folder}/told.$HAPROXY_SERVER_NAME")
                + ";external-check path /usr/bin:/bin",
        ];
        using var pair = new ConfigPair(which => string.Concat(commands.Select((c, i) =>
            $"backend c{i}\n  option external-check\n" + string.Concat(c.Split(';').Select(l => $"  {l}\n"))
            + $"  server s{which} 127.0.0.1:1 check inter 700ms fall 1\n")), "  external-check\n  insecure-fork-wanted\n");
        for (int i = 0; i < commands.Length; i++)
        {
            string[] said = [.. Enumerable.Range(0, 2).Select(w => pair.First(w, $"Health check for server c{i}/s{w} ")
                .Replace($"/s{w} ", "/s ", StringComparison.Ordinal))];
            Assert.Equal(said[0], said[1]);
        }

        string Told(int which) => Regex.Replace(File.ReadAllText(folder[$"told.s{which}"]), "(?m)^(PWD|_|SHLVL|OLDPWD)=.*\n", "")
            .Replace($"=s{which}", "=s", StringComparison.Ordinal);
        Assert.Equal(Told(0), Told(1));
    }

    /// <summary>The log lines of one backend, each once.</summary>
    private static string[] Lines(ConfigPair pair, int which, int i) =>
        [.. pair.Log[which].Lines.Where(l => Regex.IsMatch(l, $@"\bc{i}(/s)? ")).Select(ConfigPair.Comparable).Distinct()];

    /// <summary>What is known of each server, without what changes while a check runs.</summary>
    private static string[] Rows(string socket) =>
        [.. CliClient.Ask(socket, "show stat").Split('\n').Where(l => l.Contains(",s,", StringComparison.Ordinal))
            .Select(l => l.Split(',')).Select(c => string.Join('|', c[0], c[17], c[18], c[6], c[62].Replace("* ", "", StringComparison.Ordinal),
                c[66], c[70], c[71], c[72]))];
}
