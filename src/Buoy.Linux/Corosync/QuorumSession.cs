using System.Runtime.InteropServices;

namespace Buoy.Linux.Corosync;

/// <summary>libquorum: the verdict and the ring it belongs to (quorum_overview(3)).</summary>
public sealed unsafe class QuorumSession : IDisposable
{
    private const uint DispatchAll = 2;
    private const uint CurrentAndChanges = 3;
    private static readonly Functions s_functions = new();

    [ThreadStatic]
    private static QuorumSession? s_dispatching;

    private ulong _handle;

    private QuorumSession(ulong handle) => _handle = handle;

    /// <summary>Connects and asks to be told; the present state comes with the first <see cref="Dispatch"/>.</summary>
    public static QuorumSession? TryOpen(out CorosyncStatus status)
    {
        if (!CorosyncLibrary.Quorum.Present)
        {
            status = CorosyncStatus.NoLibrary;
            return null;
        }

        ulong handle;
        uint type;
        var model = new ModelV1
        {
            Model = 1, Quorum = (nint)(delegate* unmanaged<ulong, uint, RingIdV1, uint, uint*, void>)&OnQuorum,
            NodeList = (nint)(delegate* unmanaged<
                ulong, RingIdV1, uint, uint*, uint, uint*, uint, uint*, void>)&OnNodeList,
        };
        status = (CorosyncStatus)s_functions.Initialize(&handle, 1, &model, &type, null);
        if (status != CorosyncStatus.Ok)
        {
            return null;
        }

        var session = new QuorumSession(handle) { HasProvider = type != 0 };
        status = (CorosyncStatus)s_functions.TrackStart(handle, CurrentAndChanges);
        if (status != CorosyncStatus.Ok)
        {
            session.Dispose();
            return null;
        }

        return session;
    }

    /// <summary>False: corosync.conf names no quorum provider; every node is quorate.</summary>
    public bool HasProvider { get; private init; }

    /// <summary>The newest verdict.</summary>
    public bool Quorate { get; private set; }

    /// <summary>Ring of the newest verdict; 0 before the first one.</summary>
    public ulong RingSeq { get; private set; }

    /// <summary>Descriptor that is readable when <see cref="Dispatch"/> has something to tell.</summary>
    public int Fd
    {
        get
        {
            int fd;
            return (CorosyncStatus)s_functions.FdGet(_handle, &fd) == CorosyncStatus.Ok ? fd : -1;
        }
    }

    /// <summary>Takes what waits into <see cref="Quorate"/> and <see cref="RingSeq"/>.</summary>
    public CorosyncStatus Dispatch()
    {
        s_dispatching = this;
        try
        {
            return (CorosyncStatus)s_functions.Dispatch(_handle, DispatchAll);
        }
        finally
        {
            s_dispatching = null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle != 0)
        {
            _ = s_functions.Close(_handle);
            _handle = 0;
        }
    }

    [UnmanagedCallersOnly]
    private static void OnQuorum(ulong handle, uint quorate, RingIdV1 ring, uint count, uint* members)
    {
        if (s_dispatching is { } session)
        {
            session.Quorate = quorate != 0;
            session.RingSeq = ring.Seq;
        }
    }

    [UnmanagedCallersOnly]
    private static void OnNodeList(
        ulong handle, RingIdV1 ring, uint members, uint* memberList, uint joined, uint* joinedList, uint left,
        uint* leftList)
    {
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ModelV1
    {
        public uint Model;
        public nint Quorum;
        public nint NodeList;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct RingIdV1
    {
        public uint NodeId;
        public ulong Seq;
    }

    private sealed class Functions
    {
        private static CorosyncLibrary L => CorosyncLibrary.Quorum;

        public readonly delegate* unmanaged<ulong*, uint, ModelV1*, uint*, void*, int> Initialize =
            (delegate* unmanaged<ulong*, uint, ModelV1*, uint*, void*, int>)Get("quorum_model_initialize");

        public readonly delegate* unmanaged<ulong, uint, int> TrackStart =
            (delegate* unmanaged<ulong, uint, int>)Get("quorum_trackstart");

        public readonly delegate* unmanaged<ulong, int*, int> FdGet =
            (delegate* unmanaged<ulong, int*, int>)Get("quorum_fd_get");

        public readonly delegate* unmanaged<ulong, uint, int> Dispatch =
            (delegate* unmanaged<ulong, uint, int>)Get("quorum_dispatch");

        public readonly delegate* unmanaged<ulong, int> Close =
            (delegate* unmanaged<ulong, int>)Get("quorum_finalize");

        private static nint Get(string name) => L.Present ? L[name] : 0;
    }
}
