using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>A system call failed: which, and with what errno(3).</summary>
public sealed class LinuxException(string call, int errno)
    : Exception($"{call}: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno})")
{
    /// <summary>The system call's name.</summary>
    public string Call { get; } = call;

    /// <summary>errno(3) as the kernel gave it.</summary>
    public int Errno { get; } = errno;
}
