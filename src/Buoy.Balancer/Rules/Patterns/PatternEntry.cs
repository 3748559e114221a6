using System.Text;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>One line of a map or list as the runtime API shows it; shared by all sets that use its reference.</summary>
internal sealed class PatternElement(long order, uint generation, string pattern, string? sample, int line = 0)
{
    /// <summary>Rises with each element of the process: where several match, the lowest comes first.</summary>
    public long Order { get; } = order;

    /// <summary>The version it belongs to.</summary>
    public uint Generation { get; } = generation;

    /// <summary>As written, bytes as Latin-1 characters.</summary>
    public string Pattern { get; } = pattern;

    /// <summary>Its line in the file, 0 = not from a file.</summary>
    public int Line { get; } = line;

    /// <summary>The value's text; null in a list without values.</summary>
    public string? Sample { get; set; } = sample;

    /// <summary>What it was made into, one per set of the reference, in their order.</summary>
    public List<PatternEntry> Entries { get; } = [];
}

/// <summary>What the value of a map is made into (manual 7.3.1, <c>map_…_int</c>, <c>map_…_ip</c>).</summary>
internal enum MapOutput : byte
{
    /// <summary>Values are not used: an ACL.</summary>
    None,
    Text,
    Integer,
    Address,
}

/// <summary>A value of a map, ready for use. Replaced as a whole when it changes.</summary>
internal sealed record MapValue(byte[] Text, long Integer, byte[] Address)
{
    private static readonly MapValue Unused = new([], 0, []);

    /// <summary>Reads a value; null where it is not of that type.</summary>
    public static MapValue? Read(string text, MapOutput output)
    {
        switch (output)
        {
            case MapOutput.None:
                return Unused;
            case MapOutput.Integer:
                long number = Configuration.Units.Atol(text, out string rest);
                return rest.Length == 0 ? new MapValue([], number, []) : null;
            case MapOutput.Address:
                Span<byte> address = stackalloc byte[16];
                int length = Samples.SampleCasts.Address(Encoding.Latin1.GetBytes(text), address);
                return length > 0 ? new MapValue([], 0, address[..length].ToArray()) : null;
            default:
                return new MapValue(Encoding.Latin1.GetBytes(text), 0, []);
        }
    }
}

/// <summary>A pattern made ready for one matching method.</summary>
internal sealed class PatternEntry
{
    private MapValue? _value;

    public required PatternElement Element { get; init; }

    /// <summary>Text methods: what to look for (folded to lower case where case is ignored). Bin: the bytes.</summary>
    public byte[] Text { get; init; } = [];

    /// <summary>Int, Len, Version: both ends of the range belong to it.</summary>
    public long Low { get; init; } = long.MinValue;

    public long High { get; init; } = long.MaxValue;

    /// <summary>Ip: 4 or 16 bytes.</summary>
    public byte[] Address { get; init; } = [];

    /// <summary>Ip: bits of the network, -1 where the mask has holes: see <see cref="Mask"/>.</summary>
    public int Bits { get; init; }

    /// <summary>Ip, v4 only: the mask.</summary>
    public uint Mask { get; init; }

    public ByteRegex? Regex { get; init; }

    /// <summary>The value in a map, null = none. Written by one thread at a time, read by all.</summary>
    public MapValue? Value
    {
        get => Volatile.Read(ref _value);
        set => Volatile.Write(ref _value, value);
    }
}
