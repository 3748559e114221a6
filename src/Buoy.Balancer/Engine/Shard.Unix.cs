using System.Text;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <content>Servers that are Unix sockets (configuration manual 11.1).</content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>As connect(2): a path, or an abstract name behind a NUL, filled up with zeros as the original does.</summary>
    private static int ConnectUnix(int fd, string path)
    {
        const int PathOffset = 2;
        const int PathRoom = 108;
        byte* address = stackalloc byte[PathOffset + PathRoom];
        var room = new Span<byte>(address, PathOffset + PathRoom);
        room.Clear();
        *(ushort*)address = AF_UNIX;
        int n = Encoding.Latin1.GetBytes(path.AsSpan(0, Math.Min(path.Length, PathRoom - 1)), room[PathOffset..]);
        return connect(fd, address, (uint)(PathOffset + (path.StartsWith('\0') ? PathRoom : n + 1)));
    }
}
