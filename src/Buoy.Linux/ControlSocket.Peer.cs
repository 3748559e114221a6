namespace Buoy.Linux;

/// <summary>Who is at the other end of a Unix socket.</summary>
public static unsafe partial class ControlSocket
{
    /// <summary>Process id of the peer as it connected (SO_PEERCRED); 0 where the kernel does not tell.</summary>
    public static uint PeerProcess(int fd)
    {
        int* credentials = stackalloc int[3];
        int length = 12;
        return getsockopt(fd, 1, 17, credentials, &length) < 0 ? 0 : (uint)credentials[0];
    }
}
