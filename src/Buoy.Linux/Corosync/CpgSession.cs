using System.Runtime.InteropServices;
using System.Text;

namespace Buoy.Linux.Corosync;

/// <summary>A process in a group: cpg_address. Reason: 1 join, 2 leave, 3 node down, 4 node up, 5 process down.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct CpgAddress
{
    /// <summary>Id of its node.</summary>
    public uint NodeId;

    /// <summary>Its process id on that node.</summary>
    public uint ProcessId;

    /// <summary>Why it is in the list.</summary>
    public uint Reason;
}

/// <summary>What a group session tells; called only inside <see cref="CpgSession.Dispatch"/>.</summary>
public interface ICpgSink
{
    /// <summary>A message, in agreed order with the changes. The memory is the receiver's only during the call.</summary>
    void OnDeliver(uint nodeId, uint processId, ReadOnlySpan<byte> message);

    /// <summary>The group's members changed.</summary>
    void OnGroup(ReadOnlySpan<CpgAddress> members, ReadOnlySpan<CpgAddress> left, ReadOnlySpan<CpgAddress> joined);

    /// <summary>A new ring of corosync daemons, told after the group changes that it brought.</summary>
    void OnRing(uint rep, ulong seq, ReadOnlySpan<uint> members);
}

/// <summary>libcpg: one membership in one closed process group of the real Corosync (cpg_overview(3)).</summary>
public sealed unsafe class CpgSession : IDisposable
{
    /// <summary>cpg_name: length and 128 bytes.</summary>
    private const int NameSize = 132;

    private const uint Agreed = 2;
    private const uint DispatchAll = 2;
    private const int RingAtStart = 1;
    private static readonly Functions s_functions = new();

    /// <summary>Callbacks come on the thread that dispatches, and only meanwhile.</summary>
    [ThreadStatic]
    private static ICpgSink? s_dispatching;

    [ThreadStatic]
    private static Exception? s_fault;

    private readonly ICpgSink _sink;
    private ulong _handle;

    private CpgSession(ulong handle, ICpgSink sink) => (_handle, _sink) = (handle, sink);

    /// <summary>Connects to the corosync of this node (of this network namespace).</summary>
    public static CpgSession? TryOpen(ICpgSink sink, out CorosyncStatus status)
    {
        if (!CorosyncLibrary.Cpg.Present)
        {
            status = CorosyncStatus.NoLibrary;
            return null;
        }

        ulong handle;
        var model = new ModelV1
        {
            Model = 1, Deliver = (nint)(delegate* unmanaged<ulong, byte*, uint, uint, byte*, nuint, void>)&OnDeliver,
            Group = (nint)(delegate* unmanaged<
                ulong, byte*, CpgAddress*, nuint, CpgAddress*, nuint, CpgAddress*, nuint, void>)&OnGroup,
            Ring = (nint)(delegate* unmanaged<ulong, RingIdV1, uint, uint*, void>)&OnRing, Flags = RingAtStart,
        };
        status = (CorosyncStatus)s_functions.Initialize(&handle, 1, &model, null);
        return status == CorosyncStatus.Ok ? new CpgSession(handle, sink) : null;
    }

    /// <summary>Descriptor that is readable when <see cref="Dispatch"/> has something to tell.</summary>
    public int Fd
    {
        get
        {
            int fd;
            return (CorosyncStatus)s_functions.FdGet(_handle, &fd) == CorosyncStatus.Ok ? fd : -1;
        }
    }

    /// <summary>Id of this node; 0 where corosync does not tell.</summary>
    public uint LocalNodeId
    {
        get
        {
            uint id;
            return (CorosyncStatus)s_functions.LocalGet(_handle, &id) == CorosyncStatus.Ok ? id : 0;
        }
    }

    /// <summary>Joins a group; the change that names this process follows through the sink.</summary>
    public CorosyncStatus Join(string group)
    {
        byte* name = stackalloc byte[NameSize];
        WriteName(name, group);
        return (CorosyncStatus)s_functions.Join(_handle, name);
    }

    /// <summary>Leaves the group.</summary>
    public CorosyncStatus Leave(string group)
    {
        byte* name = stackalloc byte[NameSize];
        WriteName(name, group);
        return (CorosyncStatus)s_functions.Leave(_handle, name);
    }

    /// <summary>Sends head and body as one message, in agreed order. TryAgain: flow control.</summary>
    public CorosyncStatus Multicast(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        fixed (byte* h = head)
        fixed (byte* b = body)
        {
            var parts = stackalloc IoVector[2];
            parts[0] = new IoVector { Base = h, Length = (nuint)head.Length };
            parts[1] = new IoVector { Base = b, Length = (nuint)body.Length };
            return (CorosyncStatus)s_functions.Multicast(_handle, Agreed, parts, body.IsEmpty ? 1u : 2u);
        }
    }

    /// <summary>Tells the sink what waits; an exception of the sink is thrown here, after the library returned.</summary>
    public CorosyncStatus Dispatch()
    {
        s_dispatching = _sink;
        try
        {
            var status = (CorosyncStatus)s_functions.Dispatch(_handle, DispatchAll);
            return s_fault is null ? status : throw s_fault;
        }
        finally
        {
            s_dispatching = null;
            s_fault = null;
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

    private static void WriteName(byte* to, string group)
    {
        new Span<byte>(to, NameSize).Clear();
        *(uint*)to = (uint)Encoding.UTF8.GetBytes(group, new Span<byte>(to + 4, NameSize - 4));
    }

    [UnmanagedCallersOnly]
    private static void OnDeliver(ulong handle, byte* group, uint node, uint process, byte* message, nuint length)
    {
        if (s_fault is null)
        {
            try
            {
                s_dispatching?.OnDeliver(node, process, new ReadOnlySpan<byte>(message, (int)length));
            }
            catch (Exception e)
            {
                s_fault = e;
            }
        }
    }

    [UnmanagedCallersOnly]
    private static void OnGroup(
        ulong handle, byte* group, CpgAddress* members, nuint memberCount, CpgAddress* left, nuint leftCount,
        CpgAddress* joined, nuint joinedCount)
    {
        if (s_fault is null)
        {
            try
            {
                s_dispatching?.OnGroup(
                    new ReadOnlySpan<CpgAddress>(members, (int)memberCount),
                    new ReadOnlySpan<CpgAddress>(left, (int)leftCount),
                    new ReadOnlySpan<CpgAddress>(joined, (int)joinedCount));
            }
            catch (Exception e)
            {
                s_fault = e;
            }
        }
    }

    [UnmanagedCallersOnly]
    private static void OnRing(ulong handle, RingIdV1 ring, uint count, uint* members)
    {
        if (s_fault is null)
        {
            try
            {
                s_dispatching?.OnRing(ring.NodeId, ring.Seq, new ReadOnlySpan<uint>(members, (int)count));
            }
            catch (Exception e)
            {
                s_fault = e;
            }
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ModelV1
    {
        public uint Model;
        public nint Deliver;
        public nint Group;
        public nint Ring;
        public uint Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct RingIdV1
    {
        public uint NodeId;
        public ulong Seq;
    }

    private struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    private sealed class Functions
    {
        private static CorosyncLibrary L => CorosyncLibrary.Cpg;

        public readonly delegate* unmanaged<ulong*, uint, ModelV1*, void*, int> Initialize =
            (delegate* unmanaged<ulong*, uint, ModelV1*, void*, int>)Get("cpg_model_initialize");

        public readonly delegate* unmanaged<ulong, int*, int> FdGet =
            (delegate* unmanaged<ulong, int*, int>)Get("cpg_fd_get");

        public readonly delegate* unmanaged<ulong, uint*, int> LocalGet =
            (delegate* unmanaged<ulong, uint*, int>)Get("cpg_local_get");

        public readonly delegate* unmanaged<ulong, byte*, int> Join =
            (delegate* unmanaged<ulong, byte*, int>)Get("cpg_join");

        public readonly delegate* unmanaged<ulong, byte*, int> Leave =
            (delegate* unmanaged<ulong, byte*, int>)Get("cpg_leave");

        public readonly delegate* unmanaged<ulong, uint, IoVector*, uint, int> Multicast =
            (delegate* unmanaged<ulong, uint, IoVector*, uint, int>)Get("cpg_mcast_joined");

        public readonly delegate* unmanaged<ulong, uint, int> Dispatch =
            (delegate* unmanaged<ulong, uint, int>)Get("cpg_dispatch");

        public readonly delegate* unmanaged<ulong, int> Close =
            (delegate* unmanaged<ulong, int>)Get("cpg_finalize");

        private static nint Get(string name) => L.Present ? L[name] : 0;
    }
}
