using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>Where a group of a match lies; <see cref="Start"/> -1 = it took no part.</summary>
internal readonly record struct ByteGroup(int Start, int Length);

/// <summary>
/// A regular expression over bytes as users write it for PCRE (manual 7.1.4), on .NET's engine (see
/// <see cref="RegexTranslator"/>). One that runs longer than <see cref="Limit"/> does not match, as where PCRE reaches
/// its own limit. Testing allocates nothing; groups cost the copy that the engine needs.
/// </summary>
internal sealed class ByteRegex
{
    /// <summary>A shard stands still while a regular expression runs: more than that is an attack or a
    /// mistake.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(200);

    /// <summary>Groups that a match reports, the whole one included (<c>\0</c> to <c>\9</c>).</summary>
    public const int MaxGroups = 10;
    private const int OnStack = 512;
    private readonly Regex _regex;

    private ByteRegex(Regex regex, string pattern)
    {
        _regex = regex;
        Pattern = pattern;
    }

    /// <summary>As written, bytes as Latin-1 characters.</summary>
    public string Pattern { get; }

    /// <summary>Compiles a pattern; null and PCRE's words where it is wrong.</summary>
    /// <param name="pattern">Bytes as Latin-1 characters.</param>
    /// <param name="ignoreCase">ASCII letters of both cases are alike.</param>
    /// <param name="capture">Groups are used: without, the original gives plain groups no number, and references to
    /// them are refused.</param>
    /// <param name="error">For example <c>regex '(' is invalid (error=missing closing parenthesis,
    /// erroffset=1)</c>.</param>
    public static ByteRegex? Create(string pattern, bool ignoreCase, bool capture, out string error)
    {
        error = "";
        string? translated = RegexTranslator.Translate(pattern, capture, out var wrong);
        if (translated is not null)
        {
            try
            {
                var options = RegexOptions.CultureInvariant | (
                    ignoreCase ? RegexOptions.IgnoreCase : RegexOptions.None);
                return new ByteRegex(new Regex(translated, options, Limit), pattern);
            }
            catch (RegexParseException e)
            {
                wrong = new RegexError(e.Error.ToString(), Math.Min(e.Offset, pattern.Length));
            }
        }

        error = $"regex '{pattern}' is invalid (error={wrong.Text}, erroffset={wrong.Offset})";
        return null;
    }

    /// <summary>Is there a match anywhere?</summary>
    public bool IsMatch(ReadOnlySpan<byte> text)
    {
        char[]? rented = null;
        Span<char> buffer = text.Length <= OnStack ? stackalloc char[OnStack]
            : (rented = ArrayPool<char>.Shared.Rent(text.Length));
        try
        {
            Widen(text, buffer);
            return _regex.IsMatch(buffer[..text.Length]);
        }
        catch (RegexMatchTimeoutException)
        {
            return false;
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<char>.Shared.Return(rented);
            }
        }
    }

    /// <summary>The first match at or behind <paramref name="start"/> and its groups.</summary>
    /// <param name="text">All of the text: what lies before the start is seen by <c>^</c> and look-behinds.</param>
    /// <param name="start">From 0 to the text's length.</param>
    /// <param name="groups">Filled as far as it reaches; group 0 is the whole match.</param>
    /// <returns>Groups filled; 0 = no match.</returns>
    public int Match(ReadOnlySpan<byte> text, int start, Span<ByteGroup> groups)
    {
        string wide = string.Create(text.Length, text, static (buffer, bytes) => Widen(bytes, buffer));
        try
        {
            var match = _regex.Match(wide, start);
            if (!match.Success)
            {
                return 0;
            }

            int count = Math.Min(groups.Length, match.Groups.Count);
            for (int i = 0; i < count; i++)
            {
                var g = match.Groups[i];
                groups[i] = g.Success ? new ByteGroup(g.Index, g.Length) : new ByteGroup(-1, 0);
            }

            return count;
        }
        catch (RegexMatchTimeoutException)
        {
            return 0;
        }
    }

    /// <summary>Replaces the first match, or all; what is between stays.</summary>
    /// <returns>Bytes written; -1 where they do not fit or the time was up.</returns>
    public int Replace(ReadOnlySpan<byte> text, Substitution substitution, bool all, Span<byte> into)
    {
        string wide = string.Create(text.Length, text, static (buffer, bytes) => Widen(bytes, buffer));
        Span<ByteGroup> groups = stackalloc ByteGroup[MaxGroups];
        int n = 0;
        int from = 0;
        try
        {
            for (var match = _regex.Match(wide); match.Success; match = match.NextMatch())
            {
                int count = Math.Min(MaxGroups, match.Groups.Count);
                for (int i = 0; i < count; i++)
                {
                    var g = match.Groups[i];
                    groups[i] = g.Success ? new ByteGroup(g.Index, g.Length) : new ByteGroup(-1, 0);
                }

                if (!text[from..match.Index].TryCopyTo(into[n..]))
                {
                    return -1;
                }

                n += match.Index - from;
                int written = substitution.Write(text, groups[..count], into[n..]);
                if (written < 0)
                {
                    return -1;
                }

                n += written;
                from = match.Index + match.Length;
                if (!all)
                {
                    break;
                }
            }
        }
        catch (RegexMatchTimeoutException)
        {
            return -1;
        }

        return text[from..].TryCopyTo(into[n..]) ? n + text.Length - from : -1;
    }

    private static void Widen(ReadOnlySpan<byte> text, Span<char> into)
    {
        Encoding.Latin1.GetChars(text, into);
        for (int i = text.IndexOfAnyExceptInRange((byte)0, (byte)0x7f); (uint)i < (uint)text.Length; i++)
        {
            if (text[i] >= 0x80)
            {
                into[i] = (char)(RegexTranslator.HighBase + text[i]);
            }
        }
    }
}
