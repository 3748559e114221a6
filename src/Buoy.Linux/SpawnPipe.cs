using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>An end of a pipe that we hold: non-blocking, closed on exec.</summary>
public sealed unsafe partial class SpawnPipe : IDisposable
{
    private const int Cloexec = 0x80000, Nonblock = 0x800, SetFl = 4, Eagain = 11, Eintr = 4;

    private SpawnPipe(int read, int write) => (ReadFd, WriteFd) = (read, write);

    /// <summary>Our end; -1 once closed.</summary>
    public int ReadFd { get; private set; }

    /// <summary>The end for the child; -1 once closed.</summary>
    public int WriteFd { get; private set; }

    /// <summary>pipe2(2); only the reading end does not block.</summary>
    public static SpawnPipe Create()
    {
        int* ends = stackalloc int[2];
        if (pipe2(ends, Cloexec) < 0)
        {
            throw new LinuxException("pipe2", Marshal.GetLastPInvokeError());
        }

        _ = fcntl(ends[0], SetFl, Nonblock);
        return new SpawnPipe(ends[0], ends[1]);
    }

    /// <summary>Reads what is there. 0: the other side closed it. -1: nothing now.</summary>
    public int Read(Span<byte> buffer)
    {
        while (true)
        {
            nint n;
            fixed (byte* p = buffer)
            {
                n = read(ReadFd, p, buffer.Length);
            }

            if (n >= 0)
            {
                return (int)n;
            }

            int errno = Marshal.GetLastPInvokeError();
            if (errno != Eintr)
            {
                return errno == Eagain ? -1 : throw new LinuxException("read", errno);
            }
        }
    }

    /// <summary>Closes the end that the child has by now.</summary>
    public void CloseWrite()
    {
        if (WriteFd >= 0)
        {
            _ = close(WriteFd);
            WriteFd = -1;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        CloseWrite();
        if (ReadFd >= 0)
        {
            _ = close(ReadFd);
            ReadFd = -1;
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pipe2(int* ends, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int fd, int command, int value);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int fd, void* data, nint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);
}
