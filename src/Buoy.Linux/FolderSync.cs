using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>fsync(2) of a folder: makes renames in it durable, which the class library cannot.</summary>
public static partial class FolderSync
{
    private const int Directory = 0x10000;
    private const int CloseOnExec = 0x80000;

    /// <summary>Returns when the folder's entries are on the disk; throws <see cref="LinuxException"/> where that
    /// fails.</summary>
    public static void Sync(string folder)
    {
        int fd = open(folder, Directory | CloseOnExec);
        if (fd < 0)
        {
            throw new LinuxException("open", Marshal.GetLastPInvokeError());
        }

        int rc = fsync(fd);
        int errno = Marshal.GetLastPInvokeError();
        _ = close(fd);
        if (rc < 0)
        {
            throw new LinuxException("fsync", errno);
        }
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(int fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);
}
