using System.Net.Sockets;

namespace Buoy.Lab;

/// <summary>A node's syslog: datagrams of a Unix socket, one line each, into a file.</summary>
internal static class LabSyslog
{
    /// <summary><c>lab syslog SOCKET FILE</c></summary>
    public static int Run(string[] args)
    {
        File.Delete(args[0]);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(args[0]));
        File.SetUnixFileMode(args[0], (UnixFileMode)0b110_110_110);
        using var file = new FileStream(args[1], FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        var buffer = new byte[65536];
        while (true)
        {
            int n = socket.Receive(buffer);
            file.Write(buffer, 0, n);
            if (n == 0 || buffer[n - 1] != '\n')
            {
                file.WriteByte((byte)'\n');
            }

            file.Flush();
        }
    }
}
