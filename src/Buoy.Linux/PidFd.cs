using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>How a process ended.</summary>
/// <param name="Code">Exit status, or the signal's number.</param>
/// <param name="Signalled">True: a signal ended it.</param>
public readonly record struct ProcessEnd(int Code, bool Signalled);

/// <summary>
/// A process held by descriptor (pidfd_open(2)): readable once it has ended, and a signal can never reach another
/// process that was given the same number. Not only for children.
/// </summary>
public sealed unsafe partial class PidFd : IDisposable
{
    /// <summary>Signal numbers (signal(7)).</summary>
    public const int SigTerm = 15, SigKill = 9;

    private const int SysPidfdSendSignal = 424, SysPidfdOpen = 434, PPidfd = 3;
    private const int Wnohang = 1, Wexited = 4, Esrch = 3, Echild = 10, CldExited = 1;

    private PidFd(int fd, int pid) => (Fd, Pid) = (fd, pid);

    /// <summary>The descriptor, for an event loop.</summary>
    public int Fd { get; private set; }

    /// <summary>The process's number.</summary>
    public int Pid { get; }

    /// <summary>
    /// Takes hold of a living (or ended and not yet reaped) process; null: there is none of that number.
    /// </summary>
    public static PidFd? Open(int pid)
    {
        nint fd = syscall(SysPidfdOpen, pid, 0, 0, 0, 0);
        if (fd >= 0)
        {
            return new PidFd((int)fd, pid);
        }

        int errno = Marshal.GetLastPInvokeError();
        return errno == Esrch ? null : throw new LinuxException("pidfd_open", errno);
    }

    /// <summary>Sends a signal; false: the process has ended.</summary>
    public bool Signal(int signal)
    {
        if (syscall(SysPidfdSendSignal, Fd, signal, 0, 0, 0) >= 0)
        {
            return true;
        }

        int errno = Marshal.GetLastPInvokeError();
        return errno == Esrch ? false : throw new LinuxException("pidfd_send_signal", errno);
    }

    /// <summary>
    /// Sends a signal to a whole process group that <see cref="SpawnedProcess"/> made; false: it is empty.
    /// </summary>
    public bool SignalGroup(int signal) => kill(-Pid, signal) == 0;

    /// <summary>
    /// Reaps the child if it has ended; null: it still runs. Of a process that is not our child only the end is known
    /// (through the descriptor), not how: it then reads as exit status -1.
    /// </summary>
    public ProcessEnd? TryReap()
    {
        SigInfo info = default;
        if (waitid(PPidfd, Fd, &info, Wexited | Wnohang, null) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            return errno == Echild ? new ProcessEnd(-1, false) : throw new LinuxException("waitid", errno);
        }

        return info.Pid == 0 ? null : new ProcessEnd(info.Status, info.Code != CldExited);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Fd >= 0)
        {
            _ = close(Fd);
            Fd = -1;
        }
    }

    [StructLayout(LayoutKind.Sequential, Size = 128)]
    private struct SigInfo
    {
        public int Signo;
        public int Errno;
        public int Code;
        private readonly int _pad;
        public int Pid;
        public uint Uid;
        public int Status;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, nint a, nint b, nint c, nint d, nint e);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitid(int kind, int id, SigInfo* info, int options, void* usage);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);
}
