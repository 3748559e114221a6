using System.Buffers.Binary;

namespace Buoy.Membership.Totem;

/// <summary>Messages as bytes: type, then fields in order, integers little-endian, lists with a 16-bit count.</summary>
public static class MessageCodec
{
    /// <summary>Bytes a message needs at most, so that a buffer can be had before it is written.</summary>
    public static int MaxSize(TotemMessage message) => message switch
    {
        RegularMessage m => 80 + m.Contents.Length + (m.Encapsulated?.Contents.Length ?? 0),
        TokenMessage m => 80 + (m.Rtr.Count * 20),
        JoinMessage m => 48 + ((m.ProcSet.Count + m.FailSet.Count + m.HeardSet.Count) * 4),
        CommitTokenMessage m => 32 + (m.Members.Count * 34),
        ProbeMessage m => 48 + (m.Echoes.Count * 20),
        _ => 32,
    };

    /// <summary>Writes a message; returns the number of bytes written.</summary>
    public static int Encode(TotemMessage message, Span<byte> to)
    {
        var w = new Writer(to);
        w.U8((byte)message.Type);
        switch (message)
        {
            case RegularMessage m:
                WriteRegular(ref w, m);
                w.U8(m.Encapsulated is null ? (byte)0 : (byte)1);
                if (m.Encapsulated is { } old)
                {
                    WriteRegular(ref w, old);
                }

                break;
            case TokenMessage m:
                w.Ring(m.RingId);
                w.U64(m.TokenSeq);
                w.U64(m.Seq);
                w.U64(m.Aru);
                w.U32(m.AruId);
                w.U8(m.RetransFlag ? (byte)1 : (byte)0);
                w.U32(m.Fcc);
                w.U32(m.Backlog);
                w.U16((ushort)m.Rtr.Count);
                foreach (var r in m.Rtr)
                {
                    w.Ring(r.RingId);
                    w.U64(r.Seq);
                }

                break;
            case JoinMessage m:
                w.U32(m.SenderId);
                w.Set(m.ProcSet);
                w.Set(m.FailSet);
                w.Set(m.HeardSet);
                w.U64(m.RingSeq);
                w.U32(m.RotationCount);
                w.U32(m.ConfigDigest);
                break;
            case CommitTokenMessage m:
                w.Ring(m.RingId);
                w.U32(m.Hop);
                w.U16((ushort)m.Members.Count);
                foreach (var e in m.Members)
                {
                    w.U32(e.Id);
                    w.Ring(e.OldRingId);
                    w.U64(e.OldAru);
                    w.U64(e.HighDelivered);
                    w.U8((byte)((e.ReceivedFlag ? 1 : 0) | (e.Filled ? 2 : 0)));
                }

                break;
            case MergeDetectMessage m:
                w.U32(m.SenderId);
                w.Ring(m.RingId);
                break;
            case HoldCancelMessage m:
                w.U32(m.SenderId);
                w.Ring(m.RingId);
                break;
            case ProbeMessage m:
                w.U32(m.SenderId);
                w.U64(m.Number);
                w.U8((byte)m.State);
                w.Ring(m.RingId);
                w.U16((ushort)m.Echoes.Count);
                foreach (var e in m.Echoes)
                {
                    w.U32(e.NodeId);
                    w.U64(e.Incarnation);
                    w.U64(e.Number);
                }

                break;
        }

        return w.Written;
    }

    /// <summary>Reads a message; null where the bytes are not exactly one.</summary>
    public static TotemMessage? Decode(ReadOnlySpan<byte> from)
    {
        var r = new Reader(from);
        TotemMessage? message = (TotemMessageType)r.U8() switch
        {
            TotemMessageType.Regular => ReadRegularMessage(ref r),
            TotemMessageType.Token => ReadToken(ref r),
            TotemMessageType.Join => ReadJoin(ref r),
            TotemMessageType.CommitToken => ReadCommitToken(ref r),
            TotemMessageType.MergeDetect => new MergeDetectMessage(r.U32(), r.Ring()),
            TotemMessageType.HoldCancel => new HoldCancelMessage(r.U32(), r.Ring()),
            TotemMessageType.Probe => ReadProbe(ref r),
            _ => null,
        };
        return r.Complete ? message : null;
    }

    private static void WriteRegular(ref Writer w, RegularMessage m)
    {
        w.U32(m.SenderId);
        w.Ring(m.RingId);
        w.U64(m.Seq);
        w.U8(m.Safe ? (byte)1 : (byte)0);
        w.U16((ushort)m.Contents.Length);
        w.Bytes(m.Contents);
    }

    private static RegularMessage ReadRegularMessage(ref Reader r)
    {
        var m = ReadRegular(ref r);
        return r.U8() switch
        {
            0 => m,
            1 => m with { Encapsulated = ReadRegular(ref r) },
            _ => Fail(ref r, m),
        };
    }

    private static T Fail<T>(ref Reader r, T value)
    {
        r.Fail();
        return value;
    }

    private static RegularMessage ReadRegular(ref Reader r) => new()
    {
        SenderId = r.U32(), RingId = r.Ring(), Seq = r.U64(), Safe = r.Flag(), Contents = r.Bytes(r.U16()),
    };

    private static TokenMessage ReadToken(ref Reader r)
    {
        var m = new TokenMessage
        {
            RingId = r.Ring(), TokenSeq = r.U64(), Seq = r.U64(), Aru = r.U64(), AruId = r.U32(),
                RetransFlag = r.Flag(),
            Fcc = r.U32(), Backlog = r.U32(),
        };
        int n = r.Many(20);
        var rtr = n == 0 ? [] : new RetransmitRequest[n];
        for (int i = 0; i < n; i++)
        {
            rtr[i] = new RetransmitRequest(r.Ring(), r.U64());
        }

        return m with { Rtr = rtr };
    }

    private static JoinMessage ReadJoin(ref Reader r) => new()
    {
        SenderId = r.U32(), ProcSet = r.Set(), FailSet = r.Set(), HeardSet = r.Set(), RingSeq = r.U64(),
        RotationCount = r.U32(), ConfigDigest = r.U32(),
    };

    private static CommitTokenMessage ReadCommitToken(ref Reader r)
    {
        var ring = r.Ring();
        uint hop = r.U32();
        var members = new CommitEntry[r.Many(33)];
        for (int i = 0; i < members.Length; i++)
        {
            uint id = r.U32();
            var old = r.Ring();
            ulong aru = r.U64();
            ulong delivered = r.U64();
            byte flags = r.U8();
            members[i] = new CommitEntry(id, old, aru, delivered, (flags & 1) != 0, (flags & 2) != 0);
        }

        return new CommitTokenMessage { RingId = ring, Hop = hop, Members = members };
    }

    private static ProbeMessage ReadProbe(ref Reader r)
    {
        uint sender = r.U32();
        ulong number = r.U64();
        byte state = r.U8();
        var ring = r.Ring();
        var echoes = new ProbeEcho[r.Many(20)];
        for (int i = 0; i < echoes.Length; i++)
        {
            echoes[i] = new ProbeEcho(r.U32(), r.U64(), r.U64());
        }

        if (state > (byte)TotemState.Recovery)
        {
            r.Fail();
        }

        return new ProbeMessage
        {
            SenderId = sender, Number = number, State = (TotemState)state, RingId = ring, Echoes = echoes,
        };
    }

    private ref struct Writer(Span<byte> to)
    {
        private readonly Span<byte> _to = to;
        public int Written { get; private set; }

        public void U8(byte v) => _to[Written++] = v;

        public void U16(ushort v)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(_to[Written..], v);
            Written += 2;
        }

        public void U32(uint v)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_to[Written..], v);
            Written += 4;
        }

        public void U64(ulong v)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(_to[Written..], v);
            Written += 8;
        }

        public void Ring(RingId id)
        {
            U64(id.Seq);
            U32(id.Rep);
        }

        public void Set(NodeSet ids)
        {
            U16((ushort)ids.Count);
            foreach (uint id in ids)
            {
                U32(id);
            }
        }

        public void Bytes(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(_to[Written..]);
            Written += bytes.Length;
        }
    }

    private ref struct Reader(ReadOnlySpan<byte> from)
    {
        private readonly ReadOnlySpan<byte> _from = from;
        private int _at;
        private bool _failed;

        public readonly bool Complete => !_failed && _at == _from.Length;

        public void Fail() => _failed = true;

        public byte U8() => Take(1) ? _from[_at - 1] : (byte)0;

        public ushort U16() => Take(2) ? BinaryPrimitives.ReadUInt16LittleEndian(_from[(_at - 2)..]) : (ushort)0;

        public uint U32() => Take(4) ? BinaryPrimitives.ReadUInt32LittleEndian(_from[(_at - 4)..]) : 0;

        public ulong U64() => Take(8) ? BinaryPrimitives.ReadUInt64LittleEndian(_from[(_at - 8)..]) : 0;

        public bool Flag()
        {
            byte b = U8();
            _failed |= b > 1;
            return b == 1;
        }

        public RingId Ring() => new(U64(), U32());

        public byte[] Bytes(int count) => Take(count) ? _from.Slice(_at - count, count).ToArray() : [];

        /// <summary>A count whose elements fit into what is left, and within the protocol's limit.</summary>
        public int Many(int elementSize)
        {
            int n = U16();
            if (n > TotemLimits.Members || n * elementSize > _from.Length - _at)
            {
                _failed = true;
                return 0;
            }

            return n;
        }

        public NodeSet Set()
        {
            int n = Many(4);
            if (n == 0)
            {
                return NodeSet.Empty;
            }

            var ids = new uint[n];
            for (int i = 0; i < n; i++)
            {
                ids[i] = U32();
                _failed |= i > 0 && ids[i] <= ids[i - 1];
            }

            return NodeSet.Of(ids);
        }

        private bool Take(int count)
        {
            if (_failed || count > _from.Length - _at)
            {
                _failed = true;
                return false;
            }

            _at += count;
            return true;
        }
    }
}
