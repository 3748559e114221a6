using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Health;

/// <content>Does a reply match what an expect rule wants?</content>
public sealed partial class CheckRun
{
    private CheckEffect LookTcp(CheckExpect e, ReadOnlySpan<byte> bytes)
    {
        bool exact = e.Match is CheckMatch.String or CheckMatch.Binary && e.PatternText is null;
        int least = exact && e.MinRecv > e.Pattern.Length ? e.Pattern.Length : e.MinRecv;
        bool more = !_closed && bytes.Length < script.BufferSize;
        if (more && (bytes.Length < least || bytes.Length == 0))
        {
            return new(CheckAct.Read);
        }

        if (Pattern(e, out var wrong) is not { } pattern)
        {
            return wrong;
        }

        bool match = e.Match switch
        {
            CheckMatch.String or CheckMatch.Binary => bytes.IndexOf(pattern) >= 0,
            CheckMatch.BinaryRegex => Matches(e.Regex!, Convert.ToHexString(bytes)),
            _ => Matches(e.Regex!, Encoding.Latin1.GetString(bytes)),
        };
        if (!match && more && e.MinRecv == -1)
        {
            return new(CheckAct.Read);
        }

        if (e.CodeInReply)
        {
            _code = LeadingNumber(bytes);
        }

        if (match != e.Inverse)
        {
            return Pass(e);
        }

        string info = Said(e.OnError) ?? (e.ErrorTextAt is { } at ? FirstLine(at) : "");
        if (info.Length == 0 && script.Flavor == CheckFlavor.TcpRules)
        {
            string what = e.Match switch
            {
                CheckMatch.String when e.PatternText is not null => "(log-format string)",
                CheckMatch.Binary when e.PatternText is not null => "(log-format binary)",
                CheckMatch.String => $"'{e.Text}'", CheckMatch.Regex => "(regex)", CheckMatch.Binary => "(binary)",
                _ => "(binary regex)",
            };
            string how = e.Inverse ? "matched unwanted content" : "did not match content";
            info = FormattableString.Invariant($"TCPCHK {how} {what} at step {Number}");
        }

        return Fail(e.ErrorStatus ?? CheckStatus.L7Response, Code(e), WithComment(info, e));
    }

    /// <summary>What an expect rule looks for; null, with the check's end, where a log-format made nothing of use.</summary>
    private byte[]? Pattern(CheckExpect e, out CheckEffect failed)
    {
        failed = default;
        if (e.PatternText is not { } text)
        {
            return e.Pattern;
        }

        byte[]? made = Made(text, e.Match == CheckMatch.Binary);
        if (made is { Length: > 0 })
        {
            return made;
        }

        string why = made is null ? "Failed to parse hexastring resulting of eval of a log-format string"
            : "log-format string evaluated to an empty string";
        failed = Fail(CheckStatus.L7Response, _code, WithComment(why, e));
        return null;
    }

    private CheckEffect LookHttp(CheckExpect e)
    {
        _http ??= new HttpCheckReply();
        var outcome = _http.Read(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_data), _closed,
            _data.Count >= script.BufferSize);
        if (outcome == HttpReadOutcome.More)
        {
            return new(CheckAct.Read);
        }

        if (outcome == HttpReadOutcome.Bad)
        {
            return Fail(CheckStatus.L7Response, 0, WithComment("", e));
        }

        _code = _http.Status;
        if (_code == 404 && script.DisableOn404 && !stopped)
        {
            return Done(new CheckReport(CheckStatus.L7OkConditional, _code, ""));
        }

        if (e.Match is CheckMatch.String or CheckMatch.Regex)
        {
            return LookBody(e, _http);
        }

        bool match = e.Match switch
        {
            CheckMatch.Status => e.Codes.Any(c => _code >= c.From && _code <= c.To),
            CheckMatch.StatusRegex => Matches(e.Regex!, _code.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            _ => HasHeader(_http, e),
        };
        return match != e.Inverse ? Pass(e)
            : Fail(e.ErrorStatus ?? CheckStatus.L7Status, Code(e), WithComment(Said(e.OnError) ?? _http.Reason, e));
    }

    private bool HasHeader(HttpCheckReply reply, CheckExpect e)
    {
        Know();
        return reply.HasHeader(e.Name!, e.Value, full: e.Match == CheckMatch.FullHeader, Samples);
    }

    private CheckEffect LookBody(CheckExpect e, HttpCheckReply reply)
    {
        bool more = !reply.Complete;
        var body = reply.Body;
        if (body.Length == 0)
        {
            return more ? new(CheckAct.Read) : Fail(e.ErrorStatus ?? CheckStatus.L7Response, Code(e),
                WithComment(Said(e.OnError) ?? "HTTP content check could not find a response body", e));
        }

        int least = e.Match == CheckMatch.String && e.PatternText is null && e.MinRecv > e.Pattern.Length ? e.Pattern.Length : e.MinRecv;
        if (more && body.Length < least)
        {
            return new(CheckAct.Read);
        }

        if (Pattern(e, out var wrong) is not { } pattern)
        {
            return wrong;
        }

        bool match = e.Match == CheckMatch.String ? body.IndexOf(pattern) >= 0
            : Matches(e.Regex!, Encoding.Latin1.GetString(body));
        if (!match && more && e.MinRecv == -1)
        {
            return new(CheckAct.Read);
        }

        string how = e.Inverse ? "HTTP check matched unwanted content" : "HTTP content check did not match";
        return match != e.Inverse ? Pass(e)
            : Fail(e.ErrorStatus ?? CheckStatus.L7Response, Code(e), WithComment(Said(e.OnError) ?? how, e));
    }

    private static bool Matches(Regex regex, string text)
    {
        try
        {
            return regex.IsMatch(text);
        }
        catch (RegexMatchTimeoutException)
        {
            return false;
        }
    }
}
