using System.Globalization;
using Buoy.Balancer.Configuration;
using Buoy.Linux;

namespace Buoy.Balancer.Host;

/// <summary>
/// How a worker knows that it is one: the master starts this program again with <see cref="Variable"/> in its environment
/// (a process with threads cannot fork). The worker reports on a pipe when it listens, takes connections of the runtime API
/// over a socket pair, and ends when that pair does.
/// </summary>
/// <param name="Master">The master's process id: start-up messages carry it, as the original parses before it forks.</param>
/// <param name="Channel">The worker's end of its socket pair.</param>
/// <param name="Report">Where it writes one line when it accepts connections.</param>
/// <param name="Former">
/// The master's end of the former worker's pair, to fetch its listening sockets; or <see cref="NoFormer"/>, or
/// <see cref="AsTold"/>.
/// </param>
/// <param name="Detach">Lets go of the standard streams once it runs (daemon).</param>
/// <param name="MasterSocket">Inherited descriptor of the master CLI, not the worker's business; -1 = none.</param>
internal sealed record WorkerRole(int Master, int Channel, int Report, int Former, bool Detach, int MasterSocket)
{
    /// <summary>No worker is there whose sockets could be fetched.</summary>
    public const int NoFormer = -1;

    /// <summary>The first worker: it fetches sockets from where the command line says.</summary>
    public const int AsTold = -2;

    /// <summary>The environment variable: the fields above as numbers, separated by commas.</summary>
    public const string Variable = "BUOY_WORKER";

    /// <summary>This process's role; null: it is no worker.</summary>
    public static WorkerRole? Read()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { } text)
        {
            return null;
        }

        Environment.SetEnvironmentVariable(Variable, null);
        int[] n = [.. text.Split(',').Select(t => int.Parse(t, CultureInfo.InvariantCulture))];
        var role = new WorkerRole(n[0], n[1], n[2], n[3], n[4] != 0, n[5]);
        foreach (int fd in (int[])[role.Channel, role.Report, role.Former])
        {
            _ = fd < 0 || DescriptorPassing.SetInheritable(fd, false);
        }

        if (role.MasterSocket >= 0)
        {
            ProcessControl.Close(role.MasterSocket);
        }

        return role;
    }

    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Master},{Channel},{Report},{Former},{(Detach ? 1 : 0)},{MasterSocket}");

    /// <summary>Tells the master that connections are accepted now, and what it must know of the configuration.</summary>
    public void SayReady(GlobalConfig global, int nullDescriptor)
    {
        if (Detach)
        {
            ProcessControl.DetachStandardStreams(nullDescriptor);
        }

        ProcessControl.Write(Report, System.Text.Encoding.ASCII.GetBytes(string.Create(
            CultureInfo.InvariantCulture,
            $"{global.MaxReloads?.ToString(CultureInfo.InvariantCulture) ?? "-"} {(global.NoExitOnFailure ? 1 : 0)}\n")));
        ProcessControl.Close(Report);
    }
}
