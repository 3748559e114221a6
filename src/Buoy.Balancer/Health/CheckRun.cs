using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Health;

/// <summary>
/// One run of a check's script (configuration manual 4.2 <c>tcp-check</c>, <c>http-check</c>). Pure: told what happened on
/// the connection, it says what to do next.
/// <code>
///   Begin ─▶ Connect ─▶ OnConnected ─▶ Send ─▶ OnSent ─▶ Read ─▶ OnData … OnClosed ─▶ the next step, or Done
///                └ OnConnectFailed, OnExpired at any time ─▶ Done
/// </code>
/// </summary>
/// <param name="script">The steps.</param>
/// <param name="stopped">The server is down: a 404 is no soft stop then.</param>
/// <param name="state">The value of X-Haproxy-Server-State.</param>
public sealed class CheckRun(CheckScript script, bool stopped, Func<string> state)
{
    /// <summary>Longest information of a report; what is longer is cut.</summary>
    public const int MaxInfo = 127;

    private readonly List<byte> _data = [];
    private int _at = -1;
    private bool _connected;
    private bool _closed;
    private HttpCheckReply? _http;
    private CheckExpect? _passed;

    /// <summary>What a built-in protocol's parser has to say of a good reply.</summary>
    private string _note = "";

    /// <summary>The code of the last reply.</summary>
    private int _code;

    private CheckStep? Current => _at >= 0 && _at < script.Steps.Count ? script.Steps[_at] : null;

    /// <summary>The first thing to do.</summary>
    public CheckEffect Begin() => script.ImplicitConnect ? new(CheckAct.Connect) : Next();

    /// <summary>The connection is open.</summary>
    public CheckEffect OnConnected()
    {
        _connected = true;
        _closed = false;
        _data.Clear();
        _http = null;
        return Next();
    }

    /// <summary>The connection could not be opened; the system's words.</summary>
    public CheckEffect OnConnectFailed(string error) => Fail(CheckStatus.L4Connect, 0, error + Place());

    /// <summary>All of the last <see cref="CheckAct.Send"/> is on its way.</summary>
    public CheckEffect OnSent()
    {
        _data.Clear();
        _http = null;
        return Next();
    }

    /// <summary>Bytes came.</summary>
    public CheckEffect OnData(ReadOnlySpan<byte> data)
    {
        int room = script.BufferSize - _data.Count;
        _data.AddRange(data[..Math.Min(room, data.Length)]);
        return Current is CheckExpect e ? Look(e) : new(CheckAct.Read);
    }

    /// <summary>No more will come: an orderly end, or the system's words for an error.</summary>
    public CheckEffect OnClosed(string? error)
    {
        _closed = true;
        if (error is not null && (_data.Count == 0 || Current is not CheckExpect))
        {
            return Fail(CheckStatus.SocketError, 0, error + Place());
        }

        return Current is CheckExpect e ? Look(e) : new(CheckAct.Read);
    }

    /// <summary>Time is up.</summary>
    public CheckEffect OnExpired() => !_connected || Current is CheckConnect
        ? Fail(CheckStatus.L4Timeout, 0, Place())
        : Fail((Current as CheckExpect)?.TimeoutStatus ?? CheckStatus.L7Timeout, 0, Place());

    private CheckEffect Next()
    {
        while (++_at < script.Steps.Count)
        {
            switch (script.Steps[_at])
            {
                case CheckConnect c:
                    _connected = false;
                    return new(CheckAct.Connect, c);
                case CheckSend s when s.Data.Length > 0:
                    return new(CheckAct.Send, Data: s.Data);
                case CheckHttpSend h:
                    return new(CheckAct.Send, Data: HttpCheckRequest.Build(h, script.SendState ? state() : null));
                case CheckExpect e:
                    return Look(e);
            }
        }

        return Passed();
    }

    private CheckEffect Passed()
    {
        bool talked = script.Steps.Any(s => s is not (CheckConnect or CheckComment));
        var last = ReferenceEquals(_passed, script.Steps.Count > 0 ? script.Steps[^1] : null) ? _passed : null;
        var status = !talked ? CheckStatus.L4Ok : last?.OkStatus ?? CheckStatus.L7Ok;
        bool any = script.Flavor == CheckFlavor.TcpRules && script.Steps.Any(s => s is not CheckComment);
        string info = last is { CodeInReply: true } ? FirstLine(last.ErrorTextAt ?? 0)
            : last?.OnSuccess ?? (any ? "(tcp-check)" : _note);
        return Done(new CheckReport(status, _code, Cut(info)));
    }

    private CheckEffect Fail(CheckStatus status, int code, string info) => Done(new CheckReport(status, code, Cut(info)));

    private CheckEffect Done(CheckReport report)
    {
        _at = script.Steps.Count;
        return new(CheckAct.Done, Report: report);
    }

    private CheckEffect Look(CheckExpect e)
    {
        if (_closed && _data.Count == 0 && script.Flavor != CheckFlavor.Http)
        {
            string comment = Comment(e) is { } c ? $" comment: '{c}'" : "";
            return Fail(e.ErrorStatus ?? CheckStatus.L7Response, 0,
                FormattableString.Invariant($"TCPCHK got an empty response at step {Number}{comment}"));
        }

        var bytes = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_data);
        switch (e.Match)
        {
            case CheckMatch.MysqlGreeting or CheckMatch.MysqlReply:
                return After(e, BuiltInReplies.Mysql(bytes, _closed, e.Match == CheckMatch.MysqlReply));
            case CheckMatch.Ldap:
                return After(e, BuiltInReplies.Ldap(bytes, _closed));
            case CheckMatch.Agent:
                return Agent(bytes);
            case CheckMatch.Anything:
                return Pass(e);
            default:
                return script.Flavor == CheckFlavor.Http ? LookHttp(e) : LookTcp(e, bytes);
        }
    }

    private CheckEffect Pass(CheckExpect e)
    {
        _passed = e;
        return Next();
    }

    private CheckEffect After(CheckExpect e, CheckReport? report)
    {
        if (report is null)
        {
            return new(CheckAct.Read);
        }

        if (report.Status != CheckStatus.L7Ok)
        {
            return Fail(report.Status, report.Code, report.Info);
        }

        _note = report.Info.Length > 0 ? report.Info : _note;
        return Pass(e);
    }

    private CheckEffect Agent(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOfAny((byte)'\n', (byte)'\r');
        if (end < 0 && !_closed && _data.Count < script.BufferSize)
        {
            return new(CheckAct.Read);
        }

        if (end < 0)
        {
            return Done(new CheckReport(CheckStatus.L7Timeout, 0, "Ignoring incomplete line from agent"));
        }

        var reply = AgentReply.Read(Encoding.Latin1.GetString(bytes[..end]));
        return Done(new CheckReport(reply.Status, 0, Cut(reply.Info)) { Agent = reply });
    }

    private CheckEffect LookTcp(CheckExpect e, ReadOnlySpan<byte> bytes)
    {
        bool exact = e.Match is CheckMatch.String or CheckMatch.Binary;
        int least = exact && e.MinRecv > e.Pattern.Length ? e.Pattern.Length : e.MinRecv;
        bool more = !_closed && bytes.Length < script.BufferSize;
        if (more && (bytes.Length < least || bytes.Length == 0))
        {
            return new(CheckAct.Read);
        }

        bool match = e.Match switch
        {
            CheckMatch.String or CheckMatch.Binary => bytes.IndexOf(e.Pattern) >= 0,
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

        string info = e.OnError ?? (e.ErrorTextAt is { } at ? FirstLine(at) : "");
        if (info.Length == 0 && script.Flavor == CheckFlavor.TcpRules)
        {
            string what = e.Match switch
            {
                CheckMatch.String => $"'{e.Text}'", CheckMatch.Regex => "(regex)", CheckMatch.Binary => "(binary)",
                _ => "(binary regex)",
            };
            string how = e.Inverse ? "matched unwanted content" : "did not match content";
            info = FormattableString.Invariant($"TCPCHK {how} {what} at step {Number}");
        }

        return Fail(e.ErrorStatus ?? CheckStatus.L7Response, _code, WithComment(info, e));
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
            _ => _http.HasHeader(e.Name!, e.Value, full: e.Match == CheckMatch.FullHeader),
        };
        return match != e.Inverse ? Pass(e)
            : Fail(e.ErrorStatus ?? CheckStatus.L7Status, _code, WithComment(e.OnError ?? _http.Reason, e));
    }

    private CheckEffect LookBody(CheckExpect e, HttpCheckReply reply)
    {
        bool more = !reply.Complete;
        var body = reply.Body;
        if (body.Length == 0)
        {
            return more ? new(CheckAct.Read) : Fail(e.ErrorStatus ?? CheckStatus.L7Response, _code,
                WithComment(e.OnError ?? "HTTP content check could not find a response body", e));
        }

        int least = e.Match == CheckMatch.String && e.MinRecv > e.Pattern.Length ? e.Pattern.Length : e.MinRecv;
        if (more && body.Length < least)
        {
            return new(CheckAct.Read);
        }

        bool match = e.Match == CheckMatch.String ? body.IndexOf(e.Pattern) >= 0
            : Matches(e.Regex!, Encoding.Latin1.GetString(body));
        if (!match && more && e.MinRecv == -1)
        {
            return new(CheckAct.Read);
        }

        string how = e.Inverse ? "HTTP check matched unwanted content" : "HTTP content check did not match";
        return match != e.Inverse ? Pass(e)
            : Fail(e.ErrorStatus ?? CheckStatus.L7Response, _code, WithComment(e.OnError ?? how, e));
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

    private int Number => _at + 1;

    /// <summary>" at step …" of a script that the operator wrote.</summary>
    private string Place()
    {
        if (script.Flavor != CheckFlavor.TcpRules)
        {
            return "";
        }

        if (_at < 0)
        {
            return " at initial connection step of tcp-check";
        }

        string what = Current switch
        {
            CheckConnect { Port: { } port } => FormattableString.Invariant($"connect port {port}"),
            CheckConnect => "connect",
            CheckSend => "send",
            CheckExpect { Match: CheckMatch.String } e => $"expect string '{e.Text}'",
            CheckExpect { Match: CheckMatch.Binary } => "expect binary ''",
            CheckExpect { Match: CheckMatch.BinaryRegex } => "expect binary regex",
            CheckExpect { Match: CheckMatch.Regex } => "expect regex",
            _ => "expect",
        };
        string comment = Current is { } step && Comment(step) is { } c ? $" comment: '{c}'" : "";
        return FormattableString.Invariant($" at step {Number} of tcp-check ({what}){comment}");
    }

    /// <summary>A step's own comment, or that of the rule "comment" before it.</summary>
    private string? Comment(CheckStep step) => step.Comment
        ?? (_at > 0 && _at < script.Steps.Count && script.Steps[_at - 1] is CheckComment before ? before.Comment : null);

    private string WithComment(string info, CheckExpect e) => Comment(e) is { } c ? $"{info} comment: {c}" : info;

    /// <summary>The reply from a position to the end of its line, or to the first NUL.</summary>
    private string FirstLine(int from)
    {
        if (from >= _data.Count)
        {
            return "";
        }

        string text = Encoding.Latin1.GetString([.. _data.Skip(from).Take(MaxInfo)]);
        int end = text.AsSpan().IndexOfAny('\r', '\n', '\0');
        return end < 0 ? text : text[..end];
    }

    private static int LeadingNumber(ReadOnlySpan<byte> bytes)
    {
        int n = 0;
        for (int i = 0; i < bytes.Length && i < 3 && bytes[i] is >= (byte)'0' and <= (byte)'9'; i++)
        {
            n = (n * 10) + bytes[i] - '0';
        }

        return n;
    }

    /// <summary>As long as the original keeps it, and printable.</summary>
    private static string Cut(string info)
    {
        string s = info.Length > MaxInfo ? info[..MaxInfo] : info;
        return s.Any(char.IsControl) ? new string([.. s.Select(c => char.IsControl(c) ? ' ' : c)]) : s;
    }
}
