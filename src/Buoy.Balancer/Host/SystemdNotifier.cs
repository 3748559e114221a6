using System.Net.Sockets;
using System.Text;

namespace Buoy.Balancer.Host;

/// <summary>Tells the service manager how things stand (sd_notify(3)); does nothing where nobody asks (NOTIFY_SOCKET).</summary>
internal static class SystemdNotifier
{
    /// <summary>Sends one state, e.g. <c>READY=1</c>; null, or what went wrong.</summary>
    public static string? Send(string state)
    {
        if (Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is not { Length: > 0 } path)
        {
            return null;
        }

        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            string name = path[0] == '@' ? "\0" + path[1..] : path;
            socket.SendTo(Encoding.ASCII.GetBytes(state), new UnixDomainSocketEndPoint(name));
            return null;
        }
        catch (SocketException e)
        {
            return $"cannot notify {path}: {e.Message}";
        }
    }
}
