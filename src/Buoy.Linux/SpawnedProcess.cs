using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>
/// Starts programs with posix_spawn(3): no fork of our address space, a session and process group of their own, default
/// signals, and no descriptor of ours but those named.
/// </summary>
public static unsafe partial class SpawnedProcess
{
    private const int AttributeBytes = 512, ActionBytes = 256;
    private const short SetSigDef = 0x04, SetSigMask = 0x08, SetSid = 0x80;
    private const int FDupFdCloexec = 1030, Clear = 100;

    /// <summary>
    /// Starts <paramref name="path"/> (absolute) in our working directory. Standard input is /dev/null;
    /// <paramref name="stdout"/> and <paramref name="stderr"/> are descriptors of ours; <paramref name="extra"/>[i]
    /// becomes descriptor 3 + i of the child. Returns the child; throws <see cref="LinuxException"/> with the errno of
    /// the exec when it cannot be started (ENOENT, EACCES, ENOEXEC).
    /// </summary>
    public static PidFd Start(
        string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, int stdout, int stderr,
        IReadOnlyList<int>? extra = null)
    {
        byte* attributes = stackalloc byte[AttributeBytes];
        byte* actions = stackalloc byte[ActionBytes];
        byte* signals = stackalloc byte[128];
        var moved = new List<int>();
        var strings = new List<nint>();
        int attributesMade = posix_spawnattr_init(attributes);
        int actionsMade = posix_spawn_file_actions_init(actions);
        try
        {
            Must(attributesMade, "posix_spawnattr_init");
            Must(actionsMade, "posix_spawn_file_actions_init");
            _ = sigemptyset(signals);
            Must(posix_spawnattr_setsigmask(attributes, signals), "posix_spawnattr_setsigmask");
            _ = sigfillset(signals);
            Must(posix_spawnattr_setsigdefault(attributes, signals), "posix_spawnattr_setsigdefault");
            Must(posix_spawnattr_setflags(attributes, SetSigDef | SetSigMask | SetSid), "posix_spawnattr_setflags");

            // Sources are first copied above every target, so that one dup2 cannot overwrite the source of the next.
            Must(posix_spawn_file_actions_addopen(actions, 0, "/dev/null", 0, 0), "posix_spawn_file_actions_addopen");
            Duplicate(actions, moved, stdout, 1);
            Duplicate(actions, moved, stderr, 2);
            for (int i = 0; extra is not null && i < extra.Count; i++)
            {
                Duplicate(actions, moved, extra[i], 3 + i);
            }

            int first = 3 + (extra?.Count ?? 0);
            Must(posix_spawn_file_actions_addclosefrom_np(actions, first), "posix_spawn_file_actions_addclosefrom_np");

            nint[] argv = Vector(arguments, strings, path);
            nint[] envp = Vector(environment, strings, null);
            int pid;
            fixed (nint* a = argv)
            fixed (nint* e = envp)
            {
                Must(posix_spawn(&pid, path, actions, attributes, a, e), $"posix_spawn {path}");
            }

            return PidFd.Open(pid) ?? throw new LinuxException("pidfd_open", 3);
        }
        finally
        {
            moved.ForEach(static fd => _ = close(fd));
            strings.ForEach(Marshal.FreeCoTaskMem);
            if (actionsMade == 0)
            {
                _ = posix_spawn_file_actions_destroy(actions);
            }

            if (attributesMade == 0)
            {
                _ = posix_spawnattr_destroy(attributes);
            }
        }
    }

    private static void Duplicate(byte* actions, List<int> moved, int fd, int target)
    {
        int copy = fcntl(fd, FDupFdCloexec, Clear);
        if (copy < 0)
        {
            throw new LinuxException("fcntl(F_DUPFD_CLOEXEC)", Marshal.GetLastPInvokeError());
        }

        moved.Add(copy);
        Must(posix_spawn_file_actions_adddup2(actions, copy, target), "posix_spawn_file_actions_adddup2");
    }

    private static nint[] Vector(IReadOnlyList<string> values, List<nint> strings, string? zero)
    {
        int shift = zero is null ? 0 : 1;
        var vector = new nint[values.Count + shift + 1];
        for (int i = 0; i < vector.Length - 1; i++)
        {
            vector[i] = Marshal.StringToCoTaskMemUTF8(i < shift ? zero! : values[i - shift]);
            strings.Add(vector[i]);
        }

        return vector;
    }

    private static void Must(int error, string call)
    {
        if (error != 0)
        {
            throw new LinuxException(call, error);
        }
    }

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(byte* a);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(byte* a);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(byte* a, short flags);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigmask(byte* a, byte* signals);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigdefault(byte* a, byte* signals);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(byte* f);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(byte* f);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn_file_actions_addopen(byte* f, int fd, string path, int flags, uint mode);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(byte* f, int fd, int target);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_addclosefrom_np(byte* f, int from);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn(
        int* pid, string path, byte* actions, byte* attributes, nint* argv, nint* envp);

    [LibraryImport("libc")]
    private static partial int sigemptyset(byte* set);

    [LibraryImport("libc")]
    private static partial int sigfillset(byte* set);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int fd, int command, int value);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);
}
