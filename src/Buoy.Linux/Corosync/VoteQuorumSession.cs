using System.Runtime.InteropServices;

namespace Buoy.Linux.Corosync;

/// <summary>votequorum_getinfo(3).</summary>
public sealed record VoteQuorumInfo(
    uint NodeId, int Votes, int ExpectedVotes, int HighestExpected, int TotalVotes, int Quorum, IReadOnlyList<string> Flags);

/// <summary>libvotequorum: votes as numbers, and setting them (votequorum_overview(3)).</summary>
public sealed unsafe class VoteQuorumSession : IDisposable
{
    private static readonly string[] s_flags =
    [
        "2Node", "Quorate", "WaitForAll", "LastManStanding", "AutoTieBreaker", "AllowDownscale", "Qdevice",
        "QdeviceAlive", "QdeviceCastVote", "QdeviceMasterWins",
    ];

    private static readonly Functions s_functions = new();
    private ulong _handle;

    private VoteQuorumSession(ulong handle) => _handle = handle;

    /// <summary>Connects; NotSupported or Library where votequorum is not the provider.</summary>
    public static VoteQuorumSession? TryOpen(out CorosyncStatus status)
    {
        if (!CorosyncLibrary.VoteQuorum.Present)
        {
            status = CorosyncStatus.NoLibrary;
            return null;
        }

        ulong handle;
        nint* callbacks = stackalloc nint[3];
        callbacks[0] = callbacks[1] = callbacks[2] = 0;
        status = (CorosyncStatus)s_functions.Initialize(&handle, callbacks);
        return status == CorosyncStatus.Ok ? new VoteQuorumSession(handle) : null;
    }

    /// <summary>Votes of a node (0 = this one) and the verdict's numbers; null where it is not known.</summary>
    public VoteQuorumInfo? Info(uint node)
    {
        // struct votequorum_info: nine unsigned ints and char[255].
        uint* info = stackalloc uint[80];
        if ((CorosyncStatus)s_functions.GetInfo(_handle, node, info) != CorosyncStatus.Ok)
        {
            return null;
        }

        uint flags = info[7];
        return new VoteQuorumInfo(
            info[0], (int)info[2], (int)info[3], (int)info[4], (int)info[5], (int)info[6],
            [.. s_flags.Where((f, i) => i < 7 && (flags & (1u << i)) != 0)]);
    }

    /// <summary>corosync-quorumtool -e.</summary>
    public CorosyncStatus SetExpected(uint votes) => (CorosyncStatus)s_functions.SetExpected(_handle, votes);

    /// <summary>corosync-quorumtool -v; node 0 = this one.</summary>
    public CorosyncStatus SetVotes(uint node, uint votes) => (CorosyncStatus)s_functions.SetVotes(_handle, node, votes);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle != 0)
        {
            _ = s_functions.Close(_handle);
            _handle = 0;
        }
    }

    private sealed class Functions
    {
        private static CorosyncLibrary L => CorosyncLibrary.VoteQuorum;

        public readonly delegate* unmanaged<ulong*, nint*, int> Initialize =
            (delegate* unmanaged<ulong*, nint*, int>)Get("votequorum_initialize");

        public readonly delegate* unmanaged<ulong, uint, uint*, int> GetInfo =
            (delegate* unmanaged<ulong, uint, uint*, int>)Get("votequorum_getinfo");

        public readonly delegate* unmanaged<ulong, uint, int> SetExpected =
            (delegate* unmanaged<ulong, uint, int>)Get("votequorum_setexpected");

        public readonly delegate* unmanaged<ulong, uint, uint, int> SetVotes =
            (delegate* unmanaged<ulong, uint, uint, int>)Get("votequorum_setvotes");

        public readonly delegate* unmanaged<ulong, int> Close =
            (delegate* unmanaged<ulong, int>)Get("votequorum_finalize");

        private static nint Get(string name) => L.Present ? L[name] : 0;
    }
}
