using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Linux;

namespace Buoy.Balancer.Tests.RealProcess;

/// <summary>The seed's configuration in the real program, side by side with the original.</summary>
public sealed partial class SeedTests
{
    private const string Login = "Authorization: Basic YWRtaW46YWRtaW4=\r\n";

    [Fact]
    public void Check_OfTheSeed_SaysTheSame() => Stage.Compare(s => s.Run("-c", "-f", s.Config));

    [Fact]
    public void Check_OfTheSeedInTwoFiles_SaysTheSame() => Stage.Compare(s =>
    {
        string[] parts = File.ReadAllText(s.Config).Split("defaults\n", 2);
        string first = Path.Combine(s.Folder, "1.cfg");
        string second = Path.Combine(s.Folder, "2.cfg");
        File.WriteAllText(first, parts[0]);
        File.WriteAllText(second, "defaults\n" + parts[1]);
        return s.Run("-c", "-f", first, "-f", second);
    });

    [Fact]
    public void Check_StartedAsHaproxy_IsTheSameProgram()
    {
        using var s = Stage.Ours();
        using var process = Process.Start(s.AsHaproxy("-c", "-f", s.Config))!;
        Assert.EndsWith("Configuration file is valid\n", s.End(process).Split("[WARNING]")[0]);
        using var version = Process.Start(s.AsHaproxy("-v"))!;
        Assert.StartsWith("HAProxy version 2.6.12", s.End(version));
    }

    [Fact]
    public void Daemon_OfTheSeed_ChrootsAndGivesUpRoot() => Stage.Compare(s =>
    {
        int pid = s.Daemon();
        var said = new StringBuilder(s.Plain(new FileInfo($"/proc/{pid}/root").LinkTarget!) + "\n");
        foreach (string task in Directory.GetDirectories($"/proc/{pid}/task"))
        {
            Assert.Contains("Uid:\t65534\t65534\t65534\t65534", File.ReadAllText($"{task}/status"));
        }

        foreach (string line in File.ReadLines($"/proc/{pid}/status").Where(l => Identity().IsMatch(l)))
        {
            said.Append(line.TrimEnd()).Append('\n');
        }

        said.Append(File.GetUnixFileMode($"{s.Folder}/admin.sock")).Append('\n');
        ProcessControl.Kill(pid, ProcessControl.SigTerm);
        Assert.True(Stage.Gone(pid), "the daemon outlives SIGTERM");
        return said.ToString();
    });

    [Fact]
    public void Traffic_ThroughTheSeed_IsTheSame() => Stage.Compare(s =>
    {
        s.Daemon();
        var said = new StringBuilder();
        var servers = new SortedSet<string>(StringComparer.Ordinal); // each of our shards goes round on its own
        for (int i = 0; i < 12; i++)
        {
            using var client = Stage.Connect(s.ApiPort);
            servers.Add(Stage.Echo(client, "hello"));
        }

        said.AppendJoin(' ', servers).Append('\n');
        said.Append(Session().Replace(s.WaitForLog("] kubernetes-apiserver-https "), " SERVER A/B/C BYTES CONNS "));
        said.Append(WithoutFraming(Stage.Talk(s.StatsPort, "GET / HTTP/1.0\r\n\r\n")));
        string csv = Stage.Talk(s.StatsPort, $"GET /;csv HTTP/1.0\r\n{Login}\r\n");
        said.Append(WithoutFraming(csv.Split("\r\n\r\n")[0]));
        said.AppendJoin('\n', csv.Split('\n').Where(l => l.Count(c => c == ',') > 80).Select(l => l[0] == '#' ? l : Names(l)));
        string html = Stage.Talk(s.StatsPort, $"GET / HTTP/1.0\r\n{Login}\r\n");
        said.Append(WithoutFraming(html.Split("\r\n\r\n")[0]));
        Assert.Contains("kube-mast03", html);
        Assert.DoesNotContain("2.6.12", html);
        string unavailable = Stage.Talk(s.HttpPort, "GET / HTTP/1.0\r\n\r\n");
        said.Append(unavailable.Split("\r\n")[0]).Append(unavailable.Split("\r\n\r\n")[1]);
        return said.ToString();
    });

    /// <summary>The original uses its built-in texts for these two whatever the errorfile, so only ours is asked.</summary>
    [Fact]
    public void BadRequests_OfTheSeed_GetTheErrorFiles()
    {
        Assert.SkipUnless(ProcessControl.EffectiveUser == 0, "chroot and user of the seed's configuration need root");
        using var s = Stage.Ours();
        s.Daemon();
        Assert.EndsWith("own 400\n", Stage.Talk(s.HttpPort, "GARBAGE\r\n\r\n"));
        Assert.EndsWith("own 408\n", Stage.Talk(s.HttpPort, "GET / HT"));
    }

    [Fact]
    public void Names_GoneAndBack_TakeServersDownAndUp() => Stage.Compare(s =>
    {
        s.Daemon();
        var said = new StringBuilder();
        s.Answers.Clear();
        s.WaitForStatus("MAINT_(resolution) MAINT_(resolution) MAINT_(resolution)");
        said.Append(s.WaitForLog("kube-mast02 is going DOWN"));
        using (var client = Stage.Connect(s.ApiPort))
        {
            said.Append(client.Receive(new byte[1]));
        }

        Stage.Names.ToList().ForEach(n => s.Answers[n + ".buoy.invalid"] = true);
        s.WaitForStatus("UP UP UP");
        said.Append(s.WaitForLog("kube-mast02 changed its IP"));
        return said.Append(s.WaitForLog("is UP/READY (resolves again)")).ToString();
    });

    [Fact]
    public void Server_StoppedAndBack_IsReportedTheSame() => Stage.Compare(s =>
    {
        s.Daemon();
        s.StopServer("kube-mast01");
        s.WaitForStatus("DOWN UP UP");
        string said = Durations().Replace(s.WaitForLog("kube-mast01 is DOWN"), "N ms");
        s.RestartServer("kube-mast01");
        s.WaitForStatus("UP UP UP");
        return said + Durations().Replace(s.WaitForLog("kube-mast01 is UP"), "N ms");
    });

    [Fact]
    public void SoftStop_WithAnOpenConnection_FinishesIt() => Stage.Compare(s =>
    {
        int pid = s.Daemon();
        using var client = Stage.Connect(s.ApiPort);
        var said = new StringBuilder(Stage.Echo(client, "one"));
        ProcessControl.Kill(pid, ProcessControl.SigUsr1);
        said.Append(s.WaitForLog("Proxy kubernetes-apiserver-https stopped"));
        said.Append(s.WaitForLog("Proxy stats stopped")[..20]);
        Assert.Throws<SocketException>(() => Stage.Connect(s.ApiPort));
        said.Append(Stage.Echo(client, "two")).Append(Directory.Exists($"/proc/{pid}"));
        client.Dispose();
        Assert.True(Stage.Gone(pid), "the daemon does not end after its last connection");
        return said.ToString();
    });

    [Theory]
    [InlineData("global\n zork\n")]
    [InlineData("defaults\n timeout client 5x\n")]
    [InlineData("defaults\n errorfile 503 /nonexistent/503.http\n")]
    [InlineData("frontend f\n bind 127.0.0.1:1 zork\n")]
    public void Daemon_OfBadFile_SaysTheSameAndStartsNothing(string text) => Stage.Compare(s =>
    {
        string path = Path.Combine(s.Folder, "bad.cfg");
        File.WriteAllText(path, text);
        string pidFile = Path.Combine(s.Folder, "bad.pid");
        return s.Run("-D", "-f", path, "-p", pidFile) + File.Exists(pidFile);
    });

    [Fact]
    public void Daemon_OnTakenPort_SaysTheSameAndStartsNothing() => Stage.Compare(s =>
    {
        using var taken = new TcpListener(IPAddress.Loopback, s.StatsPort);
        taken.Start();
        string said = s.Run("-D", "-f", s.Config, "-p", $"{s.Folder}/pid") + File.Exists($"{s.Folder}/pid");
        Assert.Throws<SocketException>(() => Stage.Connect(s.ApiPort));
        return said[said.IndexOf("[ALERT]", StringComparison.Ordinal)..];
    });

    [Theory]
    [InlineData(ProcessControl.SigTerm)]
    [InlineData(ProcessControl.SigInt)]
    public void Foreground_Stopped_EndsByTheSignal(int signal) => Stage.Compare(s =>
    {
        using var process = s.Start("-db", "-f", s.Config);
        _ = s.WaitForLog("kube-mast02 administratively READY");
        ProcessControl.Kill(process.Id, signal);
        string said = s.End(process);
        return said[said.LastIndexOf("exit", StringComparison.Ordinal)..];
    });

    [Theory]
    [InlineData("show servers state")]
    [InlineData("show servers state kubernetes-master-nodes")]
    [InlineData("show servers state nope")]
    [InlineData("show backend")]
    [InlineData("set server a/b state ready")]
    [InlineData("set server kubernetes-master-nodes/b state ready")]
    [InlineData("set server kubernetes-master-nodes/kube-mast01 state zz")]
    [InlineData("set server kubernetes-master-nodes/kube-mast01 weight 50%|get weight kubernetes-master-nodes/kube-mast01")]
    [InlineData("set server kubernetes-master-nodes/kube-mast01 weight 300")]
    [InlineData("set server kubernetes-master-nodes/kube-mast02 addr 127.0.0.3")]
    [InlineData("set server kubernetes-master-nodes/kube-mast02 addr 127.0.0.1 port 77")]
    [InlineData("set server kubernetes-master-nodes/kube-mast02 addr zz")]
    [InlineData("set server kubernetes-master-nodes/kube-mast01")]
    [InlineData("set weight x/y 4")]
    [InlineData("disable server kubernetes-master-nodes/kube-mast01|show servers state kubernetes-master-nodes")]
    [InlineData("enable server kubernetes-master-nodes/kube-mast01")]
    [InlineData("disable server x")]
    [InlineData("set server kubernetes-master-nodes/kube-mast01 state drain|show servers state kubernetes-master-nodes")]
    [InlineData("set server kubernetes-master-nodes/kube-mast01 state maint|show servers state kubernetes-master-nodes")]
    [InlineData("show cli level")]
    [InlineData("show cli sockets")]
    [InlineData("clear counters")]
    [InlineData("disable frontend kubernetes-apiserver-https")]
    public void RuntimeApi_OfTheSeed_AnswersTheSame(string commands) => Stage.Compare(s =>
    {
        s.Daemon();
        var said = new StringBuilder();
        foreach (string command in commands.Split('|'))
        {
            string answer = s.Plain(s.Ask(command));
            // The time since the last change is the 10th column; the columns of the check are still moving.
            said.Append(string.Join('\n', answer.Split('\n').Select(l => l.Split(' ') is { Length: > 20 } c && l[0] != '#'
                ? string.Join(' ', c[..9].Concat(c[14..])) : l)));
        }

        return said.ToString();
    });

    [GeneratedRegex(@"^(Uid|Gid|Groups):")]
    private static partial Regex Identity();

    [GeneratedRegex(@"\d+ ?ms")]
    private static partial Regex Durations();

    /// <summary>The first two columns: whose line it is.</summary>
    private static string Names(string line) => string.Join(',', line.Split(',')[..2]);

    /// <summary>A response without what each program frames it with.</summary>
    private static string WithoutFraming(string response) => Framing().Replace(response, "").TrimEnd();

    [GeneratedRegex(@"(?m)^(connection|content-length|transfer-encoding): .*\n?")]
    private static partial Regex Framing();

    [GeneratedRegex(@"(?<=/kube-mast0)\d -?\d+/-?\d+/\+?\d+ \d+ (?=--)|(?<=-- )\d+/\d+/\d+/\d+/\d+(?= )")]
    private static partial Regex Session();
}
