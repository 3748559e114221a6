using System.Globalization;
using System.Text;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Health;

/// <summary>What the bytes so far amount to.</summary>
internal enum HttpReadOutcome
{
    /// <summary>The head is not whole.</summary>
    More,

    /// <summary>Not HTTP.</summary>
    Bad,

    /// <summary>The head is there, of the body at least a part.</summary>
    Head,
}

/// <summary>The reply to a health check (RFC 9112), strictly read: status line, headers, body with its framing.</summary>
internal sealed class HttpCheckReply
{
    private const int MaxHeaders = 101;
    private readonly List<(string Name, string Value)> _headers = [];
    private byte[] _body = [];
    private int _headEnd = -1;
    private long _length = -1;
    private bool _chunked;

    /// <summary>Names in lower case.</summary>
    public IReadOnlyList<(string Name, string Value)> Fields => _headers;

    /// <summary>Minor version.</summary>
    public int Minor { get; private set; }

    public int Status { get; private set; }

    public string Reason { get; private set; } = "";

    /// <summary>Nothing more of the body will come, or fits.</summary>
    public bool Complete { get; private set; }

    /// <summary>The body so far, without framing.</summary>
    public ReadOnlySpan<byte> Body => _body;

    /// <summary>Reads all bytes so far anew.</summary>
    public HttpReadOutcome Read(ReadOnlySpan<byte> data, bool closed, bool full)
    {
        if (_headEnd < 0)
        {
            var outcome = ReadHead(data, closed || full);
            if (outcome != HttpReadOutcome.Head)
            {
                return outcome;
            }
        }

        Complete = closed || full;
        ReadBody(data[_headEnd..]);
        return HttpReadOutcome.Head;
    }

    /// <summary>Is there such a header, and one of its values (or, full, the whole value) like this?</summary>
    public bool HasHeader(HeaderPattern name, HeaderPattern? value, bool full, CheckSamples? samples)
    {
        string wantedName = name.Text.Evaluate(samples), wanted = value?.Text.Evaluate(samples) ?? "";
        foreach (var h in _headers)
        {
            if (!name.Matches(h.Name, wantedName, ignoreCase: true))
            {
                continue;
            }

            if (value is null || (full ? value.Matches(h.Value, wanted, false)
                : h.Value.Split(',').Any(v => value.Matches(v.Trim(' ', '\t'), wanted, false))))
            {
                return true;
            }
        }

        return false;
    }

    private HttpReadOutcome ReadHead(ReadOnlySpan<byte> data, bool ended)
    {
        int at = 0;
        var lines = new List<string>();
        while (true)
        {
            int end = data[at..].IndexOf((byte)'\n');
            if (end < 0)
            {
                bool hopeless = ended || (lines.Count == 0 && !CouldBeHttp(data));
                return hopeless ? HttpReadOutcome.Bad : HttpReadOutcome.More;
            }

            var line = data.Slice(at, end);
            at += end + 1;
            if (line.Length > 0 && line[^1] == '\r')
            {
                line = line[..^1];
            }

            if (line.Length == 0)
            {
                break;
            }

            lines.Add(Encoding.Latin1.GetString(line));
            if (lines.Count == 1 && !StatusLine(lines[0]))
            {
                return HttpReadOutcome.Bad;
            }
        }

        if (lines.Count is 0 or > MaxHeaders + 1 || !Headers(lines))
        {
            return HttpReadOutcome.Bad;
        }

        _headEnd = at;
        return HttpReadOutcome.Head;
    }

    private static bool CouldBeHttp(ReadOnlySpan<byte> data)
    {
        var start = "HTTP/"u8;
        int n = Math.Min(start.Length, data.Length);
        return data[..n].SequenceEqual(start[..n]);
    }

    private bool StatusLine(string line)
    {
        if (line.Length < 12 || !line.StartsWith("HTTP/", StringComparison.Ordinal) || !char.IsAsciiDigit(line[5])
            || line[6] != '.' || !char.IsAsciiDigit(line[7]) || line[8] != ' '
            || !int.TryParse(line.AsSpan(9, 3), NumberStyles.None, CultureInfo.InvariantCulture, out int code)
            || (line.Length > 12 && line[12] != ' ') || code < 100)
        {
            return false;
        }

        Status = code;
        Minor = line[7] - '0';
        Reason = line.Length > 13 ? line[13..] : "";
        return true;
    }

    private bool Headers(List<string> lines)
    {
        foreach (string line in lines.Skip(1))
        {
            int colon = line.IndexOf(':');
            if (colon <= 0 || line.AsSpan(0, colon).IndexOfAny(' ', '\t') >= 0)
            {
                return false;
            }

            string name = line[..colon].ToLowerInvariant(), value = line[(colon + 1)..].Trim(' ', '\t');
            _headers.Add((name, value));
            if (name == "content-length")
            {
                if (!long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long length)
                    || (_length >= 0 && _length != length))
                {
                    return false;
                }

                _length = length;
            }
            else if (name == "transfer-encoding")
            {
                _chunked = value.Equals("chunked", StringComparison.OrdinalIgnoreCase);
            }
        }

        return true;
    }

    private void ReadBody(ReadOnlySpan<byte> data)
    {
        if (Status is 204 or 304 or < 200)
        {
            Complete = true;
            _body = [];
        }
        else if (_chunked)
        {
            ReadChunks(data);
        }
        else if (_length >= 0)
        {
            _body = data[..(int)Math.Min(_length, data.Length)].ToArray();
            Complete |= _body.Length == _length;
        }
        else
        {
            _body = data.ToArray();
        }
    }

    private void ReadChunks(ReadOnlySpan<byte> data)
    {
        var body = new List<byte>();
        while (true)
        {
            int end = data.IndexOf((byte)'\n');
            if (end < 0)
            {
                break;
            }

            string size = Encoding.Latin1.GetString(data[..end]).Split(';')[0].Trim();
            data = data[(end + 1)..];
            if (!int.TryParse(size, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int n) || n <= 0)
            {
                Complete = true;
                break;
            }

            int have = Math.Min(n, data.Length);
            body.AddRange(data[..have]);
            if (data.Length < n + 2)
            {
                break;
            }

            data = data[(n + 2)..];
        }

        _body = [.. body];
    }
}
