using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>An IPv4 address in the first 4 bytes, or an IPv6 address, in network order.</summary>
[InlineArray(16)]
internal struct AddressBytes
{
    private byte _first;
}

/// <summary>
/// A value fetched from traffic. Unmanaged: text points into a message, an argument or the scope's
/// <see cref="SampleScope.Temporary"/> memory, and lives as long as that (one evaluation of rules).
/// </summary>
internal unsafe struct Sample
{
    public SampleType Type;
    public SampleFlags Flags;

    /// <summary>Str, Bin, Method Other: bytes at <see cref="Data"/>.</summary>
    public int Length;

    /// <summary>Bool: 0 or 1. Sint: the number. Method: <see cref="HttpMethod"/>.</summary>
    public long Integer;
    public byte* Data;

    /// <summary>Ipv4 (first 4 bytes) and Ipv6.</summary>
    public AddressBytes Address;

    /// <summary>A fetch's own note of where it goes on when it is called for the next value; 0 at first.</summary>
    public long Cursor;

    public readonly ReadOnlySpan<byte> Bytes => new(Data, Length);

    public readonly bool IsText => Type is SampleType.Str or SampleType.Bin;

    /// <summary>4 or 16 bytes of an address.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> AddressSpan =>
        ((ReadOnlySpan<byte>)Address)[..(Type == SampleType.Ipv4 ? 4 : 16)];

    public void SetBool(bool value)
    {
        Type = SampleType.Bool;
        Integer = value ? 1 : 0;
    }

    public void SetInteger(long value)
    {
        Type = SampleType.Sint;
        Integer = value;
    }

    /// <summary>Points to text that outlives the evaluation or stands in the scope's temporary memory.</summary>
    public void SetText(byte* data, int length, SampleType type = SampleType.Str)
    {
        Type = type;
        Data = data;
        Length = length;
    }

    /// <summary>Copies text into the scope's memory; false where that is used up.</summary>
    public bool SetCopy(SampleScope scope, ReadOnlySpan<byte> text, SampleType type = SampleType.Str)
    {
        byte* p = scope.Temporary.Take(text.Length);
        if (p == null)
        {
            return false;
        }

        text.CopyTo(new Span<byte>(p, text.Length));
        SetText(p, text.Length, type);
        return true;
    }

    /// <summary>Takes 4 or 16 bytes in network order.</summary>
    public void SetAddress(ReadOnlySpan<byte> bytes)
    {
        Type = bytes.Length == 4 ? SampleType.Ipv4 : SampleType.Ipv6;
        bytes.CopyTo(Address);
    }
}
