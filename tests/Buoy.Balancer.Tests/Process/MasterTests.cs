using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Buoy.Linux;

namespace Buoy.Balancer.Tests.RealProcess;

/// <summary>Master and workers (management manual chapters 3, 4, 9.4), beside the original where it has a say.</summary>
public sealed class MasterTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(ProcessControl.SigTerm)]
    [InlineData(ProcessControl.SigInt)]
    [InlineData(ProcessControl.SigUsr1)]
    public void Master_Signalled_EndsAsTheOriginal(int signal) => MasterStage.Compare(stage =>
    {
        var p = stage.StartMaster();
        ProcessControl.Kill(p.Id, signal);
        return stage.End(p);
    });

    [Theory]
    [InlineData(ProcessControl.SigKill)]
    [InlineData(ProcessControl.SigTerm)]
    [InlineData(ProcessControl.SigUsr1)]
    public void Worker_Ends_MasterFollowsAsTheOriginal(int signal) => MasterStage.Compare(stage =>
    {
        var p = stage.StartMaster();
        ProcessControl.Kill(stage.Worker(), signal);
        return stage.End(p);
    });

    [Fact]
    public void Reload_WithAndWithoutErrors_ShowsProcessesAsTheOriginal() => MasterStage.Compare(stage =>
    {
        var told = new StringBuilder();
        var p = stage.StartMaster();
        told.Append(stage.Processes());
        using var held = stage.Connect();
        told.Append(MasterStage.Talk(held)).Append('\n');
        ProcessControl.Kill(p.Id, ProcessControl.SigUsr2);
        stage.WaitForMaster("1 [failed: 0]");
        stage.WaitForLine("Proxy bb stopped");
        told.Append(stage.Processes());
        File.AppendAllText(stage.Config, "nonsense\n");
        ProcessControl.Kill(p.Id, ProcessControl.SigHup);
        stage.WaitForMaster("2 [failed: 1]");
        told.Append(stage.Processes()).Append(MasterStage.Talk(held)).Append('\n');
        ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
        return told + stage.End(p);
    });

    [Fact]
    public void Cli_OfMaster_AnswersAsTheOriginal() => MasterStage.Compare(stage =>
    {
        var p = stage.StartMaster();
        int worker = stage.Worker();
        string[] commands =
        [
            "@1 show cli level", $"@!{worker} show cli level;show cli level", "@77 show info", "@!1 show info", "help", "",
            "prompt\nshow cli level\n@1\nshow cli level\n@master\noperator\n@1 show cli level\n@\nquit",
            "@1 show stat -1 0 0\n@1 get weight bb/s1", "@1", "@master show cli level", "user\n@1 show cli level\n",
            "@1 set weight nosuch/none 3", "show cli sockets", "reloa",
        ];
        string told = string.Concat(commands.Select(c => $"== {c}\n{stage.Master(c)}"));
        ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
        stage.End(p);
        return told.Replace(worker.ToString(CultureInfo.InvariantCulture), "W");
    });

    [Fact]
    public void Start_OnBadAddress_FailsAsTheOriginal() => MasterStage.Compare(stage =>
    {
        File.WriteAllText(stage.Config, File.ReadAllText(stage.Config).Replace(" bind unix", " bind 192.0.2.1:1\n bind unix"));
        var p = stage.Start();
        return stage.End(p).Replace(stage.Folder, "DIR");
    });

    [Fact]
    public void Notify_OverALife_SaysWhatTheOriginalSays() => MasterStage.Compare(stage =>
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 20_000 };
        string path = Path.Combine(stage.Folder, "notify");
        socket.Bind(new UnixDomainSocketEndPoint(path));
        var p = stage.Start($"-Ws -S {stage.Folder}/m.sock", path);
        var told = new List<string>();
        string Next(string wanted)
        {
            var buffer = new byte[4096];
            string said;
            do
            {
                said = Encoding.ASCII.GetString(buffer, 0, socket.Receive(buffer)).Replace(
                    p.Id.ToString(CultureInfo.InvariantCulture), "PID");

                // The original says that it is reloading twice.
                if (told.Count == 0 || told[^1] != said)
                {
                    told.Add(said);
                }
            }
            while (!said.StartsWith(wanted, StringComparison.Ordinal));
            return said;
        }

        Next("READY");
        stage.WaitForMaster("0 [failed: 0]");
        told.Clear();
        ProcessControl.Kill(p.Id, ProcessControl.SigUsr2);
        Next("READY");
        stage.WaitForMaster("1 [failed: 0]");
        ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
        Next("STOPPING");
        stage.End(p);
        return string.Join('\n', told);
    });

    [Fact]
    public void Reload_UnderLoad_RefusesAndResetsNothing()
    {
        const int Reloads = 3;
        using var stage = MasterStage.Ours();
        var p = stage.StartMaster();
        string[] before = stage.Listeners();
        using var held = stage.Connect();
        Assert.Equal("echo:x", MasterStage.Talk(held));
        var errors = new List<string>();
        long done = 0;
        bool stop = false;
        Func<Socket>[] ways = [stage.Connect, stage.Connect, () => stage.ConnectUnix(false), () => stage.ConnectUnix(true)];
        Thread[] clients = [.. ways.Select(way => new Thread(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                try
                {
                    using var socket = way();
                    if (MasterStage.Talk(socket) != "echo:x")
                    {
                        throw new IOException("wrong answer");
                    }

                    Interlocked.Increment(ref done);
                }
                catch (Exception e) when (e is SocketException or IOException)
                {
                    lock (errors)
                    {
                        errors.Add(e.Message);
                    }
                }
            }
        }))];
        foreach (var c in clients)
        {
            c.Start();
        }

        for (int i = 1; i <= Reloads; i++)
        {
            long from = Interlocked.Read(ref done);
            Assert.True(SpinWait.SpinUntil(() => Interlocked.Read(ref done) > from + 50, Patience));
            ProcessControl.Kill(p.Id, i % 2 == 0 ? ProcessControl.SigHup : ProcessControl.SigUsr2);
            stage.WaitForLine("Loading success.", i + 1);
        }

        stop = true;
        foreach (var c in clients)
        {
            c.Join();
        }

        Assert.Empty(errors);
        Assert.Equal("echo:x", MasterStage.Talk(held));
        Assert.Equal(before, stage.Listeners());
        ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
        stage.End(p);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Transfer_BetweenOursAndTheOriginal_KeepsTheSocket(bool toOriginal)
    {
        using var original = MasterStage.Original();
        using var ours = MasterStage.Ours();
        var (from, to) = toOriginal ? (ours, original) : (original, ours);
        File.Copy(from.Config, to.Config, overwrite: true);
        var old = from.Start("-db");
        Assert.True(SpinWait.SpinUntil(() => from.Listeners().Length > 0, Patience));
        string[] sockets = from.Listeners();
        using var held = from.Connect();
        Assert.Equal("echo:x", MasterStage.Talk(held));
        var next = to.Start($"-db -x {from.Folder}/stats.sock -sf {old.Id}");
        Assert.True(SpinWait.SpinUntil(() => Holds(next.Id, sockets[0]), Patience));
        using (var fresh = from.Connect())
        {
            // Taken by either, as long as both hold the socket.
            Assert.Equal("echo:x", MasterStage.Talk(fresh));
        }

        held.Dispose();
        Assert.True(old.WaitForExit(Patience));
        using var last = from.ConnectUnix(isAbstract: true);
        Assert.Equal("echo:x", MasterStage.Talk(last));
        Assert.DoesNotContain(to.Lines(), l => l.Contains("ALERT"));
    }

    [Fact]
    public void Reload_PastMaxReloads_EndsTheOldest()
    {
        using var stage = MasterStage.Ours();
        stage.WriteConfig("mworker-max-reloads 1");
        var p = stage.StartMaster();
        using var held = stage.Connect();
        Assert.Equal("echo:x", MasterStage.Talk(held));
        for (int i = 2; i <= 3; i++)
        {
            ProcessControl.Kill(p.Id, ProcessControl.SigUsr2);
            stage.WaitForLine("Loading success.", i);
        }

        stage.WaitForLine("exited with code 143 (Terminated)");
        ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
        stage.End(p);
    }

    [Fact]
    public void Worker_CrashesWithNoExit_MasterStaysAndReloads()
    {
        using var stage = MasterStage.Ours();
        stage.WriteConfig("master-worker no-exit-on-failure");
        var p = stage.StartMaster();
        ProcessControl.Kill(stage.Worker(), ProcessControl.SigKill);
        stage.WaitForLine("exited with code 137 (Killed)");
        ProcessControl.Kill(p.Id, ProcessControl.SigUsr2);
        stage.WaitForLine("Loading success.", 2);
        using var socket = stage.Connect();
        Assert.Equal("echo:x", MasterStage.Talk(socket));
        ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
        Assert.EndsWith("exit 0", stage.End(p));
    }

    [Fact]
    public void Master_Killed_WorkerEnds()
    {
        using var stage = MasterStage.Ours();
        var p = stage.StartMaster();
        int worker = stage.Worker();
        p.Kill();
        Assert.True(Stage.Gone(worker));
    }

    [Fact]
    public void Daemon_WithWorkers_ReturnsWhenTheyListen()
    {
        using var stage = MasterStage.Ours();
        var p = stage.Start($"-D -W -S {stage.Folder}/m.sock");
        Assert.True(p.WaitForExit(Patience));
        Assert.Equal(0, p.ExitCode);
        int master = int.Parse(File.ReadAllText(stage.PidFile), CultureInfo.InvariantCulture);
        stage.Adopt(master);
        int worker = stage.Worker();
        using (var socket = stage.Connect())
        {
            Assert.Equal("echo:x", MasterStage.Talk(socket));
        }

        Assert.Equal("/dev/null", new FileInfo($"/proc/{master}/fd/2").LinkTarget);
        Assert.Equal("/dev/null", new FileInfo($"/proc/{worker}/fd/2").LinkTarget);
        ProcessControl.Kill(master, ProcessControl.SigTerm);
        Assert.True(Stage.Gone(worker) && Stage.Gone(master));
    }

    [Fact]
    public void SoftStop_WithGraceAndHardStop_AcceptsThenEnds()
    {
        using var stage = MasterStage.Ours();
        stage.WriteConfig("grace 600ms\n hard-stop-after 300ms");
        var p = stage.Start("-db");
        Assert.True(SpinWait.SpinUntil(() => File.Exists($"{stage.Folder}/stats.sock"), Patience));
        using var held = stage.Connect();
        Assert.Equal("echo:x", MasterStage.Talk(held));
        ProcessControl.Kill(p.Id, ProcessControl.SigUsr1);
        using (var late = stage.Connect())
        {
            Assert.Equal("echo:x", MasterStage.Talk(late));
        }

        Assert.Contains("performing a hard-stop", stage.End(p));
    }

    private static bool Holds(int pid, string inode)
    {
        try
        {
            return Directory.GetFiles($"/proc/{pid}/fd").Any(f => new FileInfo(f).LinkTarget == $"socket:[{inode}]");
        }
        catch (IOException)
        {
            return false;
        }
    }
}
