using System.Text;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Actions;

/// <summary>deny, tarpit, return: an answer of the balancer.</summary>
/// <param name="reply">Null: the section's page of <paramref name="status"/>.</param>
internal sealed class ReplyAction(RuleResult result, int status, Reply? reply, char cause) : RuleAction
{
    /// <summary>Set later where it is a page of another section.</summary>
    public Reply? Reply { get; set; } = reply;

    public override RuleResult Run(RuleRun run)
    {
        run.Reply = Reply;
        run.ReplyStatus = status;
        run.ReplyCause = cause;
        return result;
    }
}

/// <summary>reject, silent-drop: an end without an answer; allow and accept: the end of this list.</summary>
internal sealed class EndAction(RuleResult result) : RuleAction
{
    public override RuleResult Run(RuleRun run) => result;
}

/// <summary>auth: 401 with the realm, or 407 for requests to a proxy.</summary>
internal sealed unsafe class AuthAction(string realm) : RuleAction
{
    private readonly SampleArgument _value = new(ArgumentType.Text, $"Basic realm=\"{realm}\"");
    private static readonly SampleArgument Name = new(ArgumentType.Text, "www-authenticate");
    private static readonly SampleArgument ProxyName = new(ArgumentType.Text, "proxy-authenticate");

    public override RuleResult Run(RuleRun run)
    {
        bool proxy = run.Message.UriLength > 0 && run.Message.Uri[0] != '/'
            && run.Message.Find("proxy-authorization"u8) >= 0;
        run.Reply = null;
        run.ReplyStatus = proxy ? 407 : 401;
        run.ReplyCause = 'L';
        run.ReplyHeader = (proxy ? ProxyName : Name, _value);
        return RuleResult.Reply;
    }
}

/// <summary>What a redirect points to.</summary>
internal enum RedirectKind : byte
{
    /// <summary>This very location.</summary>
    Location,

    /// <summary>This text, then the request's path and query.</summary>
    Prefix,

    /// <summary>This scheme, then host, path and query.</summary>
    Scheme,
}

/// <summary>redirect (manual 4.2, "redirect").</summary>
internal sealed unsafe class RedirectAction(
    RedirectKind kind, IFormatString target, string text, int code, bool dropQuery, bool appendSlash, bool ignoreEmpty,
    string? setCookie) : RuleAction
{
    private static readonly SampleArgument LengthName = new(ArgumentType.Text, "content-length");
    private static readonly SampleArgument Zero = new(ArgumentType.Text, "0");
    private static readonly SampleArgument LocationName = new(ArgumentType.Text, "location");
    private static readonly SampleArgument CacheName = new(ArgumentType.Text, "cache-control");
    private static readonly SampleArgument NoCache = new(ArgumentType.Text, "no-cache");
    private static readonly SampleArgument CookieName = new(ArgumentType.Text, "set-cookie");
    private readonly SampleArgument? _cookie = setCookie is null ? null : new(ArgumentType.Text, setCookie);
    private readonly byte[] _reason = Encoding.ASCII.GetBytes(code == 302 ? "Found" : StatusTexts.Reason(code));
    private readonly bool _bare = text == "/";

    public override RuleResult Run(RuleRun run)
    {
        byte* format = run.Format(target, out int formatLength);
        if (format == null)
        {
            return RuleResult.Error;
        }

        if (ignoreEmpty && formatLength == 0)
        {
            return RuleResult.Continue;
        }

        var request = run.Scope.Request;
        var path = request.PathAndQuery;
        var host = ReadOnlySpan<byte>.Empty;
        if (dropQuery)
        {
            int mark = path.IndexOf((byte)'?');
            path = mark < 0 ? path : path[..mark];
        }

        if (kind == RedirectKind.Location)
        {
            path = default;
        }
        else if (kind == RedirectKind.Scheme && request.Find("host"u8) is var line and >= 0)
        {
            host = request.Lines[line].ValueBytes;
        }

        var separator = kind == RedirectKind.Scheme ? "://"u8 : default;
        int total = formatLength + separator.Length + host.Length + path.Length + 1;
        byte* location = run.Scope.Temporary.Take(total);
        if (location == null)
        {
            return RuleResult.Error;
        }

        var into = new Span<byte>(location, total);
        int n = 0;
        if (kind != RedirectKind.Prefix || !_bare)
        {
            new ReadOnlySpan<byte>(format, formatLength).CopyTo(into);
            n = formatLength;
        }

        separator.CopyTo(into[n..]);
        n += separator.Length;
        host.CopyTo(into[n..]);
        n += host.Length;
        path.CopyTo(into[n..]);
        n += path.Length;
        if (appendSlash && kind != RedirectKind.Location && n > 0 && into[n - 1] != '/')
        {
            into[n++] = (byte)'/';
        }

        return Answer(run, location, n);
    }

    private RuleResult Answer(RuleRun run, byte* location, int length)
    {
        var m = run.Scope.Response;
        m.Clear();
        m.Present = true;
        m.Status = code;
        m.Minor = 1;
        byte* reason = run.Keep(_reason);
        if (reason == null)
        {
            return RuleResult.Error;
        }

        m.SetReason(reason, _reason.Length);
        m.SetBody(null, 0, complete: true);
        m.Add(LengthName.Data, LengthName.Length, Zero.Data, Zero.Length, Engine.Http.KnownField.ContentLength);
        m.Add(LocationName.Data, LocationName.Length, location, length);
        if (code is 302 or 303 or 307)
        {
            m.Add(CacheName.Data, CacheName.Length, NoCache.Data, NoCache.Length);
        }

        if (_cookie is not null)
        {
            m.Add(CookieName.Data, CookieName.Length, _cookie.Data, _cookie.Length);
        }

        run.ReplyWritten = true;
        run.ReplyStatus = code;
        run.ReplyCause = 'L';
        return RuleResult.Reply;
    }
}

/// <summary>early-hint: a 103 before the response, one for each rule.</summary>
internal sealed class EarlyHintAction(string name, IFormatString format) : RuleAction
{
    private readonly byte[] _name = Encoding.Latin1.GetBytes(name.ToLowerInvariant());

    public override RuleResult Run(RuleRun run)
    {
        run.Hints.Add([.. _name, .. ": "u8, .. run.FormatOnce(format), .. "\r\n"u8]);
        return RuleResult.Continue;
    }
}
