using System.Text;
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
public sealed partial class CheckRun(CheckScript script, bool stopped, Func<string> state) : IDisposable
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

    /// <summary>Evaluates what is not literal; null where nothing is, or in a test.</summary>
    internal CheckSamples? Samples { get; init; }

    private CheckStep? Current => _at >= 0 && _at < script.Steps.Count ? script.Steps[_at] : null;

    /// <summary>The first thing to do.</summary>
    public CheckEffect Begin() => script.ImplicitConnect ? new(CheckAct.Connect) : Next();

    /// <inheritdoc/>
    public void Dispose() => Samples?.Dispose();

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
                    return new(CheckAct.Connect, Fixed(c));
                case CheckSetVariable set:
                    Know();
                    Samples?.Set(set);
                    break;
                case CheckUnsetVariable unset:
                    Samples?.Unset(unset.Name);
                    break;
                case CheckSend { Text: { } text } s:
                    if (Made(text, s.Hexadecimal) is not { } made)
                    {
                        return Fail(CheckStatus.L7Response, 0,
                            FormattableString.Invariant($"tcp-check send : failed to build log-format string at step {Number}"));
                    }

                    if (made.Length > 0)
                    {
                        return new(CheckAct.Send, Data: made);
                    }

                    break;
                case CheckSend s when s.Data.Length > 0:
                    return new(CheckAct.Send, Data: s.Data);
                case CheckHttpSend h:
                    return new(CheckAct.Send, Data: HttpCheckRequest.Build(h, script.SendState ? state() : null, Samples));
                case CheckExpect e:
                    return Look(e);
            }
        }

        return Passed();
    }

    /// <summary>A rule whose port is an expression, with the port that it gives now; none, or 0, is the server's.</summary>
    private CheckConnect Fixed(CheckConnect rule) => rule.PortExpression is not { } expression ? rule
        : rule with { Port = (int)((Samples?.Number(expression) ?? 0) & ushort.MaxValue) is > 0 and var port ? port : null };

    /// <summary>The bytes that a text makes; null where it should be hexadecimal digits and is not.</summary>
    private byte[]? Made(CheckText text, bool hexadecimal)
    {
        Know();
        string made = text.Evaluate(Samples);
        return hexadecimal ? CheckRuleParser.Hex(made, out _) : Encoding.Latin1.GetBytes(made);
    }

    /// <summary>Lets expressions see what was received up to now.</summary>
    private void Know() => Samples?.Received(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_data), _http);

    /// <summary>The code of the report: what status-code says, else the reply's.</summary>
    private int Code(CheckExpect e)
    {
        if (e.CodeExpression is { } expression && Samples is not null)
        {
            Know();
            _code = (int)(Samples.Number(expression) ?? _code);
        }

        return _code;
    }

    /// <summary>A text of an expect rule, null where it has none.</summary>
    private string? Said(CheckText? text)
    {
        if (text?.Format is not null)
        {
            Know();
        }

        return text?.Evaluate(Samples);
    }

    private CheckEffect Passed()
    {
        bool talked = script.Steps.Any(s => s is CheckSend or CheckHttpSend or CheckExpect);
        var last = ReferenceEquals(_passed, script.Steps.Count > 0 ? script.Steps[^1] : null) ? _passed : null;
        var status = !talked ? CheckStatus.L4Ok : last?.OkStatus ?? CheckStatus.L7Ok;
        bool any = script.Flavor == CheckFlavor.TcpRules && script.Steps.Any(s => s is CheckConnect or CheckSend or CheckExpect);
        string info = last is { CodeInReply: true } ? FirstLine(last.ErrorTextAt ?? 0)
            : Said(last?.OnSuccess) ?? (any ? "(tcp-check)" : _note);
        return Done(new CheckReport(status, last is null ? _code : Code(last), Cut(info)));
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
            CheckExpect { Match: CheckMatch.String, PatternText: not null } => "expect log-format string",
            CheckExpect { Match: CheckMatch.Binary, PatternText: not null } => "expect log-format binary",
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

    /// <summary>As long as the original keeps it.</summary>
    private static string Cut(string info) => info.Length > MaxInfo ? info[..MaxInfo] : info;
}
