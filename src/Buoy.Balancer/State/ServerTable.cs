using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Buoy.Balancer.State;

/// <summary>What a shard must know of a server: one cache line, written by the control thread only, read by all shards.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
public unsafe struct ServerSlot
{
    /// <summary>1 = takes new connections.</summary>
    [FieldOffset(0)]
    public int Eligible;

    /// <summary>Effective weight, 0 = takes only what persistence sends there.</summary>
    [FieldOffset(4)]
    public int Weight;

    /// <summary>Grows with every change of this slot; shards compare it to see that they must rebuild.</summary>
    [FieldOffset(8)]
    public int Generation;

    /// <summary>AF_UNIX (1), AF_INET (2), AF_INET6 (10), 0 = no address.</summary>
    [FieldOffset(12)]
    public int Family;

    /// <summary>Host byte order.</summary>
    [FieldOffset(16)]
    public int Port;

    /// <summary>4 or 16 bytes in network order.</summary>
    [FieldOffset(20)]
    public fixed byte Address[16];

    /// <summary>Limit of concurrent connections, 0 = none.</summary>
    [FieldOffset(36)]
    public int MaxConn;

    /// <summary>1 = used only when no other server of its backend is eligible.</summary>
    [FieldOffset(40)]
    public int Backup;

    /// <summary>1 = <see cref="Port"/> is added to the one that the client connected to.</summary>
    [FieldOffset(44)]
    public int MapPort;

    /// <summary>1 = the address is the one that the client connected to.</summary>
    [FieldOffset(48)]
    public int AnyAddress;
}

/// <summary>The slots of all servers, by <c>ServerConfig.Index</c>.</summary>
public sealed unsafe class ServerTable : IDisposable
{
    private readonly ServerSlot* _slots;

    /// <summary>
    /// Slots beyond those of the configuration, for servers that are added at run time. With 64 bytes here and 384 of
    /// counters per shard that are not touched before they are used it costs next to nothing; a farm that grows by more
    /// than a thousand members wants its configuration written anew.
    /// </summary>
    public const int Spare = 1024;

    public ServerTable(int servers)
    {
        Count = servers;
        nuint bytes = (nuint)(Math.Max(1, servers) * sizeof(ServerSlot));
        _slots = (ServerSlot*)NativeMemory.AlignedAlloc(bytes, 64);
        NativeMemory.Clear(_slots, bytes);
    }

    /// <summary>Servers there is room for.</summary>
    public int Count { get; }

    /// <summary>The slot, to read on a shard or to write on the control thread.</summary>
    public ref ServerSlot this[int server] => ref _slots[server];

    /// <summary>Control thread only: puts an address into a slot (null = none) and grows its generation.</summary>
    public void SetAddress(int server, IPAddress? address, int port)
    {
        ref var s = ref _slots[server];
        s.Family = address is null ? 0 : address.AddressFamily == AddressFamily.InterNetworkV6 ? 10 : 2;
        s.Port = port;
        s.AnyAddress = IPAddress.Any.Equals(address) || IPAddress.IPv6Any.Equals(address) ? 1 : 0;
        fixed (byte* a = s.Address)
        {
            address?.TryWriteBytes(new Span<byte>(a, 16), out _);
        }

        Interlocked.Increment(ref s.Generation);
    }

    /// <summary>Control thread only: the server is a Unix socket, whose path its configuration has.</summary>
    public void SetUnix(int server)
    {
        _slots[server].Family = UnixFamily;
        Interlocked.Increment(ref _slots[server].Generation);
    }

    /// <summary>AF_UNIX as <see cref="ServerSlot.Family"/>.</summary>
    public const int UnixFamily = 1;

    /// <summary>The address in a slot; null = none.</summary>
    public IPAddress? AddressOf(int server)
    {
        byte* a = _slots[server].Address;
        return _slots[server].Family switch
        {
            2 => new IPAddress(new ReadOnlySpan<byte>(a, 4)),
            10 => new IPAddress(new ReadOnlySpan<byte>(a, 16)),
            _ => null,
        };
    }

    /// <inheritdoc/>
    public void Dispose() => NativeMemory.AlignedFree(_slots);
}
