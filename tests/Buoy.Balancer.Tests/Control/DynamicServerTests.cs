using System.Globalization;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Tests.Control;

/// <summary>Servers that come and go on the runtime API, and what is changed of servers: HAProxy and ours say the
/// same.</summary>
public sealed class DynamicServerTests
{
    private static readonly string[] Adding =
    [
        "help add server", "help del server", "add server", "add server a", "add server a/", "add server a/x",
        "add server x/x 127.0.0.1:1", "add server fe/x 127.0.0.1:1", "add server disp/x 127.0.0.1:1",
        "add server st/x 127.0.0.1:1", "add server src/x 127.0.0.1:1", "add server srcc/x 127.0.0.1:1",
        "add server tcpb/x 127.0.0.1:1", "add server first/x 127.0.0.1:1", "add server rnd/x 127.0.0.1:1",
        "add server a/s1 127.0.0.1:1", "add server a/s1", "add server a/x2 127.0.0.1:1 foo", "add server a/x3 127.0.0.1:1 cookie a",
        "add server a/x4 127.0.0.1:1 init-addr none", "add server a/x5 127.0.0.1:1 resolvers x",
        "add server a/x6 127.0.0.1:1 weight 300", "add server a/x6 127.0.0.1:1 weight -1",
        "add server a/x8 127.0.0.1:1 id 77 weight 3 maxconn 4 check inter 2s rise 1 fall 2 backup slowstart 3s",
        "add server a/x9 localhost:1", "add server a/x10 nope.invalid:1", "add server a/x11 127.0.0.1:1 track trk",
        "add server a/x12 127.0.0.1:1 track x11", "add server a/x14 127.0.0.1:1 track nope",
        "add server a/x15 127.0.0.1:1 track nope/nope", "add server a/x15 127.0.0.1:1 track s1",
        "add server a/x19 127.0.0.1:1 check-send-proxy send-proxy-v2 on-marked-down shutdown-sessions",
        "add server a/x20 127.0.0.1:1 agent-check",
        "add server a/x21 127.0.0.1:1 agent-check agent-port 5 agent-inter 5s agent-send x",
        "add server a/x22 /tmp/foo.sock", "add server a/x23 unix@/tmp/foo.sock", "add server a/x24 127.0.0.1:1 enabled",
        "add server a/x25 127.0.0.1:1 disabled", "add server a/x26 127.0.0.1:1 id", "add server a/x26 127.0.0.1:1 id 0",
        "add server a/x27 127.0.0.1:1 track trk check", "add server a/x28 127.0.0.1:1 observe layer7",
        "add server a/x.y_z-: 127.0.0.1:1", "add server a/x,y 127.0.0.1:1", "add server a/x30 127.0.0.1:1 id 78 id 79",
        "add server a/x31 127.0.0.1:1 non-stick", "add server a/x32 127.0.0.1:1 redir http://a",
        "add server a/x35 127.0.0.1:99999", "add server a/x36 127.0.0.1:1 port 0 check",
        "add server a/x37 127.0.0.1:1 pool-purge-delay 3s pool-max-conn 4 error-limit 3 on-error mark-down",
        "add server a/x39 127.0.0.1:1 maxqueue 3 minconn 1 send-proxy", "add server a/x40 127.0.0.1:1 inter 0",
        "show servers state a", "show servers state srcc", "show backend",
    ];

    private static readonly string[] Changing =
    [
        "del server", "del server a", "del server a/nope", "del server nope/x", "del server a/s1", "disable server a/s1",
        "del server a/s1", "del server a/s1", "del server a/ref", "disable server a/ref", "del server a/ref",
        "disable server a/trk", "del server a/trk", "del server a/x24", "del server a/x11", "del server a/acl",
        "disable server a/acl", "del server a/acl", "disable server src/s1", "del server src/s1", "del server st/s1",
        "add server a/s1 127.0.0.1:7999", "show servers state a", "enable server a/s1", "show servers state a",
        "set server a/s1 state maint", "del server a/s1", "add server a/s1 127.0.0.2:7999", "show servers state a",
        "enable health a/s1", "enable health a/x36", "enable agent a/s1", "enable agent a/x21", "disable health a/s1",
        "disable agent a/s1", "enable health", "enable health a", "enable agent a/nope", "show servers state a",
        "set server a/x39 weight 300", "set server a/x39 weight 50%", "set server a/x39 weight -1",
        "set server a/x39 weight 200%", "set server a/x39 weight -5%", "set server a/x39 weight x",
        "set server a/x39 weight 1x", "set server a/x39 weight 1%x", "set server a/x39 weight", "set server a/x39 weight 7",
        "get weight a/x39", "set weight a/x39 3", "get weight a/x39", "set server st/s1 weight 2",
        "set server st/s1 weight 0", "get weight st/s1", "set server st/s1 weight 50%", "set server st/s1 weight 100%",
        "set server st/s1 weight 1", "set server st/s2 weight 3", "set server st/s2 weight 2", "get weight st/s2",
        "set server a/x36 check-port 80", "set server a/s1 check-port 80", "set server a/x36 check-port x",
        "set server a/x36 check-port 0", "set server a/x36 check-port 70000", "set server a/x36 check-port",
        "set server a/x36 check-addr 127.0.0.2 port 99", "set server a/x36 check-addr x", "set server a/x36 check-addr",
        "set server a/x36 check-addr 127.0.0.2 port x", "set server a/x36 check-addr 127.0.0.2 foo",
        "set server a/s1 check-addr 127.0.0.2", "set server a/x39 addr", "set server a/x39 addr 127.0.0.3",
        "set server a/x39 addr 127.0.0.3 port 5", "set server a/x39 addr 127.0.0.3 port 70000",
        "set server a/x39 addr 127.0.0.3 port x", "set server a/x39 addr 127.0.0.3 port 5x",
        "set server a/x39 addr 127.0.0.3 port", "set server a/x39 addr 127.0.0.3 foo", "set server a/x39 addr foo",
        "set server a/x39 addr ::1 port 7", "set server a/x39 addr localhost", "set server a/x39 addr ::1",
        "set server a/x39 fqdn", "set server a/x39 fqdn foo.example", "set server a/x9 fqdn foo.example",
        "set server a/x39 ssl", "set server a/x39 ssl on", "set server a/x39 ssl off", "set server a/x39 agent",
        "set server a/x39 agent up", "set server a/x21 agent foo", "set server a/x39 agent-addr 127.0.0.1",
        "set server a/x21 agent-addr 127.0.0.1", "set server a/x21 agent-addr 127.0.0.1 port 9",
        "set server a/x21 agent-addr 127.0.0.1 port", "set server a/x21 agent-addr 127.0.0.1 port x",
        "set server a/x21 agent-addr foo.invalid", "set server a/x21 agent-addr", "set server a/x21 agent-port 8",
        "set server a/x21 agent-port x", "set server a/x21 agent-port 70000", "set server a/x21 agent-port",
        "set server a/x21 agent-send foo", "set server a/s1 agent-send foo", "set server a/s1 foo", "set server a/s1",
        "set server a/x36 health", "set server a/s1 state", "set server a/s1 state foo", "set maxconn server a/s1 3",
        "set maxconn server a/s1", "set maxconn server a/s1 x", "set server a/s1 maxconn 3", "show servers state a",
    ];

    private static string Sections => """
          mode http
        frontend fe
          bind abns@buoy-never-used
        backend a
          balance roundrobin
          default-server inter 5s
          use-server ref if FALSE
          acl up srv_is_up(a/acl)
          use-server ref if up
          server s1 127.0.0.1:7999
          server trk 127.0.0.1:PORT check
          server ref 127.0.0.1:7999
          server tracks 127.0.0.1:7999 track trk
          server acl 127.0.0.1:7999
        backend st
          balance static-rr
          server s1 127.0.0.1:7999
          server s2 127.0.0.1:7999 weight 2
        backend src
          balance source
          server s1 127.0.0.1:7999
        backend srcc
          balance source
          hash-type consistent
        backend tcpb
          mode tcp
          balance leastconn
        backend first
          balance first
        backend rnd
          balance random

        """;

    [Fact]
    public void Commands_OnBoth_SayTheSame()
    {
        using var checkedServer = new ScriptedServer();
        string port = checkedServer.Port.ToString(CultureInfo.InvariantCulture);
        using var pair = new ConfigPair(which => Sections.Replace("PORT", port, StringComparison.Ordinal)
            .Replace("never-used", $"never-used-{Environment.ProcessId}-{which}", StringComparison.Ordinal));
        pair.WaitForBoth("Health check for server a/trk succeeded");
        var problems = new List<string>();
        foreach (string command in Adding.Concat(Changing))
        {
            string[] said = [.. pair.Ask(command).Select(Plain)];
            if (said[0] != said[1])
            {
                string[][] lines = [.. said.Select(s => s.Split('\n'))];
                problems.Add($"{command}\n   haproxy: {string.Join("\n            ", lines[0].Except(lines[1]))} ({lines[0].Length} lines)\n"
                    + $"   ours:    {string.Join("\n            ", lines[1].Except(lines[0]))} ({lines[1].Length} lines)\n");
            }
        }

        Assert.True(problems.Count == 0, $"{problems.Count} differ:\n{string.Join('\n', problems)}");
    }

    /// <summary>
    /// Many more servers come and go under traffic than there are places for at a time: nothing fails, each takes traffic,
    /// and places are used again.
    /// </summary>
    [Fact]
    public void Servers_ComingAndGoingUnderTraffic_DisturbNobody()
    {
        const int Room = 4, Rounds = 30;
        using var scratch = new Scratch();
        using var stays = new Rules.AnsweringServer("stays");
        using var comes = new Rules.AnsweringServer("comes");
        int port = Rules.RulePair.FreePort();
        string file = scratch["cfg"];
        File.WriteAllText(file, $"""
            global
              stats socket {scratch["cli"]} level admin
            defaults
              mode http
              timeout connect 5s
              timeout client 20s
              timeout server 20s
            listen a
              bind 127.0.0.1:{port}
              balance leastconn
              server stays 127.0.0.1:{stays.Port}

            """);
        var config = ConfigurationLoader.Load([file]).Config!;
        using var table = new ServerTable(1 + Room);
        using var counters = new Counters(2, 1, 1 + Room, 1);
        var state = new BalancerState(config, counters, table, 2);
        using var control = new ControlPlane(state, [config.Servers[0].Address], new ControlOptions { Name = "HAProxy", MaxConn = 100 });
        Assert.Empty(control.Prepare());
        using var plane = new Balancer.Engine.DataPlane(state, control.Logs, control.Local);
        Assert.Empty(plane.Bind());
        control.Start(plane);
        plane.Start();
        using var end = new CancellationTokenSource();
        var clients = Enumerable.Range(0, 4).Select(_ => Task.Run(() => Ask(port, end.Token))).ToArray();
        for (int i = 0; i < Rounds; i++)
        {
            string Say(string command) => CliClient.Ask(scratch["cli"], command).Trim();
            string name = $"a/x{i}";
            CliClient.AskUntil(scratch["cli"], $"add server {name} 127.0.0.1:{comes.Port}", a => a.Contains("registered"));
            Assert.Equal("", Say($"enable server {name}"));
            int index = config.Servers.Single(s => s.Name == $"x{i}").Index;
            Assert.True(SpinWait.SpinUntil(() => counters.Sum(counters.Server(index), Counter.SessionsTotal) > 5, 10_000));
            Assert.Equal("", Say($"disable server {name}"));
            CliClient.AskUntil(scratch["cli"], $"del server {name}", a => a.Contains("deleted"));
        }

        end.Cancel();
        Assert.All(clients, c => Assert.True(c.Result > 0));
        Assert.Equal(1 + Room, config.Servers.Count);
    }

    /// <summary>Asks on until the end; every answer must be good. Returns how many there were.</summary>
    private static async Task<int> Ask(int port, CancellationToken end)
    {
        using var client = new HttpClient();
        int answers = 0;
        while (!end.IsCancellationRequested)
        {
            using var answer = await client.GetAsync($"http://127.0.0.1:{port}/", CancellationToken.None);
            Assert.Equal(System.Net.HttpStatusCode.OK, answer.StatusCode);
            answers++;
        }

        return answers;
    }

    /// <summary>Without places in files and the seconds since a change.</summary>
    private static string Plain(string answer) => Regex.Replace(
        Regex.Replace(answer, @"(?m)^(\d+ \S+ \d+ \S+ \S+ \d+ \d+ \d+ \d+) \d+ ", "$1 T "), @"\S+\.cfg:\d+", "FILE");
}
