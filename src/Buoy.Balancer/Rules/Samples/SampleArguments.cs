using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>Type of an argument; its name in signatures is the original's.</summary>
internal enum ArgumentType : byte
{
    Integer,
    Text,
    Ipv4,
    Ipv6,
    Mask4,
    Mask6,
    Backend,
    Frontend,
    Server,
    UserList,
    Table,
    Regex,
    FieldNumbers,
}

/// <summary>One argument. Its text does not move, so that samples may point to it.</summary>
internal sealed unsafe class SampleArgument
{
    private readonly byte[] _bytes;

    public SampleArgument(ArgumentType type, string text)
    {
        Type = type;
        Text = text;
        _bytes = GC.AllocateUninitializedArray<byte>(Math.Max(1, text.Length), pinned: true);
        Length = Encoding.Latin1.GetBytes(text, _bytes);
    }

    public ArgumentType Type { get; }

    /// <summary>As written, quotes and escapes taken away.</summary>
    public string Text { get; }

    public int Length { get; }

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, Length);

    /// <summary>Fixed address of the bytes.</summary>
    public byte* Data => (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref _bytes[0]);

    public long Integer { get; set; }

    /// <summary>Ipv4, Ipv6: the address. Masks: the mask's bytes.</summary>
    public byte[] Address { get; set; } = [];

    /// <summary>Backend, Frontend: index of the proxy. Server: index of the server. Known once all is read; -1 before.</summary>
    public int Index { get; set; } = -1;

    /// <summary>UserList, Table, Regex: the object, known once all is read.</summary>
    public object? Resolved { get; set; }
}

/// <summary>The arguments of one call of a fetch or converter.</summary>
internal sealed class SampleArguments(IReadOnlyList<SampleArgument> list)
{
    public static SampleArguments None { get; } = new([]);

    public int Count => list.Count;

    /// <summary>The argument, null behind the last one given.</summary>
    public SampleArgument? this[int index] => index < list.Count ? list[index] : null;

    /// <summary>What an entry's check made of the arguments (a parsed pattern, a table, a compiled regex …).</summary>
    public object? Data { get; set; }

    public long Integer(int index, long otherwise) =>
        index < list.Count && list[index].Text.Length > 0 ? list[index].Integer : otherwise;
}

/// <summary>An argument that can only be looked up when all sections are read.</summary>
/// <param name="Position">From 1.</param>
internal sealed record PendingArgument(
    SampleArgument Argument, int Position, string Fetch, string? Converter, SampleContext Context);

/// <summary>Where an expression stands, for the checks and messages of <see cref="SampleParser"/>.</summary>
internal sealed class SampleContext
{
    /// <summary>The places its fetches may be evaluated in; the caller checks them.</summary>
    public SamplePlaces Places { get; init; }

    /// <summary>What it is part of, in the original's words: "http-request expression", "ACL expression" …</summary>
    public string What { get; init; } = "expression";

    /// <summary>The section's name.</summary>
    public string Proxy { get; init; } = "";

    public SourcePlace Place { get; init; }

    /// <summary>Maps and lists of patterns of this configuration.</summary>
    public Patterns.PatternStore Patterns { get; init; } = new();

    /// <summary>What is still to be looked up; the loader does it at the end.</summary>
    public List<PendingArgument> Pending { get; init; } = [];
}

/// <summary>Signatures as the original prints them, <c>([string,integer])</c> or <c>(integer,string[,integer])</c>.</summary>
internal sealed class ArgumentSignature
{
    private ArgumentSignature(ArgumentType[] types, int required)
    {
        Types = types;
        Required = required;
    }

    public IReadOnlyList<ArgumentType> Types { get; }

    public int Required { get; }

    /// <summary>Reads a signature without its parentheses.</summary>
    public static ArgumentSignature Parse(string text)
    {
        int optional = text.IndexOf('[');
        string[] names = text.Replace("[", "").Replace("]", "").Split(',', StringSplitOptions.RemoveEmptyEntries);
        int required = optional < 0 ? names.Length
            : text[..optional].Split(',', StringSplitOptions.RemoveEmptyEntries).Length;
        return new ArgumentSignature([.. names.Select(Type)], required);
    }

    public static string Name(ArgumentType type) => type switch
    {
        ArgumentType.Integer => "integer",
        ArgumentType.Text => "string",
        ArgumentType.Ipv4 => "IPv4 address",
        ArgumentType.Ipv6 => "IPv6 address",
        ArgumentType.Mask4 => "IPv4 mask",
        ArgumentType.Mask6 => "IPv6 mask",
        ArgumentType.Backend => "backend",
        ArgumentType.Frontend => "frontend",
        ArgumentType.Server => "server",
        ArgumentType.UserList => "user list",
        ArgumentType.Table => "table",
        ArgumentType.Regex => "regex",
        _ => "Protocol buffers field number",
    };

    private static ArgumentType Type(string name)
    {
        foreach (var type in Enum.GetValues<ArgumentType>())
        {
            if (Name(type) == name)
            {
                return type;
            }
        }

        throw new InvalidOperationException($"unknown argument type '{name}'");
    }

    /// <summary>Reads an argument's value; false where the text is not of its type.</summary>
    public static bool Read(SampleArgument argument)
    {
        string text = argument.Text;
        switch (argument.Type)
        {
            case ArgumentType.Integer:
                long value = Units.Atol(text, out string rest);
                argument.Integer = value;
                return text.Length == 0 || (rest.Length == 0 && text[0] is not (' ' or '\t'));
            case ArgumentType.Ipv4 or ArgumentType.Ipv6:
                bool v4 = argument.Type == ArgumentType.Ipv4;
                if (!IPAddress.TryParse(text, out var ip)
                    || (ip.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork) != v4
                    || (v4 && text.Count(c => c == '.') != 3))
                {
                    return false;
                }

                argument.Address = ip.GetAddressBytes();
                return true;
            case ArgumentType.Mask4:
                return Mask(argument, 4);
            case ArgumentType.Mask6:
                return Mask(argument, 16);
            default:
                return true;
        }
    }

    private static bool Mask(SampleArgument argument, int bytes)
    {
        string text = argument.Text;
        if (IPAddress.TryParse(text, out var ip) && text.AsSpan().IndexOfAny('.', ':') >= 0
            && ip.GetAddressBytes().Length == bytes)
        {
            argument.Address = ip.GetAddressBytes();
            return true;
        }

        if (!int.TryParse(text, System.Globalization.NumberStyles.None, null, out int bits) || bits > bytes * 8)
        {
            return false;
        }

        argument.Address = new byte[bytes];
        for (int i = 0; i < bits; i++)
        {
            argument.Address[i / 8] |= (byte)(0x80 >> (i % 8));
        }

        return true;
    }
}
