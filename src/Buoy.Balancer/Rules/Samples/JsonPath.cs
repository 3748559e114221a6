using System.Buffers.Text;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>What a JSON value is.</summary>
internal enum JsonKind { None, Text, Number, True, False, Null, Object, Array }

/// <summary>
/// Finds a value by a path such as <c>$.a.b[0]</c> without building a document; a backslash in the path takes the next
/// character as it is.
/// </summary>
internal ref struct JsonPath(ReadOnlySpan<byte> json)
{
    private const int MaxDepth = 64;
    private readonly ReadOnlySpan<byte> _json = json;
    private int _at;

    /// <summary>The value's kind and its bytes, quotes included.</summary>
    public JsonKind Find(ReadOnlySpan<byte> path, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (path.IsEmpty || path[0] != '$')
        {
            return JsonKind.None;
        }

        path = path[1..];
        _at = 0;
        while (!path.IsEmpty)
        {
            Blanks();
            bool good = path[0] switch
            {
                (byte)'.' => Member(ref path),
                (byte)'[' => Element(ref path),
                _ => false,
            };
            if (!good)
            {
                return JsonKind.None;
            }
        }

        Blanks();
        int start = _at;
        var kind = Skip(0);
        value = kind == JsonKind.None ? default : _json[start.._at];
        return kind;
    }

    private readonly byte Here => _at < _json.Length ? _json[_at] : (byte)0;

    private void Blanks()
    {
        while (_at < _json.Length && _json[_at] is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')
        {
            _at++;
        }
    }

    private bool Member(ref ReadOnlySpan<byte> path)
    {
        Span<byte> name = stackalloc byte[path.Length];
        int n = 0;
        int i = 1;
        for (; i < path.Length && path[i] is not ((byte)'.' or (byte)'['); i++)
        {
            i += path[i] == '\\' && i + 1 < path.Length ? 1 : 0;
            name[n++] = path[i];
        }

        path = path[i..];
        if (Here != '{')
        {
            return false;
        }

        _at++;
        while (true)
        {
            Blanks();
            int start = _at;
            if (Here != '"' || Skip(0) != JsonKind.Text)
            {
                return false;
            }

            bool wanted = _json[(start + 1)..(_at - 1)].SequenceEqual(name[..n]);
            Blanks();
            if (Here != ':')
            {
                return false;
            }

            _at++;
            Blanks();
            if (wanted)
            {
                return true;
            }

            if (Skip(0) == JsonKind.None || !Comma())
            {
                return false;
            }
        }
    }

    private bool Element(ref ReadOnlySpan<byte> path)
    {
        int end = path.IndexOf((byte)']');
        if (end < 0 || !Utf8Parser.TryParse(path[1..end], out int index, out int used) || used != end - 1
            || Here != '[')
        {
            return false;
        }

        path = path[(end + 1)..];
        _at++;
        for (int i = 0; ; i++)
        {
            Blanks();
            if (Here == ']')
            {
                return false;
            }

            if (i == index)
            {
                return true;
            }

            if (Skip(0) == JsonKind.None || !Comma())
            {
                return false;
            }
        }
    }

    private bool Comma()
    {
        Blanks();
        if (Here != ',')
        {
            return false;
        }

        _at++;
        return true;
    }

    /// <summary>Goes over one value.</summary>
    private JsonKind Skip(int depth)
    {
        if (depth > MaxDepth)
        {
            return JsonKind.None;
        }

        switch (Here)
        {
            case (byte)'"':
                return SkipText() ? JsonKind.Text : JsonKind.None;
            case (byte)'{':
                return SkipMany((byte)'}', depth, names: true) ? JsonKind.Object : JsonKind.None;
            case (byte)'[':
                return SkipMany((byte)']', depth, names: false) ? JsonKind.Array : JsonKind.None;
            case (byte)'t':
                return Word("true"u8) ? JsonKind.True : JsonKind.None;
            case (byte)'f':
                return Word("false"u8) ? JsonKind.False : JsonKind.None;
            case (byte)'n':
                return Word("null"u8) ? JsonKind.Null : JsonKind.None;
            default:
                int start = _at;
                while (_at < _json.Length && (
                    char.IsAsciiDigit((char)_json[_at]) || _json[_at] is (byte)'-' or (byte)'+'
                    or (byte)'.' or (byte)'e' or (byte)'E'))
                {
                    _at++;
                }

                return _at > start ? JsonKind.Number : JsonKind.None;
        }
    }

    private bool SkipText()
    {
        for (_at++; _at < _json.Length; _at++)
        {
            if (_json[_at] == '\\')
            {
                _at++;
            }
            else if (_json[_at] == '"')
            {
                _at++;
                return true;
            }
        }

        return false;
    }

    private bool SkipMany(byte end, int depth, bool names)
    {
        _at++;
        Blanks();
        if (Here == end)
        {
            _at++;
            return true;
        }

        while (true)
        {
            Blanks();
            if (names)
            {
                if (Here != '"' || !SkipText())
                {
                    return false;
                }

                Blanks();
                if (Here != ':')
                {
                    return false;
                }

                _at++;
                Blanks();
            }

            if (Skip(depth + 1) == JsonKind.None)
            {
                return false;
            }

            Blanks();
            if (Here == end)
            {
                _at++;
                return true;
            }

            if (!Comma())
            {
                return false;
            }
        }
    }

    private bool Word(ReadOnlySpan<byte> word)
    {
        bool good = _json[_at..].StartsWith(word);
        _at += good ? word.Length : 0;
        return good;
    }

    /// <summary>Undoes the escapes of a string, quotes included; -1 where it is wrong.</summary>
    public static int Unescape(ReadOnlySpan<byte> text, Span<byte> into)
    {
        text = text[1..^1];
        int n = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                into[n++] = text[i];
                continue;
            }

            i++;
            if (i == text.Length)
            {
                return -1;
            }

            if (text[i] == 'u')
            {
                // The original knows only those of one byte, and no escaped slash.
                if (i + 4 >= text.Length || !Utf8Parser.TryParse(text.Slice(i + 1, 4), out uint c, out int used, 'x')
                    || used != 4
                    || c > byte.MaxValue)
                {
                    return -1;
                }

                i += 4;
                into[n++] = (byte)c;
                continue;
            }

            byte b = text[i] switch
            {
                (byte)'b' => 8, (byte)'f' => 12, (byte)'n' => 10, (byte)'r' => 13, (byte)'t' => 9,
                (byte)'"' or (byte)'\\' => text[i], _ => 0,
            };
            if (b == 0)
            {
                return -1;
            }

            into[n++] = b;
        }

        return n;
    }
}
