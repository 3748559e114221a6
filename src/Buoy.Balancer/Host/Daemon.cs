using System.Collections;
using System.Globalization;
using Buoy.Balancer.Configuration;
using Buoy.Linux;

namespace Buoy.Balancer.Host;

/// <summary>
/// Going to the background without fork(2), which a multithreaded program cannot use: this program is started again in a
/// session of its own and told a descriptor. It writes its messages to the streams it inherits, then one byte when it
/// listens; only then does the first process exit with 0.
/// </summary>
internal static class Daemon
{
    /// <summary>The environment variable that tells the daemon its descriptor.</summary>
    public const string Variable = "BUOY_DAEMON_FD";
    private static int _null = -1;

    /// <summary>Is this the process in the background?</summary>
    public static bool IsChild => Environment.GetEnvironmentVariable(Variable) is not null;

    /// <summary>Starts the daemon and waits until it is ready or has failed; returns the exit code.</summary>
    public static int Spawn(IReadOnlyList<string> prefix, IReadOnlyList<string> args, Messages messages)
    {
        var (read, write) = ProcessControl.Pipe();
        var environment = new List<string>();
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables())
        {
            if ((string)entry.Key != Variable)
            {
                environment.Add($"{entry.Key}={entry.Value}");
            }
        }

        environment.Add(string.Create(CultureInfo.InvariantCulture, $"{Variable}={write}"));
        int pid;
        try
        {
            pid = ProcessControl.Spawn("/proc/self/exe", [.. prefix, .. args], environment, write);
        }
        catch (LinuxException e)
        {
            messages.Write(Severity.Alert, $"[haproxy.main()] Cannot fork. {e.Message}");
            return 1;
        }
        finally
        {
            ProcessControl.Close(write);
        }

        int answer = ProcessControl.ReadByte(read);
        ProcessControl.Close(read);
        if (answer >= 0)
        {
            return 0;
        }

        int code = ProcessControl.WaitFor(pid);
        return code == 0 ? 1 : code;
    }

    /// <summary>In the daemon: opens what <see cref="ChildReady"/> needs, while it can be seen.</summary>
    public static void BeforeChroot()
    {
        if (IsChild)
        {
            _null = ProcessControl.OpenNull();
        }
    }

    /// <summary>In the daemon: lets go of the terminal, then tells the first process that it may exit.</summary>
    public static void ChildReady()
    {
        if (!int.TryParse(Environment.GetEnvironmentVariable(Variable), out int fd))
        {
            return;
        }

        ProcessControl.DetachStandardStreams(_null);
        _ = ProcessControl.WriteByte(fd, (byte)'R');
        ProcessControl.Close(fd);
    }
}
