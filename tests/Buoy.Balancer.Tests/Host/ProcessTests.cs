using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Buoy.Linux;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.Host;

/// <summary>The balancer as a real process: this test program started again with fake parts.</summary>
public sealed class ProcessTests : IDisposable
{
    private const int BadConfiguration = 1;
    private readonly string _folder = Directory.CreateTempSubdirectory("buoy-host").FullName;
    private readonly int _port = FreePort();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Run_InForeground_SaysReadyAndDiesByTerm()
    {
        using var p = Start(Config(), "-db");
        Assert.Equal('R', Fifo("ready").ReadByte());
        Assert.True(ProcessControl.Kill(p.Id, ProcessControl.SigTerm));
        Assert.Equal(128 + ProcessControl.SigTerm, End(p).Code);
    }

    [Theory]
    [InlineData(ProcessControl.SigInt)]
    [InlineData(ProcessControl.SigTerm)]
    [InlineData(ProcessControl.SigUsr1)]
    public void Run_StoppedBySignal_EndsAsTheOriginal(int signal)
    {
        string original = SharedData.RequireProgram("haproxy");
        string config = Config();
        using var ours = Start(config, "-db");
        Assert.Equal('R', Fifo("ready").ReadByte());
        ProcessControl.Kill(ours.Id, signal);
        var said = End(ours);
        using var theirs = Shell($"exec {original} -db -f {config}");
        WaitForListener();
        ProcessControl.Kill(theirs.Id, signal);
        var expected = End(theirs);
        Assert.Equal(expected.Code, said.Code);
        Assert.Equal(
            Stopped(expected.Error).Where(l => !l.Contains("<HTTPCLIENT>")), Stopped(said.Error));
    }

    [Fact]
    public void Run_WithHeartbeat_WritesBytesUntilItEnds()
    {
        using var p = Start(Config(), "-db");
        using var beat = Fifo("beat");
        Assert.Equal("...", string.Concat(Enumerable.Range(0, 3).Select(_ => (char)beat.ReadByte())));
        ProcessControl.Kill(p.Id, ProcessControl.SigUsr1);
        Assert.Equal(0, End(p).Code);
    }

    [Fact]
    public void Run_InTheForeground_WritesNoPidFile()
    {
        string pidFile = Path.Combine(_folder, "no-such-folder", "pid");
        using var p = Start(Config(), $"-db -p {pidFile}");
        using var beat = Fifo("beat");
        Assert.Equal('.', (char)beat.ReadByte());
        ProcessControl.Kill(p.Id, ProcessControl.SigUsr1);
        Assert.Equal(0, End(p).Code);
        Assert.False(File.Exists(pidFile));
    }

    [Fact]
    public void Run_AsDaemon_ReturnsWhenTheChildListens()
    {
        string pidFile = Path.Combine(_folder, "pid");
        using var p = Start(Config(), $"-D -p {pidFile}");
        using var beat = Fifo("beat"); // open from the start: a heartbeat that nobody reads is given up
        Assert.Equal(0, End(p).Code);
        int pid = int.Parse(File.ReadAllText(pidFile), CultureInfo.InvariantCulture);
        Assert.NotEqual(p.Id, pid);
        using (var client = new TcpClient())
        {
            client.Connect(IPAddress.Loopback, _port);
        }

        Assert.Equal("/dev/null", new FileInfo($"/proc/{pid}/fd/2").LinkTarget);
        Assert.True(ProcessControl.Kill(pid, ProcessControl.SigTerm));
        while (beat.ReadByte() >= 0)
        {
            // until its last writer, the daemon, is gone
        }
    }

    [Fact]
    public void Run_AsDaemonOnTakenPort_FailsWithTheMessage()
    {
        using var taken = new TcpListener(IPAddress.Loopback, _port);
        taken.Start();
        string config = Config();
        using var p = Start(config, "-D");
        var end = End(p);
        Assert.Equal(1, end.Code);
        Assert.Contains($"Binding [{config}:6] for frontend fa: cannot bind socket (Address already in use) for [127.0.0.1:{_port}]",
            end.Error);
        Assert.Contains("[haproxy.main()] Some protocols failed to start their listeners! Exiting.", end.Error);
    }

    [Fact]
    public void Run_WithUnknownChroot_FailsAsTheOriginal()
    {
        Assert.SkipUnless(ProcessControl.EffectiveUser == 0, "chroot needs root");
        using var p = Start(Config("global\n chroot /nosuch\n"), "-db");
        var end = End(p);
        Assert.Equal(1, end.Code);
        Assert.Contains("[haproxy.main()] Cannot chroot(/nosuch).", end.Error);
    }

    [Fact]
    public void Run_WithUserAndGroup_GivesUpRootInAllThreads()
    {
        Assert.SkipUnless(ProcessControl.EffectiveUser == 0, "changing the user needs root");
        using var p = Start(Config("global\n uid 4242\n gid 4243\n"), "-db");
        Assert.Equal('R', Fifo("ready").ReadByte());
        foreach (string task in Directory.GetDirectories($"/proc/{p.Id}/task"))
        {
            string status = File.ReadAllText(Path.Combine(task, "status"));
            Assert.Contains("Uid:\t4242\t4242\t4242\t4242", status);
            Assert.Contains("Gid:\t4243\t4243\t4243\t4243", status);
        }

        ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
        End(p);
    }

    [Fact]
    public void Run_WithOldPid_LetsTheOldOneStop()
    {
        using var old = Start(Config(), "-db");
        Assert.Equal('R', Fifo("ready").ReadByte());
        string second = Config().Replace("cfg", "second");
        File.WriteAllText(second, File.ReadAllText(Path.Combine(_folder, "cfg")).Replace($":{_port}", $":{FreePort()}"));
        using var next = Start(second, $"-db -sf {old.Id}");
        Assert.Equal(0, End(old).Code);
        ProcessControl.Kill(next.Id, ProcessControl.SigTerm);
        End(next);
    }

    [Theory]
    [InlineData("-c -f /dev/null", 2, "will not start (no listener)")]
    [InlineData("-c -f /nosuch", BadConfiguration, "Cannot open configuration file/directory /nosuch : No such file or directory")]
    [InlineData("-v", 0, "HAProxy version 2.6.12-compatible")]
    [InlineData("-vv", 0, "TARGET  = linux-glibc")]
    [InlineData("-Z", 1, "Usage : haproxy")]
    [InlineData("-f", 1, "Usage : haproxy")]
    [InlineData("", 1, "Usage : haproxy")]
    [InlineData("-dKfoo -f /dev/null", 1, "is not supported yet")]
    [InlineData("-cc version_atleast(2.4)", 0, "")]
    [InlineData("-cc version_atleast(2.7)", 1, "")]
    [InlineData("-cc foo(", 2, "Failed to evaluate condition")]
    [InlineData("-cc !(1&&0)||0", 0, "")]
    [InlineData("-cc !(1&&0)||false", 2, "unparsable conditional expression 'false'")]
    public void Run_OfCommandLine_AnswersAsHaproxy(string arguments, int code, string said)
    {
        var text = new StringWriter();
        string[] args = arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(code, Buoy.Balancer.Host.BalancerProgram.Run(args, new FakeParts(), [], text, text));
        Assert.Contains(said, text.ToString());
    }

    private static int FreePort()
    {
        using var l = new TcpListener(IPAddress.Loopback, 0);
        l.Start();
        return ((IPEndPoint)l.LocalEndpoint).Port;
    }

    private static string[] Stopped(string error) =>
        [.. error.Split('\n').Where(l => l.Contains(" stopped ")).Select(l => l[(l.IndexOf(") : ", StringComparison.Ordinal) + 4)..])];

    private string Config(string head = "")
    {
        string path = Path.Combine(_folder, "cfg");
        File.WriteAllText(path, $"""
            {head}defaults
             timeout client 1s
             timeout server 1s
             timeout connect 1s
            frontend fa
             bind 127.0.0.1:{_port}
             default_backend ba
            backend ba
             server s 127.0.0.1:1

            """);
        return path;
    }

    /// <summary>Starts the balancer with two named pipes as its ready and heartbeat descriptors.</summary>
    private Process Start(string config, string options)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "Buoy.Balancer.Tests");
        return Shell($"cd {_folder}; [ -p ready ] || mkfifo ready beat; exec 8<>beat 9<>ready; exec 6>beat 7>ready 8>&- 9>&-; "
            + $"BUOY_TEST_BALANCER=1 BUOY_HEARTBEAT_FD=6 BUOY_READY_FD=7 exec {program} balancer {options} -f {config}");
    }

    private static Process Shell(string script) => Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script])
    {
        RedirectStandardError = true, RedirectStandardOutput = true,
    })!;

    private FileStream Fifo(string name)
    {
        string path = Path.Combine(_folder, name);
        Assert.True(SpinWait.SpinUntil(() => File.Exists(path), TimeSpan.FromSeconds(20)), "the shell made no pipe");
        return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
    }

    private void WaitForListener() => Assert.True(
        SpinWait.SpinUntil(
            () =>
            {
                using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                return File.ReadLines("/proc/net/tcp").Any(l => l.Contains($"0100007F:{_port:X4} 00000000:0000 0A"));
            },
            TimeSpan.FromSeconds(20)),
        "the original does not listen");

    private static (int Code, string Error) End(Process p)
    {
        var output = p.StandardOutput.ReadToEndAsync();
        string error = p.StandardError.ReadToEnd();
        if (!p.WaitForExit(TimeSpan.FromSeconds(20)))
        {
            p.Kill();
            Assert.Fail("the process did not end: " + error);
        }

        _ = output.Result;
        return (p.ExitCode, error);
    }
}
