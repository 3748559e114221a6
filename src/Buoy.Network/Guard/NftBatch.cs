using System.Buffers.Binary;
using System.Text;

namespace Buoy.Network.Guard;

/// <summary>
/// One transaction of nf_tables as bytes (linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h): all of its
/// commands
/// take effect together, or, where one fails, none. Pure.
/// </summary>
internal sealed class NftBatch
{
    public const byte FamilyIPv4 = 2, FamilyArp = 3, FamilyIPv6 = 10;

    private const ushort BatchBegin = 16, BatchEnd = 17, Subsystem = 10;
    private const ushort NewTable = 0, GetTable = 1, DelTable = 2, NewChain = 3, NewRule = 6, NewSet = 9;
    private const ushort NewElement = 12, DelElement = 14;
    private const ushort Request = 1, AckFlag = 4, Dump = 0x300, Create = 0x400, Append = 0x800, Nested = 0x8000;
    private const int HeaderBytes = 20;
    private const uint TimeoutFlag = 0x10;
    private readonly List<byte> _bytes = [];
    private uint _sequence;
    private int _lastCommand = -1;
    private uint _setId;

    /// <summary>Begins a transaction; its messages are numbered from <paramref name="sequence"/> on.</summary>
    public NftBatch(uint sequence)
    {
        _sequence = sequence;
        End(Begin(BatchBegin, 0, 0, Subsystem));
    }

    /// <summary>Number of the last command: it alone is acknowledged when all is done.</summary>
    public uint LastCommand { get; private set; }

    /// <summary>The next free number.</summary>
    public uint NextSequence => _sequence;

    /// <summary>Asks for the tables of a family.</summary>
    public static byte[] DumpTables(uint sequence, byte family)
    {
        byte[] b = new byte[HeaderBytes];
        BinaryPrimitives.WriteInt32LittleEndian(b, HeaderBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(b.AsSpan(4), (Subsystem << 8) | GetTable);
        BinaryPrimitives.WriteUInt16LittleEndian(b.AsSpan(6), Request | Dump);
        BinaryPrimitives.WriteUInt32LittleEndian(b.AsSpan(8), sequence);
        b[16] = family;
        return b;
    }

    /// <summary>Names of the tables in a datagram of a dump; false: it was the last.</summary>
    public static bool ReadTables(ReadOnlySpan<byte> datagram, ICollection<string> names)
    {
        while (datagram.Length >= 16)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(datagram);
            ushort type = BinaryPrimitives.ReadUInt16LittleEndian(datagram[4..]);
            if (length < 16 || length > datagram.Length || type is 2 or 3)
            {
                return false;
            }

            if (type == (Subsystem << 8 | NewTable) && length >= HeaderBytes)
            {
                ReadName(datagram[HeaderBytes..length], names);
            }

            datagram = datagram[Math.Min(Align(length), datagram.Length)..];
        }

        return true;
    }

    /// <summary>Makes a table, or does nothing where it is there.</summary>
    public void AddTable(byte family, string table)
    {
        int at = Begin(Command(NewTable), Create, family, 0);
        Text(1, table);
        End(at);
    }

    /// <summary>Removes a table and all in it; it must be there.</summary>
    public void DeleteTable(byte family, string table)
    {
        int at = Begin(Command(DelTable), 0, family, 0);
        Text(1, table);
        End(at);
    }

    /// <summary>Adds a set whose elements run out.</summary>
    /// <param name="keyType">As nft names it to people: 7 = ipv4_addr, 8 = ipv6_addr.</param>
    public void AddTimeoutSet(byte family, string table, string set, uint keyType, uint keyBytes)
    {
        int at = Begin(Command(NewSet), Create, family, 0);
        Text(1, table);
        Text(2, set);
        Number(3, TimeoutFlag);
        Number(4, keyType);
        Number(5, keyBytes);
        Number(10, ++_setId);
        End(at);
    }

    /// <summary>Adds a base chain of type filter that lets everything through.</summary>
    public void AddChain(byte family, string table, string chain, uint hook, int priority)
    {
        int at = Begin(Command(NewChain), Create, family, 0);
        Text(1, table);
        Text(3, chain);
        int nest = BeginNest(4);
        Number(1, hook);
        Number(2, unchecked((uint)priority));
        EndNest(nest);
        Number(5, 1);
        Text(7, "filter");
        End(at);
    }

    /// <summary>
    /// Appends a rule: packets that match all of <paramref name="matches"/> are dropped, unless the key of the last
    /// match
    /// is in the set.
    /// </summary>
    public void AddDropUnlessIn(byte family, string table, string chain, string set, params NftMatch[] matches)
    {
        int at = Begin(Command(NewRule), Create | Append, family, 0);
        Text(1, table);
        Text(2, chain);
        int list = BeginNest(4);
        foreach (var match in matches)
        {
            if (match.Base is { } where)
            {
                Expression("payload", () =>
                {
                    Number(1, 1);
                    Number(2, (uint)where);
                    Number(3, match.Offset);
                    Number(4, (uint)match.Value.Length);
                });
            }
            else
            {
                Expression("meta", () =>
                {
                    Number(2, match.Offset);
                    Number(1, 1);
                });
            }

            Expression("cmp", () =>
            {
                Number(1, 1);
                Number(2, 0);
                int data = BeginNest(3);
                Attribute(1, match.Value);
                EndNest(data);
            });
        }

        Expression("lookup", () =>
        {
            Text(1, set);
            Number(2, 1);
            Number(5, 1);
        });
        Expression("immediate", () =>
        {
            Number(1, 0);
            int data = BeginNest(2);
            int verdict = BeginNest(2);
            Number(1, 0);
            EndNest(verdict);
            EndNest(data);
        });
        EndNest(list);
        End(at);
    }

    /// <summary>Adds an element that runs out after <paramref name="ms"/>.</summary>
    public void AddElement(byte family, string table, string set, byte[] key, int ms)
    {
        int at = Begin(Command(NewElement), Create, family, 0);
        ElementBody(table, set, key, ms);
        End(at);
    }

    /// <summary>Removes an element; the transaction fails (ENOENT) where it is not there or has run out.</summary>
    public void DeleteElement(byte family, string table, string set, byte[] key)
    {
        int at = Begin(Command(DelElement), 0, family, 0);
        ElementBody(table, set, key, 0);
        End(at);
    }

    /// <summary>Removes all elements there are.</summary>
    public void Flush(byte family, string table, string set)
    {
        int at = Begin(Command(DelElement), 0, family, 0);
        Text(1, table);
        Text(2, set);
        End(at);
    }

    /// <summary>The whole transaction.</summary>
    public byte[] ToBytes()
    {
        if (_lastCommand < 0)
        {
            throw new InvalidOperationException("a transaction of nothing");
        }

        Patch16(_lastCommand + 6, (ushort)(Read16(_lastCommand + 6) | AckFlag));
        End(Begin(BatchEnd, 0, 0, Subsystem));
        return [.. _bytes];
    }

    private static void ReadName(ReadOnlySpan<byte> attributes, ICollection<string> names)
    {
        while (attributes.Length >= 4)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
            if (length < 4 || length > attributes.Length)
            {
                return;
            }

            if (BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]) == 1)
            {
                names.Add(Encoding.UTF8.GetString(attributes[4..length].TrimEnd((byte)0)));
            }

            attributes = attributes[Math.Min(Align(length), attributes.Length)..];
        }
    }

    private static int Align(int length) => (length + 3) & ~3;

    private static ushort Command(ushort command) => (ushort)((Subsystem << 8) | command);

    private void ElementBody(string table, string set, byte[] key, int ms)
    {
        Text(1, table);
        Text(2, set);
        int list = BeginNest(3);
        int element = BeginNest(1);
        int value = BeginNest(1);
        Attribute(1, key);
        EndNest(value);
        if (ms > 0)
        {
            byte[] timeout = new byte[8];
            BinaryPrimitives.WriteUInt64BigEndian(timeout, (ulong)ms);
            Attribute(4, timeout);
        }

        EndNest(element);
        EndNest(list);
    }

    private void Expression(string name, Action body)
    {
        int element = BeginNest(1);
        Text(1, name);
        int data = BeginNest(2);
        body();
        EndNest(data);
        EndNest(element);
    }

    private int Begin(ushort type, ushort flags, byte family, ushort resource)
    {
        int at = _bytes.Count;
        byte[] header = new byte[HeaderBytes];
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(4), type);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(6), (ushort)(Request | flags));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(8), _sequence);
        header[16] = family;
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(18), resource);
        _bytes.AddRange(header);
        if (type >> 8 == Subsystem)
        {
            _lastCommand = at;
            LastCommand = _sequence;
        }

        _sequence++;
        return at;
    }

    private void End(int at)
    {
        int length = _bytes.Count - at;
        Patch16(at, (ushort)length);
        Patch16(at + 2, (ushort)(length >> 16));
    }

    private int BeginNest(ushort type)
    {
        int at = _bytes.Count;
        _bytes.AddRange([0, 0, 0, 0]);
        Patch16(at + 2, (ushort)(type | Nested));
        return at;
    }

    private void EndNest(int at) => Patch16(at, (ushort)(_bytes.Count - at));

    private void Number(ushort type, uint value)
    {
        byte[] b = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(b, value);
        Attribute(type, b);
    }

    private void Text(ushort type, string value) => Attribute(type, [.. Encoding.UTF8.GetBytes(value), 0]);

    private void Attribute(ushort type, byte[] value)
    {
        int at = _bytes.Count;
        _bytes.AddRange([0, 0, 0, 0]);
        Patch16(at, (ushort)(4 + value.Length));
        Patch16(at + 2, type);
        _bytes.AddRange(value);
        while (_bytes.Count % 4 != 0)
        {
            _bytes.Add(0);
        }
    }

    private void Patch16(int at, ushort value) => (_bytes[at], _bytes[at + 1]) = ((byte)value, (byte)(value >> 8));

    private ushort Read16(int at) => (ushort)(_bytes[at] | (_bytes[at + 1] << 8));
}

/// <summary>Bytes that a packet must have.</summary>
/// <param name="Base">Counted from which header; null: <paramref name="Offset"/> is a key of nft's meta
/// expression.</param>
internal readonly record struct NftMatch(NftBase? Base, uint Offset, byte[] Value)
{
    /// <summary>The protocol above IP.</summary>
    public static NftMatch Protocol(byte number) => new(null, 16, [number]);
}

/// <summary>NFT_PAYLOAD_*_HEADER.</summary>
internal enum NftBase : uint
{
    Network = 1,
    Transport = 2,
}
