using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Buoy.Membership.Configuration;

namespace Buoy.Membership.Transport;

/// <summary>
/// The envelope of every datagram; nothing within it is looked at before all of this holds:
/// <code>
/// magic:4 version:1 protection:1 zero:2 cluster:8 sender:4 incarnation:8 counter:8 | iv:16 | ciphertext | tag
/// </code>
/// Protection by a <see cref="SealKey"/>; while keys are exchanged there is more than one, and any of them opens. Then the
/// sender's incarnation (a process start; newer ones replace older ones, older ones are dead) and its counter (each once)
/// decide about freshness.
/// </summary>
public sealed class DatagramSeal : IDisposable
{
    /// <summary>Bytes of the plain header.</summary>
    public const int HeaderSize = 36;

    /// <summary>Shortest key file; what corosync-keygen always wrote.</summary>
    public const int MinKeySize = 128;

    /// <summary>
    /// A drop reason: authentic, never seen here, but of an incarnation that a newer one replaced. Recorded datagrams look
    /// so too, which is why it proves nothing by itself. The message was unwrapped all the same.
    /// </summary>
    public const string Superseded = "drop.superseded-incarnation";

    /// <summary>Senders remembered; the protocol's limit of members and as many strangers.</summary>
    private const int MaxSenders = 1024;

    private const uint Magic = 0x594f5542; // "BUOY"
    private const byte Version = 1;
    private readonly ulong _cluster;
    private readonly uint _myId;
    private readonly ulong _myIncarnation;
    private readonly long _deadAfter;
    private readonly List<SealKey> _keys = [];
    private readonly Dictionary<uint, Sender> _senders = [];
    private ulong _counter;

    /// <summary>One process of a node as heard here, and the one it replaced.</summary>
    private sealed class Sender(ulong incarnation, long since, Sender? replaced)
    {
        public ulong Incarnation { get; } = incarnation;
        public ReplayWindow Window { get; } = new();
        public long Since { get; } = since;
        public long LastSeen { get; set; } = since;

        /// <summary>Its window goes on, so that a recording of it does not pass for a sign of life.</summary>
        public Sender? Replaced { get; set; } = replaced;

        /// <summary>Two processes have this node id, and both talk: neither is believed.</summary>
        public bool Refused { get; set; }
    }

    /// <summary>For one process of one node.</summary>
    /// <param name="authkey">Contents of the key file; empty without crypto.</param>
    /// <param name="deadAfter">After so many ms of silence an incarnation that seems older may replace the known
    /// one.</param>
    public DatagramSeal(
        CryptoSettings crypto, ReadOnlySpan<byte> authkey, string cluster, uint myId, ulong myIncarnation,
            long deadAfter)
    {
        _myId = myId;
        _myIncarnation = myIncarnation;
        _deadAfter = deadAfter;
        _cluster = BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(cluster)));
        Accept(new SealKey(crypto, authkey, cluster));
    }

    /// <summary>Bytes of the tag; 0 without crypto.</summary>
    public int TagSize => _keys[0].TagSize;

    /// <summary>Bytes added to a message at most, with any key that may be sent with.</summary>
    public int Overhead { get; private set; }

    /// <summary>What is sent with.</summary>
    public SealKey Current => _keys[0];

    /// <summary>Datagrams that a key opens are taken from now on, beside those of the others.</summary>
    public void Accept(SealKey key)
    {
        _keys.Add(key);
        Overhead = HeaderSize + _keys.Max(k => k.Overhead);
    }

    /// <summary>Sends with a key that was accepted before.</summary>
    public void SendWith(SealKey key)
    {
        if (_keys.Remove(key))
        {
            _keys.Insert(0, key);
        }
    }

    /// <summary>Ends a key: what it would open is dropped from now on.</summary>
    public void Forget(SealKey key)
    {
        if (_keys.Count > 1 && _keys.Remove(key))
        {
            key.Dispose();
            Overhead = HeaderSize + _keys.Max(k => k.Overhead);
        }
    }

    /// <summary>Wraps a message; returns the datagram's length.</summary>
    public int Seal(ReadOnlySpan<byte> message, Span<byte> to)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(to, Magic);
        to[4] = Version;
        to[5] = _keys[0].Protection;
        to[6] = to[7] = 0;
        BinaryPrimitives.WriteUInt64LittleEndian(to[8..], _cluster);
        BinaryPrimitives.WriteUInt32LittleEndian(to[16..], _myId);
        BinaryPrimitives.WriteUInt64LittleEndian(to[20..], _myIncarnation);
        BinaryPrimitives.WriteUInt64LittleEndian(to[28..], ++_counter);
        return _keys[0].Seal(message, to, HeaderSize);
    }

    /// <summary>
    /// Unwraps a datagram. Returns why it is dropped, or null and the message's length in <paramref name="plain"/>.
    /// </summary>
    public string? Open(
        long now, ReadOnlySpan<byte> datagram, Span<byte> plain, out uint sender, out ulong incarnation, out int length)
    {
        sender = 0;
        incarnation = 0;
        length = 0;
        if (datagram.Length < HeaderSize || BinaryPrimitives.ReadUInt32LittleEndian(datagram) != Magic)
        {
            return "drop.not-ours";
        }

        if (datagram[4] != Version)
        {
            return "drop.version";
        }

        if (BinaryPrimitives.ReadUInt64LittleEndian(datagram[8..]) != _cluster)
        {
            return "drop.other-cluster";
        }

        SealKey? key = null;
        string drop = "drop.other-crypto";
        foreach (var candidate in _keys)
        {
            if (datagram[5] == candidate.Protection)
            {
                drop = datagram.Length < HeaderSize + candidate.LeastOverhead ? "drop.truncated" : "drop.authentication";
                key = drop == "drop.authentication" && candidate.IsAuthentic(datagram) ? candidate : null;
                if (key is not null)
                {
                    break;
                }
            }
        }

        if (key is null)
        {
            return drop;
        }

        sender = BinaryPrimitives.ReadUInt32LittleEndian(datagram[16..]);
        incarnation = BinaryPrimitives.ReadUInt64LittleEndian(datagram[20..]);
        if (sender == 0 || incarnation == 0)
        {
            return "drop.sender-fields";
        }

        if (sender == _myId)
        {
            return incarnation == _myIncarnation ? "drop.own" : "drop.duplicate-node-id";
        }

        string? stale = Stale(now, sender, incarnation, BinaryPrimitives.ReadUInt64LittleEndian(datagram[28..]));
        if (stale is not null && stale != Superseded)
        {
            return stale;
        }

        return key.TryOpen(datagram[HeaderSize..^key.TagSize], plain, out length) ? stale : "drop.decryption";
    }

    /// <summary>
    /// A <see cref="Superseded"/> datagram proved that its sender lives: it answers what this node sent since. Two daemons
    /// have one id; after deadAfter of that neither is believed, until one of them was silent for as long.
    /// </summary>
    public void OnProvenAlive(long now, uint sender)
    {
        if (_senders.TryGetValue(sender, out var known) && known.Replaced is not null)
        {
            known.Refused |= now - known.Since > _deadAfter;
        }
    }

    /// <summary>Frees the keys.</summary>
    public void Dispose() => _keys.ForEach(k => k.Dispose());

    /// <summary>
    /// Freshness of an authentic datagram; null = fresh. A newer incarnation replaces the known one at once (a restart).
    /// Where the replaced one lives on (<see cref="OnProvenAlive"/>), two daemons have one id: both are refused until one
    /// of them was silent for that long.
    /// </summary>
    private string? Stale(long now, uint id, ulong incarnation, ulong counter)
    {
        _senders.TryGetValue(id, out var known);
        if (known?.Replaced is { } old && incarnation == old.Incarnation)
        {
            if (!old.Window.Accept(counter))
            {
                return "drop.replay";
            }

            old.LastSeen = now;
            if (now - known.LastSeen < _deadAfter)
            {
                return known.Refused ? "drop.duplicate-node-id" : Superseded;
            }

            old.Replaced = null;
            _senders[id] = old;
            return null;
        }

        if (known is null || incarnation != known.Incarnation)
        {
            bool newer = known is null || incarnation > known.Incarnation || now - known.LastSeen >= _deadAfter;
            if (!newer || (known is null && _senders.Count >= MaxSenders))
            {
                return "drop.replay";
            }

            if (known is not null)
            {
                known.Replaced = null;
            }

            _senders[id] = known = new Sender(incarnation, now, known);
        }

        if (!known.Window.Accept(counter))
        {
            return "drop.replay";
        }

        known.LastSeen = now;
        if (known is { Refused: true, Replaced: { } other } && now - other.LastSeen < _deadAfter)
        {
            return "drop.duplicate-node-id";
        }

        known.Refused = false;
        return null;
    }
}
