using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>Random numbers from the kernel, getrandom(2): needs no library and no file, and so works inside a chroot.</summary>
public static unsafe partial class KernelRandom
{
    /// <summary>A number from 0 to 65535 that others cannot guess.</summary>
    public static ushort UInt16()
    {
        ushort value;
        nint n = getrandom(&value, sizeof(ushort), 0);
        return n == sizeof(ushort) ? value : throw new LinuxException("getrandom", Marshal.GetLastPInvokeError());
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint getrandom(void* buffer, nint length, uint flags);
}
