using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Buoy.Control;

/// <summary>A process in a change of a group; the reason as in cpg: 1 join, 2 leave, 3 node down, 4 node up, 5 process
/// down.</summary>
public readonly record struct GroupMember(uint NodeId, uint ProcessId, uint Reason);

/// <summary>Something that the daemon told; which members are set follows from <see cref="Kind"/> (<see
/// cref="ServiceProtocol"/>).</summary>
public readonly ref struct ServiceEvent
{
    /// <summary>One of the kinds to the client.</summary>
    public byte Kind { get; init; }

    /// <summary>Body of the frame; valid until the next read.</summary>
    public ReadOnlySpan<byte> Body { get; init; }

    /// <summary>Of a message: its sender.</summary>
    public (uint NodeId, uint ProcessId) Sender =>
        (BinaryPrimitives.ReadUInt32LittleEndian(Body), BinaryPrimitives.ReadUInt32LittleEndian(Body[4..]));

    /// <summary>Of a message: what was said.</summary>
    public ReadOnlySpan<byte> Payload => Body[8..];

    /// <summary>Of a group's change: members now, who left, who joined.</summary>
    public (GroupMember[] Members, GroupMember[] Left, GroupMember[] Joined) Change
    {
        get
        {
            int members = BinaryPrimitives.ReadUInt16LittleEndian(Body);
            int left = BinaryPrimitives.ReadUInt16LittleEndian(Body[2..]);
            int joined = BinaryPrimitives.ReadUInt16LittleEndian(Body[4..]);
            return (Read(Body[6..], members), Read(Body[(6 + (12 * members))..], left),
                Read(Body[(6 + (12 * (members + left)))..], joined));
        }
    }

    /// <summary>Of a change of cmap: 0 create, 1 modify, 2 delete; key, type, value (before, where deleted).</summary>
    public (int Event, string Key, string Type, string Value) Map
    {
        get
        {
            string[] parts = Encoding.UTF8.GetString(Body[1..]).Split('\0');
            return (Body[0], parts[0], parts[1], parts[2]);
        }
    }

    /// <summary>Of the quorum: the verdict, its ring, the members.</summary>
    public (bool Quorate, ulong RingSeq, uint RingRep, uint[] Members) Quorum
    {
        get
        {
            var ids = new uint[(Body.Length - 13) / 4];
            for (int i = 0; i < ids.Length; i++)
            {
                ids[i] = BinaryPrimitives.ReadUInt32LittleEndian(Body[(13 + (4 * i))..]);
            }

            return (Body[0] != 0, BinaryPrimitives.ReadUInt64LittleEndian(Body[1..]),
                BinaryPrimitives.ReadUInt32LittleEndian(Body[9..]), ids);
        }
    }

    /// <summary>Of a refusal: why.</summary>
    public string Text => Encoding.UTF8.GetString(Body);

    private static GroupMember[] Read(ReadOnlySpan<byte> from, int count)
    {
        var list = new GroupMember[count];
        for (int i = 0; i < count; i++)
        {
            var at = from[(12 * i)..];
            list[i] = new GroupMember(
                BinaryPrimitives.ReadUInt32LittleEndian(at), BinaryPrimitives.ReadUInt32LittleEndian(at[4..]),
                BinaryPrimitives.ReadUInt32LittleEndian(at[8..]));
        }

        return list;
    }
}

/// <summary>
/// Client library of the daemon's services. Calls block: a send while the cluster's queue is full waits until there is
/// room (flow control), a read until something is told. One thread may send while another reads.
/// </summary>
public sealed class ServiceClient : IDisposable
{
    private readonly Socket _socket;
    private readonly byte[] _head = new byte[ServiceProtocol.HeadSize];
    private byte[] _in = new byte[1 << 18];
    private int _begin;
    private int _end;

    private ServiceClient(Socket socket) => _socket = socket;

    /// <summary>Connects to the daemon of this node; null where none answers.</summary>
    public static ServiceClient? TryConnect(string? path = null)
    {
        var s = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            s.Connect(new UnixDomainSocketEndPoint(path ?? ServiceProtocol.Socket));
            return new ServiceClient(s);
        }
        catch (SocketException)
        {
            s.Dispose();
            return null;
        }
    }

    /// <summary>The socket, to wait on it.</summary>
    public Socket Socket => _socket;

    /// <summary>True while something is read already and <see cref="Read"/> would not wait.</summary>
    public bool HasBuffered => _end - _begin >= 4
        && _end - _begin >= 4 + BinaryPrimitives.ReadInt32LittleEndian(_in.AsSpan(_begin));

    /// <summary>Joins a group; the change that names this process follows, or a refusal.</summary>
    public void Join(string group) => Send(ServiceProtocol.Join, Encoding.UTF8.GetBytes(group));

    /// <summary>Leaves the group in order; the last change told has this process in its list of those that
    /// left.</summary>
    public void Leave() => Send(ServiceProtocol.Leave, default);

    /// <summary>Says something to the group, this process included.</summary>
    public void Multicast(ReadOnlySpan<byte> payload)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, ServiceProtocol.MaxPayload);
        Send(ServiceProtocol.Multicast, payload);
    }

    /// <summary>Asks to be told the changes of a key of cmap, or of all with a prefix.</summary>
    public void TrackMap(string key, bool prefix) =>
        Send(ServiceProtocol.TrackMap, [(byte)(prefix ? 1 : 0), .. Encoding.UTF8.GetBytes(key)]);

    /// <summary>Asks for the quorum, now and when it changes.</summary>
    public void TrackQuorum() => Send(ServiceProtocol.TrackQuorum, default);

    /// <summary>
    /// Asks the daemon to keep this process available (sam_overview(3)); <see cref="ServiceProtocol.Registered"/> or a
    /// refusal
    /// follows. Policies: quit, restart, quorum-quit, quorum-restart.
    /// </summary>
    public void Register(string name, string policy, int intervalMs, int warnSignal, params string[] command) => Send(
        ServiceProtocol.Register,
        Encoding.UTF8.GetBytes(string.Join('\0', [name, policy, $"{intervalMs}", $"{warnSignal}", .. command])));

    /// <summary>Begins; <see cref="ServiceProtocol.MayRun"/> follows, where the policy needs quorum when there is
    /// one.</summary>
    public void Begin() => Send(ServiceProtocol.Begin, default);

    /// <summary>Says that this process is alive; once per interval at least.</summary>
    public void Alive() => Send(ServiceProtocol.Alive, default);

    /// <summary>No longer to be watched: an end that follows is an ordinary one.</summary>
    public void End() => Send(ServiceProtocol.End, default);

    /// <summary>Of a registration: 1 where the process was started by itself, more after restarts.</summary>
    public static int InstanceOf(ServiceEvent e) => BinaryPrimitives.ReadInt32LittleEndian(e.Body);

    /// <summary>Waits for the next event. False: the daemon has gone.</summary>
    public bool Read(out ServiceEvent e)
    {
        e = default;
        while (!HasBuffered)
        {
            Compact();
            try
            {
                int n = _socket.Receive(_in.AsSpan(_end));
                if (n == 0)
                {
                    return false;
                }

                _end += n;
            }
            catch (SocketException)
            {
                return false;
            }
        }

        int length = BinaryPrimitives.ReadInt32LittleEndian(_in.AsSpan(_begin));
        e = new ServiceEvent { Kind = _in[_begin + 4], Body = _in.AsSpan(_begin + 5, length - 1) };
        _begin += 4 + length;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    /// <summary>Room for the rest of the frame that has begun, and for a good read.</summary>
    private void Compact()
    {
        int have = _end - _begin;
        int want = have >= 4 ? 4 + BinaryPrimitives.ReadInt32LittleEndian(_in.AsSpan(_begin)) : 4;
        if (want > ServiceProtocol.MaxPayload * 2)
        {
            throw new IOException($"the daemon sent a frame of {want} bytes");
        }

        if (want > _in.Length)
        {
            var larger = new byte[want * 2];
            _in.AsSpan(_begin, have).CopyTo(larger);
            _in = larger;
        }
        else
        {
            _in.AsSpan(_begin, have).CopyTo(_in);
        }

        (_begin, _end) = (0, have);
    }

    private void Send(byte kind, ReadOnlySpan<byte> body)
    {
        BinaryPrimitives.WriteInt32LittleEndian(_head, body.Length + 1);
        _head[4] = kind;
        // One segment for small messages; a large one is not copied.
        if (body.Length <= 4096)
        {
            Span<byte> both = stackalloc byte[ServiceProtocol.HeadSize + body.Length];
            _head.CopyTo(both);
            body.CopyTo(both[ServiceProtocol.HeadSize..]);
            SendAll(both);
            return;
        }

        SendAll(_head);
        SendAll(body);
    }

    private void SendAll(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            data = data[_socket.Send(data)..];
        }
    }
}
