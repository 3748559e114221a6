using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Actions;

/// <summary>The normalizers of <c>http-request normalize-uri</c> (manual 4.2).</summary>
internal enum UriNormalization : byte
{
    FragmentEncode,
    FragmentStrip,
    PathMergeSlashes,
    PathStripDot,
    PathStripDotDot,

    /// <summary>With "../" at the beginning taken away, too.</summary>
    PathStripDotDotFull,
    PercentDecodeUnreserved,
    PercentDecodeUnreservedStrict,
    PercentToUppercase,
    PercentToUppercaseStrict,
    QuerySortByName,
}

/// <summary>Pure text work on targets; each writes what becomes of its input and says how long it is.</summary>
internal static class UriNormalizer
{
    /// <summary>The input has a percent sign that no two digits follow, and the normalizer is strict.</summary>
    public const int Invalid = -1;

    /// <summary>Writes "%23" for each "#"; <paramref name="into"/> must hold three times the input.</summary>
    public static int EncodeFragment(ReadOnlySpan<byte> text, Span<byte> into)
    {
        int n = 0;
        foreach (byte b in text)
        {
            if (b == '#')
            {
                "%23"u8.CopyTo(into[n..]);
                n += 3;
            }
            else
            {
                into[n++] = b;
            }
        }

        return n;
    }

    public static int StripFragment(ReadOnlySpan<byte> text, Span<byte> into)
    {
        int end = text.IndexOf((byte)'#');
        text = end < 0 ? text : text[..end];
        text.CopyTo(into);
        return text.Length;
    }

    public static int MergeSlashes(ReadOnlySpan<byte> path, Span<byte> into)
    {
        int n = 0;
        foreach (byte b in path)
        {
            if (b != '/' || n == 0 || into[n - 1] != '/')
            {
                into[n++] = b;
            }
        }

        return n;
    }

    /// <summary>Takes segments "." away; a last one leaves its slash.</summary>
    public static int StripDots(ReadOnlySpan<byte> path, Span<byte> into)
    {
        int n = 0;
        for (int at = 0; at < path.Length;)
        {
            int end = SegmentEnd(path, at);
            if (path[at..end] is not [(byte)'/', (byte)'.'])
            {
                path[at..end].CopyTo(into[n..]);
                n += end - at;
            }
            else if (end == path.Length)
            {
                into[n++] = (byte)'/';
            }

            at = end;
        }

        return n;
    }

    /// <summary>
    /// Merges segments ".." with the one before; one that has none before it stays, or goes where
    /// <paramref name="full"/>. A last one leaves a slash. <paramref name="into"/> must hold one byte more than the input.
    /// </summary>
    public static int StripDotDots(ReadOnlySpan<byte> path, Span<byte> into, bool full)
    {
        int n = 0;

        // What begins before here are ".." that nothing can be merged with.
        int kept = 0;
        for (int at = 0; at < path.Length;)
        {
            int end = SegmentEnd(path, at);
            var segment = path[at..end];
            at = end;
            if (segment is not [(byte)'/', (byte)'.', (byte)'.'])
            {
                segment.CopyTo(into[n..]);
                n += segment.Length;
                continue;
            }

            if (n > kept)
            {
                n = into[..n].LastIndexOf((byte)'/');
            }
            else if (!full)
            {
                segment.CopyTo(into[n..]);
                kept = n += segment.Length;
            }

            if (end == path.Length)
            {
                into[n++] = (byte)'/';
            }
        }

        return n;
    }

    /// <summary>Decodes unreserved characters (RFC 3986, 2.3).</summary>
    public static int DecodeUnreserved(ReadOnlySpan<byte> text, Span<byte> into, bool strict)
    {
        int n = 0;
        for (int i = 0; i < text.Length; i++)
        {
            int value = text[i] == '%' ? HexPair(text, i + 1) : -1;
            if (text[i] == '%' && value < 0 && strict)
            {
                return Invalid;
            }

            bool unreserved = value >= 0
                && (char.IsAsciiLetterOrDigit((char)value) || (char)value is '-' or '.' or '_' or '~');
            into[n++] = unreserved ? (byte)value : text[i];
            i += unreserved ? 2 : 0;
        }

        return n;
    }

    public static int ToUppercase(ReadOnlySpan<byte> text, Span<byte> into, bool strict)
    {
        text.CopyTo(into);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                continue;
            }

            if (HexPair(text, i + 1) < 0)
            {
                if (strict)
                {
                    return Invalid;
                }

                continue;
            }

            for (int k = i + 1; k <= i + 2; k++)
            {
                into[k] = (byte)char.ToUpperInvariant((char)text[k]);
            }

            i += 2;
        }

        return text.Length;
    }

    /// <summary>
    /// Sorts parameters by their names, those of one name in their order; an empty one at the end goes. Selection from
    /// the input, without memory of its own: parameters are few.
    /// </summary>
    public static int SortQuery(ReadOnlySpan<byte> query, Span<byte> into)
    {
        int n = 0;
        var last = default(ReadOnlySpan<byte>);
        int lastAt = -1;
        int count = 0;
        for (int at = 0; at < query.Length; at = ParameterEnd(query, at) + 1)
        {
            count++;
        }

        for (int done = 0; done < count; done++)
        {
            // The smallest of those behind the last one taken.
            int best = -1;
            var bestName = default(ReadOnlySpan<byte>);
            for (int at = 0; at < query.Length; at = ParameterEnd(query, at) + 1)
            {
                var name = Name(query[at..ParameterEnd(query, at)]);
                int order = lastAt < 0 ? 1 : name.SequenceCompareTo(last);
                bool behind = order > 0 || (order == 0 && at > lastAt);
                if (behind && (best < 0 || name.SequenceCompareTo(bestName) < 0))
                {
                    best = at;
                    bestName = name;
                }
            }

            if (done > 0)
            {
                into[n++] = (byte)'&';
            }

            var taken = query[best..ParameterEnd(query, best)];
            taken.CopyTo(into[n..]);
            n += taken.Length;
            last = bestName;
            lastAt = best;
        }

        return n;
    }

    private static int SegmentEnd(ReadOnlySpan<byte> path, int at)
    {
        int next = path[(at + 1)..].IndexOf((byte)'/');
        return next < 0 ? path.Length : at + 1 + next;
    }

    private static int ParameterEnd(ReadOnlySpan<byte> query, int at)
    {
        int next = query[at..].IndexOf((byte)'&');
        return next < 0 ? query.Length : at + next;
    }

    private static ReadOnlySpan<byte> Name(ReadOnlySpan<byte> parameter)
    {
        int equals = parameter.IndexOf((byte)'=');
        return equals < 0 ? parameter : parameter[..equals];
    }

    private static int HexPair(ReadOnlySpan<byte> text, int at) =>
        at + 1 < text.Length && char.IsAsciiHexDigit((char)text[at]) && char.IsAsciiHexDigit((char)text[at + 1])
            ? Convert.ToInt32(((char)text[at]).ToString() + (char)text[at + 1], 16) : -1;
}

/// <summary>normalize-uri: the part of the target that the normalizer is about is replaced.</summary>
internal sealed unsafe class NormalizeUriAction(UriNormalization kind) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        var m = run.Message;
        var uri = m.UriBytes;
        var whole = m.PathAndQuery;
        if (whole.IsEmpty)
        {
            return RuleResult.Continue;
        }

        // "/" + path, query, fragment: which of it is worked on.
        int start = uri.Length - whole.Length;
        int mark = whole.IndexOf((byte)'?');
        int pathEnd = mark < 0 ? whole.Length : mark;
        var (from, to) = kind switch
        {
            UriNormalization.QuerySortByName => (mark < 0 ? whole.Length : mark + 1, whole.Length),
            UriNormalization.PathMergeSlashes or UriNormalization.PathStripDot or UriNormalization.PathStripDotDot
                or UriNormalization.PathStripDotDotFull => (0, pathEnd),
            _ => (0, whole.Length),
        };
        var text = whole[from..to];
        int room = uri.Length + (text.Length * 2) + 1;
        byte* made = run.Scope.Temporary.Take(room);
        if (made == null)
        {
            return run.Failed();
        }

        uri[..(start + from)].CopyTo(new Span<byte>(made, room));
        var into = new Span<byte>(made + start + from, room - start - from);
        int n = kind switch
        {
            UriNormalization.FragmentEncode => UriNormalizer.EncodeFragment(text, into),
            UriNormalization.FragmentStrip => UriNormalizer.StripFragment(text, into),
            UriNormalization.PathMergeSlashes => UriNormalizer.MergeSlashes(text, into),
            UriNormalization.PathStripDot => UriNormalizer.StripDots(text, into),
            UriNormalization.PathStripDotDot => UriNormalizer.StripDotDots(text, into, full: false),
            UriNormalization.PathStripDotDotFull => UriNormalizer.StripDotDots(text, into, full: true),
            UriNormalization.PercentDecodeUnreserved => UriNormalizer.DecodeUnreserved(text, into, strict: false),
            UriNormalization.PercentDecodeUnreservedStrict => UriNormalizer.DecodeUnreserved(text, into, strict: true),
            UriNormalization.PercentToUppercase => UriNormalizer.ToUppercase(text, into, strict: false),
            UriNormalization.PercentToUppercaseStrict => UriNormalizer.ToUppercase(text, into, strict: true),
            _ => UriNormalizer.SortQuery(text, into),
        };
        if (n == UriNormalizer.Invalid)
        {
            run.Reply = null;
            run.ReplyStatus = 400;
            run.ReplyCause = 'P';
            return RuleResult.Reply;
        }

        whole[to..].CopyTo(into[n..]);
        m.SetUri(made, start + from + n + whole.Length - to);
        return RuleResult.Continue;
    }
}
