using System.Runtime.InteropServices;
using System.Text;

namespace Buoy.Linux;

/// <summary>What a daemon does with its own process. Failures are <see cref="LinuxException"/> unless a method says otherwise.</summary>
public static unsafe partial class ProcessControl
{
    /// <summary>Signal numbers, signal(7).</summary>
    public const int SigHup = 1, SigInt = 2, SigQuit = 3, SigKill = 9, SigUsr1 = 10, SigUsr2 = 12, SigPipe = 13, SigTerm = 15;

    private const int Nofile = 7;
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int GetFlags = 3;
    private const int SetFlags = 4;
    private const short SpawnSetSignalDefault = 0x04;
    private const short SpawnSetSignalMask = 0x08;
    private const short SpawnSetSession = 0x80;

    /// <summary>posix_spawnattr_t, posix_spawn_file_actions_t and sigset_t of glibc all fit.</summary>
    private const int Opaque = 512;

    /// <summary>Confines the process to a directory and goes there.</summary>
    public static void ChangeRoot(string path)
    {
        Check(chroot(path), "chroot");
        Check(chdir("/"), "chdir");
    }

    /// <summary>Group of all threads; supplementary groups are dropped.</summary>
    public static void SetGroup(int gid)
    {
        _ = setgroups(0, null);
        Check(setgid((uint)gid), "setgid");
    }

    /// <summary>User of all threads (glibc's setuid tells every thread).</summary>
    public static void SetUser(int uid) => Check(setuid((uint)uid), "setuid");

    /// <summary>The effective user.</summary>
    public static int EffectiveUser => (int)geteuid();

    /// <summary>Largest number of open files this process may get to.</summary>
    public static long OpenFilesHardLimit()
    {
        Limit l;
        Check(getrlimit(Nofile, &l), "getrlimit");
        return l.Hard > long.MaxValue ? long.MaxValue : (long)l.Hard;
    }

    /// <summary>Raises the limit of open files, at most to the hard one unless privileged.</summary>
    public static void SetOpenFiles(long count)
    {
        Limit l;
        Check(getrlimit(Nofile, &l), "getrlimit");
        l.Soft = (ulong)count;
        l.Hard = Math.Max(l.Hard, l.Soft);
        Check(setrlimit(Nofile, &l), "setrlimit");
    }

    /// <summary>Sends a signal; false when the process does not exist or is not ours.</summary>
    public static bool Kill(int pid, int signal) => kill(pid, signal) == 0;

    /// <summary>Ends this process by a signal, as if nothing had handled it: its parent sees that signal.</summary>
    public static void DieBy(int signal)
    {
        _ = SignalHandler(signal, 0);
        byte* set = stackalloc byte[Opaque];
        _ = sigemptyset(set);
        _ = sigaddset(set, signal);
        _ = pthread_sigmask(1, set, null);
        _ = kill(Environment.ProcessId, signal);
        _ = pthread_sigmask(1, set, null);
    }

    /// <summary>A signal's name, strsignal(3): "Killed".</summary>
    public static string SignalText(int signal) => Marshal.PtrToStringUTF8(strsignal(signal)) ?? "";

    /// <summary>Ignores a signal.</summary>
    public static void Ignore(int signal) => _ = SignalHandler(signal, 1);

    /// <summary>A pipe that children do not inherit: (read end, write end).</summary>
    public static (int Read, int Write) Pipe()
    {
        int* ends = stackalloc int[2];
        Check(pipe2(ends, CloseOnExec), "pipe2");
        return (ends[0], ends[1]);
    }

    /// <summary>Makes reads and writes of a descriptor never block. False when it is not open.</summary>
    public static bool MakeNonBlocking(int fd)
    {
        int flags = fcntl(fd, GetFlags, 0);
        return flags >= 0 && fcntl(fd, SetFlags, flags | NonBlocking) >= 0;
    }

    /// <summary>Writes one byte. Returns 0, or errno.</summary>
    public static int WriteByte(int fd, byte value) => write(fd, &value, 1) == 1 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>Writes all bytes as far as the other side takes them; a broken descriptor drops the rest.</summary>
    public static void Write(int fd, ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            nint n;
            fixed (byte* p = data)
            {
                n = write(fd, p, data.Length);
            }

            if (n > 0)
            {
                data = data[(int)n..];
            }
            else if (Marshal.GetLastPInvokeError() != 4)
            {
                return;
            }
        }
    }

    /// <summary>Reads one byte, waiting for it; -1 at the end.</summary>
    public static int ReadByte(int fd)
    {
        byte value;
        nint n;
        do
        {
            n = read(fd, &value, 1);
        }
        while (n < 0 && Marshal.GetLastPInvokeError() == 4);

        return n == 1 ? value : -1;
    }

    /// <summary>Closes a descriptor.</summary>
    public static void Close(int fd) => _ = close(fd);

    /// <summary>A descriptor of /dev/null: to be opened before chroot(2) puts it out of reach.</summary>
    public static int OpenNull() => Check(open("/dev/null", 2 | CloseOnExec), "open");

    /// <summary>
    /// Lets the three standard descriptors, and copies of them that a runtime may have made, point to /dev/null.
    /// </summary>
    /// <param name="fd">What <see cref="OpenNull"/> returned; closed.</param>
    public static void DetachStandardStreams(int fd)
    {
        const int Searched = 1024;
        var files = new List<(ulong, ulong)>();
        for (int i = 0; i < 3; i++)
        {
            if (FileOf(i) is { } file)
            {
                files.Add(file);
            }

            Check(dup2(fd, i), "dup2");
        }

        for (int i = 3; i < Searched; i++)
        {
            if (i != fd && FileOf(i) is { } file && files.Contains(file))
            {
                Check(dup3(fd, i, CloseOnExec), "dup3");
            }
        }

        _ = close(fd);
    }

    /// <summary>Device and inode of an open descriptor: what struct stat begins with.</summary>
    private static (ulong Device, ulong Inode)? FileOf(int fd)
    {
        ulong* stat = stackalloc ulong[Opaque / sizeof(ulong)];
        return fstat(fd, stat) == 0 ? (stat[0], stat[1]) : null;
    }

    /// <summary>
    /// Starts a program in a session of its own, with the default signals. Only <paramref name="keep"/> and descriptors
    /// that are inheritable anyway stay open in it. Returns its pid.
    /// </summary>
    public static int Spawn(string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, int keep) =>
        Spawn(path, arguments, environment, [keep], ownSession: true);

    /// <summary>As above, with several descriptors to keep, in a session of its own or in ours.</summary>
    public static int Spawn(
        string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, IReadOnlyList<int> keep,
        bool ownSession)
    {
        byte* actions = stackalloc byte[Opaque];
        byte* attributes = stackalloc byte[Opaque];
        byte* set = stackalloc byte[Opaque];
        Result(posix_spawn_file_actions_init(actions), "posix_spawn_file_actions_init");
        Result(posix_spawnattr_init(attributes), "posix_spawnattr_init");
        var argv = new Strings(arguments);
        var env = new Strings(environment);
        try
        {
            foreach (int fd in keep)
            {
                Result(posix_spawn_file_actions_adddup2(actions, fd, fd), "posix_spawn_file_actions_adddup2");
            }

            _ = sigemptyset(set);
            Result(posix_spawnattr_setsigmask(attributes, set), "posix_spawnattr_setsigmask");
            _ = sigfillset(set);
            Result(posix_spawnattr_setsigdefault(attributes, set), "posix_spawnattr_setsigdefault");
            Result(
                posix_spawnattr_setflags(attributes, (short)(SpawnSetSignalDefault | SpawnSetSignalMask
                    | (ownSession ? SpawnSetSession : 0))),
                "posix_spawnattr_setflags");
            int pid;
            Result(posix_spawn(&pid, path, actions, attributes, argv.Pointer, env.Pointer), "posix_spawn");
            return pid;
        }
        finally
        {
            argv.Free();
            env.Free();
            _ = posix_spawn_file_actions_destroy(actions);
            _ = posix_spawnattr_destroy(attributes);
        }
    }

    /// <summary>Waits for a child's end: its exit code, or 128 + the signal that ended it.</summary>
    public static int WaitFor(int pid)
    {
        int status;
        while (waitpid(pid, &status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != 4)
            {
                return 1;
            }
        }

        return (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
    }

    private static int Check(int rc, string call) => rc >= 0 ? rc : throw new LinuxException(call, Marshal.GetLastPInvokeError());

    private static void Result(int error, string call)
    {
        if (error != 0)
        {
            throw new LinuxException(call, error);
        }
    }

    /// <summary>A null-terminated array of C strings.</summary>
    private readonly struct Strings
    {
        private readonly int _count;

        public Strings(IReadOnlyList<string> texts)
        {
            _count = texts.Count;
            Pointer = (byte**)NativeMemory.AllocZeroed((nuint)(_count + 1), (nuint)sizeof(byte*));
            for (int i = 0; i < _count; i++)
            {
                byte[] bytes = Encoding.UTF8.GetBytes(texts[i]);
                Pointer[i] = (byte*)NativeMemory.AllocZeroed((nuint)bytes.Length + 1);
                bytes.CopyTo(new Span<byte>(Pointer[i], bytes.Length));
            }
        }

        public byte** Pointer { get; }

        public void Free()
        {
            for (int i = 0; i < _count; i++)
            {
                NativeMemory.Free(Pointer[i]);
            }

            NativeMemory.Free(Pointer);
        }
    }

    private struct Limit
    {
        public ulong Soft;
        public ulong Hard;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chroot(string path);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chdir(string path);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setgroups(nuint count, uint* groups);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setgid(uint gid);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setuid(uint uid);

    [LibraryImport("libc")]
    private static partial uint geteuid();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getrlimit(int resource, Limit* limit);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setrlimit(int resource, Limit* limit);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SignalHandler(int signal, nint handler);

    [LibraryImport("libc")]
    private static partial nint strsignal(int signal);

    [LibraryImport("libc")]
    private static partial int sigemptyset(byte* set);

    [LibraryImport("libc")]
    private static partial int sigfillset(byte* set);

    [LibraryImport("libc")]
    private static partial int sigaddset(byte* set, int signal);

    [LibraryImport("libc")]
    private static partial int pthread_sigmask(int how, byte* set, byte* old);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pipe2(int* ends, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int fd, int command, int argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int fd, byte* data, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int fd, byte* data, nint count);

    [LibraryImport("libc")]
    private static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int dup2(int from, int to);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int dup3(int from, int to, int flags);

    [LibraryImport("libc")]
    private static partial int fstat(int fd, ulong* stat);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(byte* actions, int from, int to);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(byte* attributes, short flags);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigmask(byte* attributes, byte* set);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigdefault(byte* attributes, byte* set);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn(
        int* pid, string path, byte* actions, byte* attributes, byte** argv, byte** environment);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitpid(int pid, int* status, int options);
}
