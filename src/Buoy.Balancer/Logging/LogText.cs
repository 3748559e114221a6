using System.Globalization;
using System.Net;

namespace Buoy.Balancer.Logging;

/// <summary>How a log-format variable is written (configuration manual 8.2.6).</summary>
[Flags]
internal enum LogFlags : byte
{
    None = 0,

    /// <summary>Strings and addresses in double quotes.</summary>
    Quote = 1,

    /// <summary>Addresses, ports and some numbers in hexadecimal digits.</summary>
    Hex = 2,

    /// <summary>A backslash before <c>"</c>, <c>\</c> and <c>]</c>.</summary>
    Escape = 4,
}

/// <summary>Text being written into a buffer that is never left: what does not fit is cut.</summary>
internal ref struct LogText(Span<byte> into)
{
    private readonly Span<byte> _into = into;

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    public readonly ReadOnlySpan<byte> Written => _into[..Length];

    public readonly bool IsFull => Length == _into.Length;

    public void Add(byte b)
    {
        if (Length < _into.Length)
        {
            _into[Length++] = b;
        }
    }

    public void Add(scoped ReadOnlySpan<byte> text)
    {
        int n = Math.Min(text.Length, _into.Length - Length);
        text[..n].CopyTo(_into[Length..]);
        Length += n;
    }

    /// <summary>Latin-1 text.</summary>
    public void Add(string text)
    {
        int n = Math.Min(text.Length, _into.Length - Length);
        System.Text.Encoding.Latin1.GetBytes(text.AsSpan(0, n), _into[Length..]);
        Length += n;
    }

    public void Add(long number)
    {
        Span<byte> digits = stackalloc byte[20];
        number.TryFormat(digits, out int n, default, CultureInfo.InvariantCulture);
        Add(digits[..n]);
    }

    /// <summary>Hexadecimal, upper case, of at least that many digits.</summary>
    public void AddHex(long number, int digits)
    {
        Span<byte> text = stackalloc byte[16];
        ((ulong)number).TryFormat(text, out int n, "X", CultureInfo.InvariantCulture);
        for (int i = n; i < digits; i++)
        {
            Add((byte)'0');
        }

        Add(text[..n]);
    }

    /// <summary>A decimal number of at least that many digits.</summary>
    public void AddPadded(long number, int digits)
    {
        for (long limit = (long)Math.Pow(10, digits - 1); limit > 1 && number < limit; limit /= 10)
        {
            Add((byte)'0');
        }

        Add(number);
    }

    public void Add(IPAddress address, LogFlags flags)
    {
        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        Span<byte> bytes = stackalloc byte[64];
        if ((flags & LogFlags.Hex) != 0)
        {
            address.TryWriteBytes(bytes, out int n);
            foreach (byte b in bytes[..n])
            {
                AddHex(b, 2);
            }
        }
        else
        {
            address.TryFormat(bytes, out int n);
            Add(bytes[..n]);
        }
    }

    /// <summary>
    /// Text as log lines carry it: what is not printable ASCII, and what <paramref name="special"/> holds, becomes #XX.
    /// </summary>
    public void AddEncoded(scoped ReadOnlySpan<byte> text, scoped ReadOnlySpan<byte> special, LogFlags flags)
    {
        foreach (byte b in text)
        {
            if (b is < (byte)' ' or > (byte)'~' || special.Contains(b))
            {
                Add((byte)'#');
                AddHex(b, 2);
            }
            else
            {
                AddEscaped(b, flags);
            }
        }
    }

    /// <summary>Text as it is, but for the escapes of the flag E.</summary>
    public void AddEscaped(scoped ReadOnlySpan<byte> text, LogFlags flags)
    {
        if ((flags & LogFlags.Escape) == 0)
        {
            Add(text);
            return;
        }

        foreach (byte b in text)
        {
            AddEscaped(b, flags);
        }
    }

    private void AddEscaped(byte b, LogFlags flags)
    {
        if ((flags & LogFlags.Escape) != 0 && b is (byte)'"' or (byte)'\\' or (byte)']' && (flags & LogFlags.Escape) != 0)
        {
            Add((byte)'\\');
        }

        Add(b);
    }
}
