using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;
using Buoy.Linux;

namespace Buoy.Tests;

/// <summary>
/// A network namespace for one test: a thread of its own that leaves the machine's (unshare(2)), so that its sockets
/// and children are in a new one. It is gone when the thread and its sockets are, however the test ends.
/// </summary>
internal static partial class NetNamespace
{
    private const int CloneNewNet = 0x40000000;

    /// <summary>
    /// Runs the test in a namespace with the pair v0 (up) and v1 (up), v0 with 10.9.0.2/24 and fd09::2/64.
    /// </summary>
    public static void Run(Action body)
    {
        Assert.SkipUnless(geteuid() == 0, "network namespaces need root");
        SharedData.RequireProgram("ip");
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Assert.Equal(0, unshare(CloneNewNet));
                Ip("link set lo up");
                Ip("link add v0 type veth peer name v1");
                Ip("link set v0 up");
                Ip("link set v1 up");
                Ip("addr add 10.9.0.2/24 dev v0");
                Ip("addr add fd09::2/64 dev v0 nodad");
                body();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
    }

    /// <summary>Runs ip(8) with these words; its output. A failure is the test's.</summary>
    public static string Ip(string words)
    {
        var (rc, output) = Program(SharedData.RequireProgram("ip"), words.Split(' '), []);
        Assert.True(rc == 0, $"ip {words}: {output}");
        return output;
    }

    /// <summary>Runs a program to its end, in the thread's namespace.</summary>
    public static (int Rc, string Output) Program(string path, string[] arguments, string[] environment)
    {
        using var pipe = SpawnPipe.Create();
        string[] all = [.. environment, "PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
        using var process = SpawnedProcess.Start(path, arguments, all, pipe.WriteFd, pipe.WriteFd);
        pipe.CloseWrite();
        using var loop = new EventLoop();
        var output = new StringBuilder();
        byte[] buffer = new byte[4096];
        bool ended = false;
        loop.Add(pipe.ReadFd, PollEvents.Readable, _ =>
        {
            int n = pipe.Read(buffer);
            if (n > 0)
            {
                output.Append(Encoding.UTF8.GetString(buffer, 0, n));
            }
            else if (n == 0)
            {
                loop.Remove(pipe.ReadFd);
            }
        });
        loop.Add(process.Fd, PollEvents.Readable, _ => ended = true);
        loop.Until(() => ended);
        int left;
        while ((left = pipe.Read(buffer)) > 0)
        {
            output.Append(Encoding.UTF8.GetString(buffer, 0, left));
        }

        return (process.TryReap()!.Value.Code, output.ToString());
    }

    /// <summary>Turns the loop until the condition holds; a test that waits 20 s has failed.</summary>
    public static void Until(this EventLoop loop, Func<bool> condition)
    {
        long deadline = EventLoop.Now + 20_000;
        while (!condition())
        {
            long left = deadline - EventLoop.Now;
            Assert.True(left > 0, "what was waited for did not happen within 20 s");
            loop.RunOnce((int)left);
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int unshare(int flags);

    [LibraryImport("libc")]
    private static partial uint geteuid();
}
