using System.Globalization;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control.Cli;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Host;

/// <summary>Fetches an older process's listening sockets (<c>-x</c>, management manual chapter 3), so that none is refused.</summary>
internal static class SocketTransfer
{
    /// <summary>
    /// From a stats socket with <c>expose-fd listeners</c> (a path), or over a master's socket pair (<c>sockpair@N</c>).
    /// On failure there are messages and no sockets, and the start goes on, as in the original.
    /// </summary>
    public static IReadOnlyList<ListeningSocket> Fetch(string from, Messages messages)
    {
        const string Pair = "sockpair@";
        int fd = from.StartsWith(Pair, StringComparison.Ordinal)
            ? int.TryParse(from.AsSpan(Pair.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? Over(n) : -1
            : DescriptorPassing.ConnectUnix(from.StartsWith("unix@", StringComparison.Ordinal) ? from[5..] : from);
        if (fd < 0)
        {
            messages.Write(Severity.Warning, $"Failed to connect to the old process socket '{from}'");
        }
        else if (MasterChannel.Fetch(fd) is { } sockets)
        {
            ProcessControl.Close(fd);
            return sockets;
        }
        else
        {
            ProcessControl.Close(fd);
            messages.Write(Severity.Warning, "Failed to get the number of sockets to be transferred !");
        }

        messages.Write(Severity.Alert, "Failed to get the sockets from the old process!");
        return [];
    }

    /// <summary>A connection over a master's end of a worker's pair: one end of a new pair goes there. -1: it is broken.</summary>
    public static int Over(int channel)
    {
        var (ours, theirs) = DescriptorPassing.SocketPair();
        int sent = DescriptorPassing.Send(channel, [0, 0], [theirs]);
        ProcessControl.Close(theirs);
        if (sent > 0)
        {
            return ours;
        }

        ProcessControl.Close(ours);
        return -1;
    }
}
