using Buoy.Linux;
using Buoy.Tests;

namespace Buoy.Agents.Tests;

/// <summary>
/// The built-in haproxy agent with a balancer of a few shell lines, and with the real HAProxy where it is.
/// </summary>
public sealed class HaproxyAgentTests
{
    /// <summary>
    /// Checks its file with -c; else becomes ready, beats twenty times a second until the file "hang" is there.
    /// </summary>
    private const string Balancer = """
        test "$2" = -c && { grep -q bad "$4" && { echo "line 1: bad" >&2; exit 1; }; exit 0; }
        grep -q bad "$3" && { echo "cannot bind" >&2; exit 1; }
        trap 'exit 0' TERM
        printf . >&$BUOY_HEARTBEAT_FD
        printf . >&$BUOY_READY_FD
        while :; do test -e "$3.hang" || printf . >&$BUOY_HEARTBEAT_FD; sleep 0.05; done
        """;

    [Fact]
    public void StartMonitorStop_OfOurBalancer_AreIdempotent()
    {
        using var bench = new Bench(Balancer);
        var at = Configuration(bench, "good");
        Assert.Equal(7, Run(bench, "monitor", at).Rc);
        Assert.Equal((0, ""), Short(Run(bench, "start", at)));
        Assert.Equal(0, Run(bench, "start", at).Rc);
        Assert.Equal(0, Run(bench, "monitor", at).Rc);
        Assert.Equal(0, Run(bench, "validate-all", at).Rc);
        Assert.True(File.Exists(Path.Combine(bench.Options.StateDirectory, "r.pid")));
        Assert.Equal(0, Run(bench, "stop", at).Rc);
        Assert.Equal(0, Run(bench, "stop", at).Rc);
        Assert.Equal(7, Run(bench, "monitor", at).Rc);
        Assert.False(File.Exists(Path.Combine(bench.Options.StateDirectory, "r.pid")));
    }

    [Fact]
    public void Start_OfABalancerThatCannot_SaysItsWords()
    {
        using var bench = new Bench(Balancer);
        var at = Configuration(bench, "bad");
        Assert.Equal((1, "cannot bind"), Short(Run(bench, "start", at)));
        Assert.Equal((6, "line 1: bad"), Short(Run(bench, "validate-all", at)));
        Assert.Equal(7, Run(bench, "monitor", at).Rc);
    }

    [Fact]
    public void Start_OfABalancerThatIsNeverReady_TimesOutAndLeavesNothing()
    {
        using var bench = new Bench("echo $$ > \"$3.pid\"; exec sleep 100");
        var at = Configuration(bench, "good");
        var result = bench.Run(Bench.Request(AgentCatalog.Haproxy, "start", 500, attributes: [at]));
        Assert.Equal((1, OperationStatus.Timeout), (result.Rc, result.Status));
        Assert.False(Directory.Exists($"/proc/{File.ReadAllText(at.Value + ".pid").Trim()}"));
    }

    [Fact]
    public void Start_WithoutItsFile_SaysNotInstalled()
    {
        using var bench = new Bench(Balancer);
        var result = Run(bench, "start", ("conffile", "/nowhere/haproxy.cfg"));
        Assert.Equal(5, result.Rc);
        Assert.Contains("/nowhere/haproxy.cfg", result.ExitReason);
    }

    [Fact]
    public void Monitor_Recurring_SaysAtOnceWhenTheBalancerDies()
    {
        using var bench = new Bench(Balancer);
        var at = Configuration(bench, "good");
        Run(bench, "start", at);
        var news = Watch(bench, at);
        using (var process = PidFd.Open(Pid(bench))!)
        {
            process.Signal(PidFd.SigKill);
        }

        bench.Loop.Until(() => news.Count == 2);
        Assert.Equal(7, news[1].Rc);
        Assert.Contains("signal 9", news[1].ExitReason);
        Assert.Equal(7, Run(bench, "monitor", at).Rc);
        Assert.Equal(0, Run(bench, "start", at).Rc);
        Assert.Equal(0, Run(bench, "stop", at).Rc);
    }

    [Fact]
    public void Monitor_Recurring_SaysWhenTheHeartbeatStopsAndWhenItIsBack()
    {
        using var bench = new Bench(Balancer, new GuardContext());
        var at = Configuration(bench, "good");
        Run(bench, "start", at);
        var news = Watch(bench, at);
        File.WriteAllText(at.Value + ".hang", "");
        bench.Loop.Until(() => news.Count == 2);
        Assert.Equal(1, news[1].Rc);
        Assert.Matches(@"balancer hangs \(no heartbeat for \d+ ms\)", news[1].ExitReason);
        Assert.Matches("its balancer hangs", bench.Options.Guard!.BalancerFault());
        Assert.Equal(1, Run(bench, "monitor", at).Rc);
        File.Delete(at.Value + ".hang");
        bench.Loop.Until(() => news.Count == 3);
        Assert.Equal(0, news[2].Rc);
        Assert.Null(bench.Options.Guard!.BalancerFault());
        Assert.Equal(0, Run(bench, "stop", at).Rc);
    }

    [Fact]
    public void Stop_OfAStoppedProcess_KillsIt()
    {
        using var bench = new Bench(Balancer);
        var at = Configuration(bench, "good");
        Run(bench, "start", at);
        using var process = PidFd.Open(Pid(bench))!;
        process.Signal(19);
        Assert.Equal(0, bench.Run(Bench.Request(AgentCatalog.Haproxy, "stop", 1000, attributes: [at])).Rc);
        Assert.False(process.Signal(0));
    }

    [Fact]
    public void Monitor_OfANewExecutor_TakesTheBalancerOver()
    {
        using var bench = new Bench("""
            trap 'exit 0' TERM
            printf . >&$BUOY_READY_FD
            while :; do sleep 0.05; done
            """);
        var at = Configuration(bench, "good");
        Run(bench, "start", at);
        int pid = Pid(bench);
        bench.Executor.Dispose();
        bench.Executor = new AgentExecutor(bench.Loop, bench.Options);
        Assert.Equal(0, Run(bench, "monitor", at).Rc);
        var news = Watch(bench, at);
        using var process = PidFd.Open(pid)!;
        process.Signal(PidFd.SigKill);
        bench.Loop.Until(() => news.Count == 2);
        Assert.Equal(7, news[1].Rc);
    }

    [Fact]
    public void Monitor_WithAPidfileOfAnotherProgram_IsNotTakenIn()
    {
        using var bench = new Bench(Balancer);
        Directory.CreateDirectory(bench.Options.StateDirectory);
        File.WriteAllText(Path.Combine(bench.Options.StateDirectory, "r.pid"), $"{Environment.ProcessId}\n");
        Assert.Equal(7, Run(bench, "monitor", Configuration(bench, "good")).Rc);
    }

    [Theory]
    [InlineData("statusurl", "https://127.0.0.1/")]
    [InlineData("conffile", "haproxy.cfg")]
    public void Start_WithAWrongParameter_NamesIt(string name, string value)
    {
        using var bench = new Bench(Balancer);
        var result = Run(bench, "start", (name, value));
        Assert.Equal(6, result.Rc);
        Assert.Contains($"parameter {name}=\"{value}\"", result.ExitReason);
    }

    [Fact]
    [Trait("original", "haproxy")]
    public void StartMonitorStop_OfARealHaproxy_Work() => NetNamespace.Run(() =>
    {
        string program = SharedData.RequireProgram("haproxy");
        using var bench = new Bench(Balancer);
        const string text = """
            defaults
              mode http
              timeout client 1s
              timeout server 1s
              timeout connect 1s
            frontend f
              bind 127.0.0.1:8080
              http-request return status 200

            """;
        (string, string)[] at = [
            ("binpath", program), Configuration(bench, text), ("statusurl", "http://127.0.0.1:8080/")];
        Assert.Equal(7, Run(bench, "monitor", at).Rc);
        Assert.Equal((0, ""), Short(Run(bench, "start", at)));
        Assert.Equal((0, ""), Short(Run(bench, "monitor", at)));
        Assert.Equal(0, Run(bench, "stop", at).Rc);
        Assert.Equal(7, Run(bench, "monitor", at).Rc);
        var wrong = Run(bench, "start", ("binpath", program), Configuration(bench, "nonsense\n"));
        Assert.Equal(6, wrong.Rc);
        Assert.Contains("nonsense", wrong.ExitReason);
    });

    private static (string Name, string Value) Configuration(Bench bench, string text)
    {
        string path = Path.Combine(bench.Folder, text.Length > 20 ? "real.cfg" : text.Trim() + ".cfg");
        File.WriteAllText(path, text);
        return ("conffile", path);
    }

    private static List<AgentResult> Watch(Bench bench, (string, string) at)
    {
        var news = new List<AgentResult>();
        bench.Executor.Execute(
            Bench.Request(AgentCatalog.Haproxy, "monitor", intervalMs: 3_600_000, attributes: [at]), news.Add);
        bench.Loop.Until(() => news.Count == 1);
        Assert.Equal(0, news[0].Rc);
        return news;
    }

    private static int Pid(Bench bench) =>
        int.Parse(File.ReadAllText(Path.Combine(bench.Options.StateDirectory, "r.pid")));

    private static (int, string) Short(AgentResult result) => (result.Rc, result.ExitReason);

    private static AgentResult Run(Bench bench, string task, params (string, string)[] attributes) =>
        bench.Run(Bench.Request(AgentCatalog.Haproxy, task, attributes: attributes));
}
