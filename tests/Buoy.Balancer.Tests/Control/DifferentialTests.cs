using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Tests.Control;

/// <summary>The installed HAProxy and our control plane on the same configuration must say the same.</summary>
public sealed class DifferentialTests
{
    private const string Defaults = """
        defaults
          log global
          timeout client 20s
          timeout server 20s
          timeout connect 1s

        """;

    private static string Global(Scratch d, string more = "") =>
        $"global\n  nbthread 2\n  maxconn 9980\n  log {d["hlog"]} local0\n" +
        $"  stats socket {d["hs"]} mode 600 level admin\n  stats timeout 30s\n{more}";

    private static int FreePort()
    {
        using var s = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        s.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)s.LocalEndPoint!).Port;
    }

    /// <summary>Both programs on one configuration with a TCP and an HTTP backend.</summary>
    private sealed class Pair : IDisposable
    {
        private readonly Scratch _scratch = new();
        private readonly HaproxyRig _haproxy;
        private readonly ControlRig _rig;

        public Pair(int inter = 200, bool healthLogs = false)
        {
            HaproxyLog = new LogListener(_scratch["hlog"]);
            OurLog = new LogListener(_scratch["olog"]);
            int fe = FreePort();
            string logs = healthLogs ? "  option log-health-checks\n" : "";
            string global = Global(_scratch, $"  stats socket {_scratch["hs2"]} mode 600 level user\n");
            _haproxy = new HaproxyRig(_scratch, _scratch["hs"], global + Defaults + $"""
                frontend fe
                  bind 127.0.0.1:{fe}
                  default_backend b
                backend b
                  option tcp-check
                {logs}  server s1 127.0.0.1:{One.Port} check inter {inter}ms fall 3 rise 2
                  server s2 127.0.0.1:{Two.Port} check inter {inter}ms fall 2 rise 2 backup
                backend h
                  mode http
                  option httpchk GET /x
                  server w1 127.0.0.1:{Web.Port} check inter {inter}ms fall 2 rise 2
                  server n1 127.0.0.1:{Two.Port} weight 7
                  server dd 127.0.0.1:{Two.Port} check disabled

                """);
            ServerConfig Checked(ServerConfig s) => s with { Check = true, Inter = inter };
            var model = new ModelBuilder(_scratch["olog"], _scratch["os"]).Socket(_scratch["os2"], "user")
                .Proxy("fe", ProxyKind.Frontend, p => p with { DefaultBackend = 1, MaxConn = 9980 })
                .Proxy("b", ProxyKind.Backend, p => p with { LogHealthChecks = healthLogs },
                    ModelBuilder.Server("s1", One.Port, Checked),
                    ModelBuilder.Server("s2", Two.Port, s => Checked(s) with { Fall = 2, Backup = true }))
                .Proxy("h", ProxyKind.Backend, p => p with
                    {
                        Mode = ProxyMode.Http, Check = CheckKind.Http, HttpCheck =
                            new HttpCheckConfig("GET", "/x", "HTTP/1.0"),
                    },
                    ModelBuilder.Server("w1", Web.Port, s => Checked(s) with { Fall = 2 }),
                    ModelBuilder.Server("n1", Two.Port, s => s with { Weight = 7 }),
                    ModelBuilder.Server("dd", Two.Port, s => s with { Check = true, Disabled = true }));
            _rig = new ControlRig(model.Build()).Start();
            try
            {
                CliClient.AskUntil(Haproxy, "show servers state", Settled);
                CliClient.AskUntil(Ours, "show servers state", Settled);
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public TestServer One { get; } = new();
        public TestServer Two { get; } = new();
        public TestServer Web { get; } = new();
        public LogListener HaproxyLog { get; }
        public LogListener OurLog { get; }
        public string Haproxy => _scratch["hs"];
        public string Ours => _scratch["os"];
        public string HaproxyUser => _scratch["hs2"];
        public string OursUser => _scratch["os2"];
        public ControlRig Rig => _rig;

        public void WaitForBoth(string text)
        {
            HaproxyLog.WaitFor(text);
            OurLog.WaitFor(text);
        }

        public void Dispose()
        {
            _haproxy.Dispose();
            _rig.Dispose();
            One.Dispose();
            Two.Dispose();
            Web.Dispose();
            HaproxyLog.Dispose();
            OurLog.Dispose();
            _scratch.Dispose();
        }

        private static bool Settled(string state) => !Regex.IsMatch(state, @" \d+ 1 0 2 [67] 0 0 0 - ");
    }

    /// <summary>An answer at a moment when no check runs: HAProxy forgets the last result while one does.</summary>
    private static string Resting(string socket, string command) =>
        command.Contains("servers state", StringComparison.Ordinal)
        ? CliClient.AskUntil(socket, command, t => !t.Contains(" 7 0 0 0 ", StringComparison.Ordinal))
        : CliClient.Ask(socket, command);

    [Theory]
    [InlineData("show info typed desc")]
    [InlineData("show stat typed desc")]
    [InlineData("show stat typed desc up")]
    [InlineData("show stat -1 4 1 typed desc")]
    public void Descriptions_OfFigures_AreTheOriginals(string command)
    {
        using var pair = new Pair();
        Assert.Equal(Described(CliClient.Ask(pair.Haproxy, command)), Described(CliClient.Ask(pair.Ours, command)));
    }

    /// <summary>Names and descriptions without values.</summary>
    private static string[] Described(string text) =>
        [.. text.Split('\n').Select(l => Regex.Replace(l, @"^(.*?\.1:\w+:\w+):.*:("".*"")$", "$1:$2"))];

    [Theory]
    [InlineData("show stat up")]
    [InlineData("show stat no-maint")]
    public void Stat_WithoutSomeServers_TellsHowManyAreThere(string command)
    {
        using var pair = new Pair();
        Assert.Equal(States(CliClient.Ask(pair.Haproxy, command)), States(CliClient.Ask(pair.Ours, command)));
    }

    private static string[] States(string csv) => [.. csv.Split('\n').Where(l => l.Length > 0 && l[0] != '#')
        .Select(l => l.Split(',')).Select(f => $"{f[0]}/{f[1]} {f[17]}")];

    /// <summary>Without the time since the last change.</summary>
    private static string State(string text) =>
        Regex.Replace(text, @"^((?:\S+ ){9})\d+ ", "$1T ", RegexOptions.Multiline);

    [Theory]
    [InlineData("show backend")]
    [InlineData("show servers state nope")]
    [InlineData("show servers conn nope")]
    [InlineData("show resolvers x")]
    [InlineData("show env SURELY_NOT_SET")]
    [InlineData("show cli level")]
    [InlineData("show cli level;operator;show cli level;user;show cli level;set weight b/s1 2")]
    [InlineData("show stat domain foo")]
    [InlineData("show sess 0x1")]
    [InlineData("show errors nope")]
    [InlineData("show schema json")]
    [InlineData("show fd 99999")]
    [InlineData("shutdown session")]
    [InlineData("shutdown session 0x1")]
    [InlineData("set rate-limit")]
    [InlineData("set rate-limit connections")]
    [InlineData("set rate-limit connections global")]
    [InlineData("set rate-limit connections frontend 3")]
    [InlineData("set rate-limit foo global 100")]
    [InlineData("set rate-limit sessions global 100;set rate-limit sessions global 0")]
    [InlineData("set timeout cli")]
    [InlineData("set maxconn frontend nope 3")]
    [InlineData("set maxconn global")]
    [InlineData("expert-mode;expert-mode on;expert-mode;expert-mode off;expert-mode")]
    [InlineData("experimental-mode;experimental-mode on;experimental-mode")]
    [InlineData("operator;expert-mode on")]
    [InlineData("show stat domain")]
    [InlineData("set server")]
    [InlineData("set server x")]
    [InlineData("set server x/y state ready")]
    [InlineData("set server b/x state ready")]
    [InlineData("set server b/s1")]
    [InlineData("set server b/s1 foo")]
    [InlineData("set server b/s1 state")]
    [InlineData("set server b/s1 state foo")]
    [InlineData("set server b/s1 weight")]
    [InlineData("set server b/s1 weight foo")]
    [InlineData("set server b/s1 weight 300")]
    [InlineData("set server b/s1 weight -1")]
    [InlineData("set server b/s1 weight 5;get weight b/s1")]
    [InlineData("set server h/n1 weight 50%;get weight h/n1")]
    [InlineData("set server b/s1 health foo")]
    [InlineData("set server b/s1 addr")]
    [InlineData("set server b/s1 addr foo")]
    [InlineData("set server b/s1 addr 127.0.0.1")]
    [InlineData("set server b/s1 addr 127.0.0.1 port")]
    [InlineData("set server b/s1 addr 127.0.0.1 port foo")]
    [InlineData("set server h/n1 addr 127.0.0.9 port 18209")]
    [InlineData("set server b/s1 check-port foo")]
    [InlineData("set server b/s1 check-port 99999")]
    [InlineData("set server h/n1 check-port 80")]
    [InlineData("set server b/s1 check-addr foo")]
    [InlineData("set server b/s1 check-addr 127.0.0.1")]
    [InlineData("set server b/s1 agent up")]
    [InlineData("set server b/s1 ssl on")]
    [InlineData("set server b/s1 fqdn")]
    [InlineData("set server b/s1 fqdn foo")]
    [InlineData("disable server b/x")]
    [InlineData("disable server x")]
    [InlineData("disable server")]
    [InlineData("disable frontend nope")]
    [InlineData("disable frontend b")]
    [InlineData("disable frontend")]
    [InlineData("enable frontend fe")]
    [InlineData("get weight b/s1")]
    [InlineData("get weight b/x")]
    [InlineData("get weight x")]
    [InlineData("get weight")]
    [InlineData("set weight b/s1 1")]
    [InlineData("set weight b/s1")]
    [InlineData("set weight b/s1 foo")]
    [InlineData("set weight")]
    [InlineData("set maxconn server b/s1 10")]
    [InlineData("set maxconn server b/s1")]
    [InlineData("set maxconn server b/x 10")]
    [InlineData("set maxconn frontend nope 100")]
    [InlineData("set maxconn frontend fe")]
    [InlineData("set maxconn frontend fe -1")]
    [InlineData("set maxconn global 100000000")]
    [InlineData("set timeout cli 10s")]
    [InlineData("set timeout cli foo")]
    [InlineData("set timeout cli 0")]
    [InlineData("set timeout foo")]
    [InlineData("set timeout")]
    [InlineData("set severity-output number;set weight b/x 1;set weight b/s1 300")]
    [InlineData("clear counters")]
    [InlineData("clear counters all")]
    [InlineData("clear counters foo")]
    [InlineData("shutdown frontend nope")]
    [InlineData("shutdown frontend")]
    [InlineData("shutdown sessions server b/s1")]
    [InlineData("shutdown sessions server b/x")]
    [InlineData("shutdown sessions server")]
    [InlineData("quit")]
    [InlineData("disable health h/n1")]
    [InlineData("disable health b/s1;show servers state b;enable health b/s1")]
    [InlineData("show servers state")]
    public void Command_OnBoth_AnswersTheSame(string command)
    {
        var pair = Shared.Value;
        Assert.Equal(State(Resting(pair.Haproxy, command)), State(Resting(pair.Ours, command)));
    }

    private static readonly Lazy<Pair> Shared = new(() =>
    {
        var p = new Pair(inter: 2000);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => p.Dispose();
        return p;
    });

    [Fact]
    public void ServerConnections_OfBoth_HaveTheSameLines()
    {
        // HAProxy counts the connections of its checks, we do not: the numbers of connections used are left out.
        static string Lines(string text) => Regex.Replace(text, @" - 5000 \d+ \d+ \d+ ", " - 5000 U U U ");
        var pair = Shared.Value;
        Assert.Equal(
            Lines(CliClient.Ask(pair.Haproxy, "show servers conn")),
                Lines(CliClient.Ask(pair.Ours, "show servers conn")));
    }

    [Theory]
    [InlineData("set weight b/s1 1")]
    [InlineData("disable server b/s1")]
    [InlineData("clear counters")]
    [InlineData("clear counters all")]
    [InlineData("show env")]
    [InlineData("show errors")]
    [InlineData("show sess")]
    [InlineData("set maxconn global 10")]
    [InlineData("set timeout cli 10")]
    [InlineData("disable health b/s1")]
    public void Command_OfAnUnprivilegedUser_AnswersTheSame(string command)
    {
        var pair = Shared.Value;
        Assert.Equal(CliClient.Ask(pair.HaproxyUser, command), CliClient.Ask(pair.OursUser, command));
    }

    [Fact]
    public void Statistics_OfBoth_HaveTheSameColumnsAndHoles()
    {
        using var pair = new Pair();
        string[] expected = CliClient.Ask(pair.Haproxy, "show stat").Split('\n');
        string[] actual = CliClient.Ask(pair.Ours, "show stat").Split('\n');
        Assert.Equal(expected[0], actual[0]);
        Assert.Equal(expected.Select(Shape), actual.Select(Shape));

        static string Shape(string line) => Regex.Replace(line, @"(?<=^|,)[^,]+(?=,)", "x");
    }

    [Fact]
    public void Statistics_OfBoth_SayTheSameOfServersThatRest()
    {
        using var pair = new Pair();
        string[] Of(string socket) =>
            [.. CliClient.Ask(socket, "show stat").Split('\n').Select(l => Regex.Replace(l, @"\* ", ""))
            .Select(Still)];
        Assert.Equal(Of(pair.Haproxy), Of(pair.Ours));

        // Without what depends on the moment: times, and the connections of checks that HAProxy counts.
        static string Still(string line)
        {
            var cells = line.Split(',');
            foreach (int i in (int[])[23, 24, 38, 97, 98])
            {
                if (cells.Length > i && cells[i].Length > 0)
                {
                    cells[i] = "T";
                }
            }

            return string.Join(',', cells.Take(103));
        }
    }

    [Fact]
    public void TypedStatistics_OfBoth_HaveTheSameTags()
    {
        using var pair = new Pair();
        static IEnumerable<string> Tags(string text) =>
            text.Split('\n').Select(l => Regex.Replace(l, @"^([^:]*:[^:]*:[^:]*:).*$", "$1"));
        Assert.Equal(
            Tags(CliClient.Ask(pair.Haproxy, "show stat typed")), Tags(CliClient.Ask(pair.Ours, "show stat typed")));
        Assert.Equal(
            Tags(CliClient.Ask(pair.Haproxy, "show info typed")), Tags(CliClient.Ask(pair.Ours, "show info typed")));
    }

    [Fact]
    public void JsonStatistics_OfBoth_HaveTheSameShape()
    {
        using var pair = new Pair();
        static string Shape(string text) => Regex.Replace(text, "\"value\":(\"[^\"]*\"|-?\\d+)\\}", "\"value\":V}");
        Assert.Equal(
            Shape(CliClient.Ask(pair.Haproxy, "show stat json")), Shape(CliClient.Ask(pair.Ours, "show stat json")));
        Assert.Equal(
            Shape(CliClient.Ask(pair.Haproxy, "show info json")), Shape(CliClient.Ask(pair.Ours, "show info json")));
    }

    [Fact]
    public void Info_OfBoth_HasTheSameKeys()
    {
        var pair = Shared.Value;
        static IEnumerable<string> Keys(string text) => text.Split('\n').Select(l => l.Split(':')[0]);
        Assert.Equal(Keys(CliClient.Ask(pair.Haproxy, "show info")), Keys(CliClient.Ask(pair.Ours, "show info")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Servers_ThatGoDownAndUp_AreLoggedTheSame(bool healthLogs)
    {
        using var pair = new Pair(healthLogs: healthLogs);
        pair.One.Down();
        pair.WaitForBoth("Server b/s1 is DOWN");
        pair.Two.Down();
        pair.WaitForBoth("backend b has no server available!");
        pair.Two.Up();
        pair.WaitForBoth("Backup Server b/s2 is UP");
        pair.One.Up();
        pair.WaitForBoth("Server b/s1 is UP");
        pair.Web.Status = "503 Broken";
        pair.WaitForBoth("Server h/w1 is DOWN");
        pair.Web.Status = "204 Mended";
        pair.WaitForBoth("Server h/w1 is UP");
        Assert.Equal(pair.HaproxyLog.Comparable(), pair.OurLog.Comparable());
        Assert.Equal(
            State(Resting(pair.Haproxy, "show servers state")), State(Resting(pair.Ours, "show servers state")));
    }

    [Fact]
    public void Operators_ThatChangeServers_AreLoggedTheSame()
    {
        using var pair = new Pair();
        void Both(string command, string? log)
        {
            Assert.Equal(CliClient.Ask(pair.Haproxy, command), CliClient.Ask(pair.Ours, command));
            if (log is not null)
            {
                int seenH = pair.HaproxyLog.Lines.Count, seenO = pair.OurLog.Lines.Count;
                pair.HaproxyLog.WaitFor(log, seenH);
                pair.OurLog.WaitFor(log, seenO);
            }

            Assert.Equal(
                State(Resting(pair.Haproxy, "show servers state h")),
                    State(Resting(pair.Ours, "show servers state h")));
        }

        Both("set server h/n1 state maint", "h/n1 is going DOWN for maintenance");
        Both("set server h/n1 state drain", "h/n1 remains in forced drain mode");
        Both("set server h/n1 state ready", "h/n1 is UP (leaving forced drain)");
        Both("set server h/n1 state drain", "h/n1 enters drain state");
        Both("disable server h/n1", "h/n1 is going DOWN for maintenance");
        Both("enable server h/n1", "h/n1 is UP/READY (leaving forced maintenance)");
        Both("set server h/n1 health stopping", "h/n1 is stopping, changed from CLI");
        Both("set server h/n1 health down", "h/n1 is DOWN, changed from CLI");
        Both("set server h/n1 state maint", "h/n1 was DOWN and now enters maintenance");
        Both("set server h/n1 state ready", "h/n1 is UP/READY");
        Both("set server h/n1 weight 0", null);
        Both("set server h/n1 weight 100%", null);
        Both("disable frontend fe", "Paused frontend fe.");
        Both("disable frontend fe", null);
        Both("enable frontend fe", "Resumed frontend fe.");
        Both("shutdown frontend fe", "Proxy fe stopped");
        Both("enable frontend fe", null);
        Both("shutdown frontend fe", null);
        Assert.Equal(pair.HaproxyLog.Comparable(), pair.OurLog.Comparable());
    }
}
