using Buoy.Balancer.Rules.Patterns;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Actions;

/// <summary>The part of a request line that an action sets.</summary>
internal enum LinePart : byte
{
    Method,
    Path,
    PathAndQuery,
    Query,
    Uri,
}

/// <summary>set-method, set-path, set-pathq, set-query, set-uri; with a regex, replace-path, replace-pathq, replace-uri.</summary>
internal sealed unsafe class LineAction(LinePart part, ByteRegex? regex, IFormatString format) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        var m = run.Message;
        ReadOnlySpan<byte> text;
        if (regex is null)
        {
            byte* p = run.Format(format, out int length);
            if (p == null)
            {
                return run.Failed();
            }

            text = new ReadOnlySpan<byte>(p, length);
        }
        else
        {
            var old = part switch { LinePart.Path => m.Path, LinePart.PathAndQuery => m.PathAndQuery, _ => m.UriBytes };
            Span<ByteGroup> groups = stackalloc ByteGroup[ByteRegex.MaxGroups];
            int count = regex.Match(old, 0, groups);
            if (count == 0)
            {
                return RuleResult.Continue;
            }

            byte* p = Replacement.Make(run, format, old, groups[..count], out int length);
            if (p == null)
            {
                return run.Failed();
            }

            text = new ReadOnlySpan<byte>(p, length);
        }

        return Set(run, m, text) ? RuleResult.Continue : run.Failed();
    }

    private bool Set(RuleRun run, HttpMessage m, ReadOnlySpan<byte> text)
    {
        if (part == LinePart.Method)
        {
            fixed (byte* p = text)
            {
                m.SetMethod(p, text.Length);
            }

            return true;
        }

        var uri = m.UriBytes;
        var pathq = m.PathAndQuery;
        int start = pathq.IsEmpty && part != LinePart.Uri ? uri.Length : uri.Length - pathq.Length;
        int mark = pathq.IndexOf((byte)'?');
        int pathLength = mark < 0 ? pathq.Length : mark;
        var before = part switch
        {
            LinePart.Uri => default,
            LinePart.Query => uri[..(start + pathLength)],
            _ => uri[..start],
        };
        var after = part == LinePart.Path ? pathq[pathLength..] : default;
        bool question = part == LinePart.Query && !text.IsEmpty && text[0] != '?';
        int length = before.Length + text.Length + after.Length + (question ? 1 : 0);
        if (length > RuleRun.MaxText)
        {
            return false;
        }

        byte* made = run.Scope.Temporary.Take(Math.Max(1, length));
        if (made == null)
        {
            return false;
        }

        var into = new Span<byte>(made, length);
        before.CopyTo(into);
        int n = before.Length;
        if (question)
        {
            into[n++] = (byte)'?';
        }

        text.CopyTo(into[n..]);
        after.CopyTo(into[(n + text.Length)..]);
        m.SetUri(made, length);
        return part != LinePart.Uri || SetHost(m, made, length);
    }

    /// <summary>An absolute target and Host must agree.</summary>
    private static bool SetHost(HttpMessage m, byte* uri, int length)
    {
        var text = new ReadOnlySpan<byte>(uri, length);
        int scheme = text.IndexOf("://"u8);
        if (scheme <= 0 || text[0] == '/')
        {
            return true;
        }

        int start = scheme + 3;
        int end = text[start..].IndexOfAny((byte)'/', (byte)'?');
        end = end < 0 ? length : start + end;
        int at = m.Find("host"u8);
        if (at < 0)
        {
            return true;
        }

        m.Lines[at].Value = uri + start;
        m.Lines[at].ValueLength = end - start;
        return true;
    }
}

/// <summary>set-status of a response.</summary>
internal sealed unsafe class StatusAction(int status, IFormatString? reason) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        var m = run.Message;
        m.Status = status;
        if (reason is not null)
        {
            byte* p = run.Format(reason, out int length);
            if (p == null)
            {
                return run.Failed();
            }

            m.SetReason(p, length);
            return RuleResult.Continue;
        }

        string text = StatusTexts.Reason(status);
        Span<byte> bytes = stackalloc byte[text.Length];
        _ = System.Text.Encoding.ASCII.GetBytes(text, bytes);
        byte* made = run.Keep(bytes);
        if (made == null)
        {
            return run.Failed();
        }

        m.SetReason(made, text.Length);
        return RuleResult.Continue;
    }
}
