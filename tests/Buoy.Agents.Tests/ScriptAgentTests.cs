using System.Diagnostics;
using System.Globalization;
using Buoy.Tests;

namespace Buoy.Agents.Tests;

/// <summary>Operations of script agents, run for real.</summary>
public sealed class ScriptAgentTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(9)]
    public void Execute_AScript_GivesItsExitStatusAndReason(int rc)
    {
        using var bench = new Bench();
        var agent = bench.Agent("Thing", $"echo chat >&2; echo 'ocf-exit-reason:because of {rc}' >&2; exit {rc}");
        var result = bench.Run(Bench.Request(agent, "start"));
        Assert.Equal((rc, OperationStatus.Done, $"because of {rc}", ""),
            (result.Rc, result.Status, result.ExitReason, result.Output));
        Assert.Contains(bench.Lines, static l => l is { IsError: true, Text: "chat" });
    }

    [Fact]
    public void Execute_AScript_GivesItTheContractsEnvironment()
    {
        using var bench = new Bench();
        var agent = bench.Agent("Thing", "env > \"$HA_RSCTMP/env\"; echo \"args=$*\" >> \"$HA_RSCTMP/env\"");
        bench.Run(Bench.Request(
            agent, "monitor", 30_000, 0, "thing:2", ("ip", "192.0.2.1"), ("with space", "a b"),
            ("CRM_meta_clone_max", "3"),
            ("OCF_CHECK_LEVEL", "10")));
        string[] env = File.ReadAllLines(Path.Combine(bench.Options.AgentStateDirectory, "env"));
        foreach (string line in (string[])[
            $"OCF_ROOT={bench.Folder}", "OCF_RA_VERSION_MAJOR=1", "OCF_RESOURCE_INSTANCE=thing:2",
            "OCF_RESOURCE_TYPE=Thing",
            "OCF_RESOURCE_PROVIDER=test", "OCF_RESKEY_ip=192.0.2.1", "OCF_RESKEY_CRM_meta_clone_max=3",
            "OCF_CHECK_LEVEL=10",
            "OCF_RESKEY_CRM_meta_timeout=30000", "OCF_RESKEY_CRM_meta_interval=0", "HA_SBIN_DIR=/usr/sbin",
            "HA_VARRUN=/var/run/", "HA_LOGFACILITY=daemon", "args=monitor"])
        {
            Assert.Contains(line, env);
        }

        Assert.Contains(env, static l => l.StartsWith("PATH=", StringComparison.Ordinal) && l.Contains("/usr/sbin"));
        Assert.DoesNotContain(env, static l => l.StartsWith("OCF_RESKEY_OCF_CHECK_LEVEL", StringComparison.Ordinal));
    }

    [Fact]
    public void Execute_BeyondItsTimeout_KillsTheWholeGroupAndSaysSo()
    {
        using var bench = new Bench();
        var agent = bench.Agent("Thing", "trap '' TERM; sleep 100 & echo $! > \"$HA_RSCTMP/pid\"; wait; wait");
        var result = bench.Run(Bench.Request(agent, "start", 300));
        Assert.Equal(
            (1, OperationStatus.Timeout, "Resource agent did not complete within 300ms"),
            (result.Rc, result.Status, result.ExitReason));
        int pid = int.Parse(File.ReadAllText(Path.Combine(bench.Options.AgentStateDirectory, "pid")));
        string stat = $"/proc/{pid}/stat";
        bench.Loop.Until(() => !File.Exists(stat) || File.ReadAllText(stat).Contains(") Z "));
    }

    [Fact]
    public void Execute_AnAgentThatIsNotThere_SaysNotInstalled()
    {
        using var bench = new Bench();
        var result = bench.Run(Bench.Request(new AgentName("ocf", "test", "None"), "start"));
        Assert.Equal((5, OperationStatus.NotInstalled), (result.Rc, result.Status));
        Assert.Contains("resource.d/test/None", result.ExitReason);
    }

    [Fact]
    public void Execute_AFenceAgent_IsRefusedByName()
    {
        using var bench = new Bench();
        var result = bench.Run(Bench.Request(new AgentName("stonith", null, "fence_xvm"), "start"));
        Assert.Equal((3, OperationStatus.NotSupported), (result.Rc, result.Status));
        Assert.Contains("stonith:fence_xvm", result.ExitReason);
    }

    [Fact]
    public void Execute_AScriptEndedBySignal_IsAnError()
    {
        using var bench = new Bench();
        var result = bench.Run(Bench.Request(bench.Agent("Thing", "kill -9 $$"), "start"));
        Assert.Equal((1, OperationStatus.Error), (result.Rc, result.Status));
        Assert.Contains("signal 9", result.ExitReason);
    }

    [Fact]
    public void Execute_ADaemonThatKeepsItsOutputOpen_IsNotWaitedFor()
    {
        using var bench = new Bench();
        var agent = bench.Agent("Thing", "sleep 100 & echo $! > \"$HA_RSCTMP/pid\"");
        Assert.Equal(0, bench.Run(Bench.Request(agent, "start")).Rc);
        string pid = File.ReadAllText(Path.Combine(bench.Options.AgentStateDirectory, "pid")).Trim();

        // Throws where it is gone, that is, where the executor had waited for it or had ended it.
        using var daemon = Process.GetProcessById(int.Parse(pid, CultureInfo.InvariantCulture));
        daemon.Kill();
    }

    [Fact]
    public void Execute_OfOneResource_RunsInOrderOneByOne()
    {
        using var bench = new Bench();
        var agent = bench.Agent(
            "Thing", "mkdir \"$HA_RSCTMP/busy\" || exit 1; echo $1 >> \"$HA_RSCTMP/order\"; rmdir \"$HA_RSCTMP/busy\"");
        var results = new List<int>();
        foreach (string task in (string[])["start", "monitor", "stop", "monitor"])
        {
            bench.Executor.Execute(Bench.Request(agent, task), r => results.Add(r.Rc));
        }

        bench.Loop.Until(() => results.Count == 4);
        Assert.All(results, static rc => Assert.Equal(0, rc));
        string[] order = File.ReadAllLines(Path.Combine(bench.Options.AgentStateDirectory, "order"));
        Assert.Equal(["start", "monitor", "stop", "monitor"], order);
    }

    [Fact]
    public void Execute_OfTwoResources_RunsSideBySide()
    {
        using var bench = new Bench();
        const string meet =
            "touch \"$HA_RSCTMP/$OCF_RESOURCE_INSTANCE\"; while ! test -e \"$HA_RSCTMP/$OCF_RESKEY_other\"; do :; done";
        var agent = bench.Agent("Thing", meet);
        int ended = 0;
        bench.Executor.Execute(Bench.Request(agent, "start", id: "a", attributes: ("other", "b")), r =>
            ended += r.Rc == 0 ? 1 : 100);
        bench.Executor.Execute(Bench.Request(agent, "start", id: "b", attributes: ("other", "a")), r =>
            ended += r.Rc == 0 ? 1 : 100);
        bench.Loop.Until(() => ended >= 2);
        Assert.Equal(2, ended);
    }

    [Fact]
    public void Execute_Recurring_ReportsTheFirstResultAndEachChange()
    {
        using var bench = new Bench();
        var agent = bench.Agent(
            "Thing",
            "cd $HA_RSCTMP; n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n; test $n -lt 3 || exit 7");
        var results = new List<int>();
        bench.Executor.Execute(Bench.Request(agent, "monitor", intervalMs: 10), r => results.Add(r.Rc));
        bench.Loop.Until(() => results.Count == 2);
        Assert.Equal([0, 7], results);
        Assert.True(bench.Executor.Cancel("r", "monitor", 10));
        Assert.False(bench.Executor.Cancel("r", "monitor", 10));
    }

    [Fact]
    public void Cancel_WhileItRuns_EndsItSilentlyAndLetsTheNextRun()
    {
        using var bench = new Bench();
        var agent = bench.Agent("Thing", "test $1 = stop || { touch \"$HA_RSCTMP/on\"; exec sleep 100; }");
        bench.Executor.Execute(Bench.Request(agent, "monitor", intervalMs: 1000), _ =>
            Assert.Fail("a cancelled operation spoke"));
        bench.Loop.Until(() => File.Exists(Path.Combine(bench.Options.AgentStateDirectory, "on")));
        bench.Executor.CancelAll("r");
        Assert.Equal(0, bench.Run(Bench.Request(agent, "stop")).Rc);
    }

    [Fact]
    public void Execute_WithMuchOutput_KeepsItBounded()
    {
        using var bench = new Bench();
        var agent = bench.Agent(
            "Thing", "i=0; while test $i -lt 5000; do echo line $i >&2; i=$((i+1)); done; head -c 3000000 /dev/zero");
        Assert.Equal(0, bench.Run(Bench.Request(agent, "start")).Rc);
        Assert.InRange(bench.Lines.Count(static l => l.IsError), 900, 1000);
    }

    [Fact]
    public void MetaData_OfAScript_IsAskedOnceAndKept()
    {
        using var bench = new Bench();
        var agent = bench.Agent("Thing", "echo x >> \"$HA_RSCTMP/asked\"; echo '<resource-agent name=\"Thing\"/>'");
        var seen = new List<string?>();
        for (int i = 1; i <= 2; i++)
        {
            bench.Executor.MetaData(agent, seen.Add);
            bench.Loop.Until(() => seen.Count == i);
        }

        Assert.All(seen, static s => Assert.Equal("<resource-agent name=\"Thing\"/>\n", s));
        Assert.Single(File.ReadAllLines(Path.Combine(bench.Options.AgentStateDirectory, "asked")));
        bench.Executor.MetaData(new AgentName("ocf", "test", "None"), seen.Add);
        bench.Loop.Until(() => seen.Count == 3);
        Assert.Null(seen[2]);
    }

    [Fact]
    public void Execute_AnInitScript_TranslatesItsStatus()
    {
        using var bench = new Bench();
        bench.Script("daemon", "test $1 = status && exit 3; exit 0");
        bench.Executor = new AgentExecutor(bench.Loop, bench.Options with { LsbRoot = bench.Folder });
        var agent = new AgentName("lsb", null, "daemon");
        Assert.Equal(7, bench.Run(Bench.Request(agent, "monitor")).Rc);
        Assert.Equal(0, bench.Run(Bench.Request(agent, "start")).Rc);
        Assert.Equal(3, bench.Run(Bench.Request(agent, "promote")).Rc);
    }

    [Theory]
    [InlineData("loaded", "active", 0, OperationStatus.Done)]
    [InlineData("loaded", "inactive", 7, OperationStatus.Done)]
    [InlineData("loaded", "failed", 1, OperationStatus.Done)]
    [InlineData("loaded", "activating", 1, OperationStatus.Done)]
    [InlineData("not-found", "inactive", 5, OperationStatus.NotInstalled)]
    public void Execute_AUnit_TranslatesItsState(string load, string active, int rc, OperationStatus status)
    {
        using var bench = new Bench();
        string program = bench.Script("systemctl", $$"""
            echo "$*" >> {{bench.Folder}}/asked
            test "$1" = show && { echo LoadState={{load}}; echo ActiveState={{active}}; }
            test "$1 {{load}}" = "start not-found" && exit 5
            exit 0
            """);
        bench.Executor = new AgentExecutor(bench.Loop, bench.Options with { Systemctl = program });
        var agent = new AgentName("systemd", null, "nginx");
        var result = bench.Run(Bench.Request(agent, "monitor"));
        Assert.Equal((rc, status), (result.Rc, result.Status));
        Assert.Equal(load == "loaded" ? 0 : 5, bench.Run(Bench.Request(agent, "start")).Rc);
        Assert.Equal(0, bench.Run(Bench.Request(agent, "stop")).Rc);
        string[] asked = File.ReadAllLines(Path.Combine(bench.Folder, "asked"));
        Assert.Equal(
            ["show --property=LoadState,ActiveState nginx.service", "start nginx.service", "stop nginx.service"],
            asked);
    }

    [Fact]
    [Trait("original", "pacemaker")]
    public void Execute_PacemakersDummy_StartsAndStops()
    {
        bool installed = File.Exists("/usr/lib/ocf/resource.d/pacemaker/Dummy");
        Assert.SkipUnless(installed, "pacemaker's agents are not installed");
        using var bench = new Bench();
        bench.Executor = new AgentExecutor(bench.Loop, bench.Options with { OcfRoot = "/usr/lib/ocf" });
        var dummy = new AgentName("ocf", "pacemaker", "Dummy");
        (string, string)[] at = [("state", Path.Combine(bench.Folder, "dummy.state"))];
        int[] found = [.. ((string[])["monitor", "start", "monitor", "stop", "monitor", "promote"])
            .Select(task => bench.Run(Bench.Request(dummy, task, attributes: at)).Rc)];
        Assert.Equal([7, 0, 0, 0, 7, 3], found);
        string? xml = null;
        bench.Executor.MetaData(dummy, x => xml = x);
        bench.Loop.Until(() => xml is not null);
        Assert.Equal("Dummy", (string?)System.Xml.Linq.XDocument.Parse(xml!).Root!.Attribute("name"));
    }

    [Fact]
    public void Execute_WithAStartDelay_RunsAfterIt()
    {
        using var bench = new Bench();
        var agent = bench.Agent("Thing", "echo $OCF_RESOURCE_INSTANCE >> \"$HA_RSCTMP/order\"");
        int ended = 0;
        bench.Executor.Execute(
            Bench.Request(agent, "monitor", id: "late", attributes: ("CRM_meta_start_delay", "400")), _ => ended++);
        bench.Executor.Execute(Bench.Request(agent, "monitor", id: "soon"), _ => ended++);
        bench.Loop.Until(() => ended == 2);
        string[] order = File.ReadAllLines(Path.Combine(bench.Options.AgentStateDirectory, "order"));
        Assert.Equal(["soon", "late"], order);
    }

    [Fact]
    public void Agents_OfTheCatalogue_HoldInstalledAndBuiltInOnes()
    {
        using var bench = new Bench();
        bench.Agent("Thing", "exit 0");
        Assert.Equal(["heartbeat", "test"], AgentCatalog.Providers(bench.Options));
        Assert.Equal(["Thing"], AgentCatalog.Agents("ocf", "test", bench.Options));
        Assert.Equal(["IPaddr2", "haproxy"], AgentCatalog.Agents("ocf", "heartbeat", bench.Options));
        Assert.True(AgentCatalog.IsInstalled(AgentCatalog.Haproxy, bench.Options));
        foreach (var agent in (AgentName[])[AgentCatalog.IpAddress, AgentCatalog.Haproxy])
        {
            var xml = System.Xml.Linq.XDocument.Parse(AgentCatalog.BuiltInMetaData(agent)!);
            Assert.Equal(agent.Type, (string?)xml.Root!.Attribute("name"));
        }
    }

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(20, "20ms")]
    [InlineData(20_000, "20s")]
    [InlineData(1500, "1.500s")]
    [InlineData(90_000, "1m30s")]
    [InlineData(3_600_000, "1h")]
    public void Text_OfAnInterval_IsReadable(long ms, string expected) => Assert.Equal(expected, Interval.Text(ms));
}
