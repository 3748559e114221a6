using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Health;

/// <summary>Whose script it is: messages differ.</summary>
public enum CheckFlavor
{
    /// <summary>No option: a connection only.</summary>
    Plain,

    /// <summary>option tcp-check: messages name the step.</summary>
    TcpRules,
    Http,
    BuiltIn,
    Agent,
}

/// <summary>A check as a sequence of steps; all kinds but external-check are made into one.</summary>
public sealed record CheckScript(CheckFlavor Flavor, IReadOnlyList<CheckStep> Steps)
{
    /// <summary>http-check disable-on-404.</summary>
    public bool DisableOn404 { get; init; }

    /// <summary>http-check send-state.</summary>
    public bool SendState { get; init; }

    /// <summary>Bytes of a reply that are looked at.</summary>
    public int BufferSize { get; init; } = 16384;

    /// <summary>No rule says where to connect: the server line does.</summary>
    public bool ImplicitConnect => !Steps.Any(s => s is CheckConnect);

    /// <summary>Something in it is evaluated while it runs.</summary>
    public bool Evaluates { get; } = Steps.Any(s => s switch
    {
        CheckSetVariable or CheckUnsetVariable => true,
        CheckConnect c => c.PortExpression is not null,
        CheckSend send => send.Text is not null,
        CheckHttpSend http => http.Uri?.Format is not null || http.Body?.Format is not null
            || http.Headers.Any(h => h.Value.Format is not null),
        CheckExpect e => e.PatternText is not null || e.CodeExpression is not null || e.OnSuccess?.Format is not null
            || e.OnError?.Format is not null || e.Name?.Text.Format is not null || e.Value?.Text.Format is not null,
        _ => false,
    });

    /// <summary>The script of a backend.</summary>
    public static CheckScript Of(ProxyConfig proxy, int bufferSize)
    {
        var r = proxy.CheckRules;
        return proxy.Check switch
        {
            CheckKind.Tcp when proxy.TcpCheckOption => new(CheckFlavor.TcpRules, r.Tcp) { BufferSize = bufferSize },
            CheckKind.Http => new(CheckFlavor.Http, HttpSteps(proxy.HttpCheck, r.Http))
            {
                DisableOn404 = r.DisableOn404, SendState = r.SendState, BufferSize = bufferSize,
            },
            CheckKind.SslHello => new(CheckFlavor.BuiltIn, SslHello()),
            CheckKind.Mysql => new(CheckFlavor.BuiltIn, Mysql(r.User, r.Pre41)),
            CheckKind.Pgsql => new(CheckFlavor.BuiltIn, Pgsql(r.User ?? "")),
            CheckKind.Redis => new(CheckFlavor.BuiltIn, Redis()),
            CheckKind.Smtp => new(CheckFlavor.BuiltIn, Smtp(r.Hello)),
            CheckKind.Ldap => new(CheckFlavor.BuiltIn, Ldap()),
            _ => new(CheckFlavor.Plain, []),
        };
    }

    /// <summary>An agent's script: what is sent, then one line is read.</summary>
    public static CheckScript OfAgent(byte[] send) =>
        new(CheckFlavor.Agent, [new CheckSend(send), new CheckExpect(CheckMatch.Agent)]);

    /// <summary>The option's request where no rule sends one, and the expectation where none follows the last
    /// send.</summary>
    private static List<CheckStep> HttpSteps(HttpCheckConfig? option, IReadOnlyList<CheckStep> rules)
    {
        var steps = rules.ToList();
        if (option is not null)
        {
            // The request is the first thing on the first connection, before a comment on what is expected.
            int connect = steps.FindIndex(s => s is CheckConnect);
            steps.Insert(connect + 1, new CheckHttpSend
            {
                Method = option.Method, Uri = new CheckText(option.Uri), Version = option.Version, Headers = option.Headers,
                Body = option.Body,
            });
        }

        if (steps.FindLastIndex(s => s is CheckExpect) <= steps.FindLastIndex(s => s is CheckHttpSend))
        {
            steps.Add(new CheckExpect(CheckMatch.Status) { Codes = [(200, 399)] });
        }

        return steps;
    }

    private static CheckExpect Pattern(string regex) => new(CheckMatch.Regex)
    {
        Regex = new Regex(regex, RegexOptions.CultureInvariant),
    };

    /// <summary>option ssl-hello-chk: an SSLv3 ClientHello; a handshake or an alert is a good answer.</summary>
    private static CheckStep[] SslHello()
    {
        byte[] random = [0, 0, 0, 0, .. "HAPROXYSSLCHK\nHAPROXYSSLCHK\n"u8];
        var suites = new List<byte>();
        for (int suite = 1; suite <= 0x3A; suite++)
        {
            if (suite is <= 0x1B or >= 0x2F)
            {
                suites.AddRange([0, (byte)suite]);
            }
        }

        byte[] body = [3, 0, .. random, 0, 0, (byte)suites.Count, .. suites, 1, 0];
        byte[] hello = [0x16, 3, 0, 0, (byte)(body.Length + 4), 1, 0, 0, (byte)body.Length, .. body];
        return
        [
            new CheckSend(hello),
            Pattern("^[\x15\x16]") with
            {
                MinRecv = 5, OkStatus = CheckStatus.L6Ok, ErrorStatus = CheckStatus.L6Response,
                TimeoutStatus = CheckStatus.L6Timeout,
            },
        ];
    }

    /// <summary>option mysql-check: the greeting, and with a user the answer to an authentication.</summary>
    private static CheckStep[] Mysql(string? user, bool pre41)
    {
        var connect = new CheckConnect { Default = true, Linger = true };
        if (user is null)
        {
            return [connect, new CheckExpect(CheckMatch.MysqlGreeting)];
        }

        byte[] name = [.. Encoding.Latin1.GetBytes(user), 0];
        byte[] login = pre41 ? [0, 0x80, 0, 0, 1, .. name, 0]
            : [0, 0x82, 0, 0, 0, 0x80, 0, 1, 0x21, .. new byte[23], .. name, 0, 0];
        if (!pre41)
        {
            login = login[..^1];
        }

        byte[] packet = [(byte)login.Length, (byte)(login.Length >> 8), 0, 1, .. login, 1, 0, 0, 0, 1];
        return
        [
            connect, new CheckSend(packet), new CheckExpect(CheckMatch.MysqlGreeting), new CheckExpect(CheckMatch.MysqlReply),
        ];
    }

    /// <summary>option pgsql-check: a StartupMessage; an authentication request is good, an error is not.</summary>
    private static CheckStep[] Pgsql(string user)
    {
        byte[] parameters = [.. "user\0"u8, .. Encoding.Latin1.GetBytes(user), 0, 0];
        int length = 8 + parameters.Length;
        return
        [
            new CheckConnect { Default = true, Linger = true },
            new CheckSend([0, 0, (byte)(length >> 8), (byte)length, 0, 3, 0, 0, .. parameters]),
            Pattern("^E") with { Inverse = true, MinRecv = 5, ErrorStatus = CheckStatus.L7Response, ErrorTextAt = 6 },
            Pattern("^R\0\0\0") with
            {
                MinRecv = 9, ErrorStatus = CheckStatus.L7Status, OnSuccess = new CheckText("PostgreSQL server is ok"),
                OnError = new CheckText("PostgreSQL unknown error"),
            },
        ];
    }

    /// <summary>option redis-check.</summary>
    private static CheckStep[] Redis() =>
    [
        new CheckSend("*1\r\n$4\r\nPING\r\n"u8.ToArray()),
        new CheckExpect(CheckMatch.String)
        {
            Pattern = "+PONG\r\n"u8.ToArray(), Text = "+PONG\r\n", ErrorStatus = CheckStatus.L7Status,
            OnSuccess = new CheckText("Redis server is ok"), ErrorTextAt = 0,
        },
    ];

    /// <summary>option smtpchk: greeting, HELO, QUIT.</summary>
    private static CheckStep[] Smtp(string hello)
    {
        var good = new CheckExpect(CheckMatch.Regex)
        {
            MinRecv = 4, ErrorStatus = CheckStatus.L7Status, CodeInReply = true, ErrorTextAt = 4,
        };
        return
        [
            new CheckConnect { Default = true, Linger = true },
            Pattern("^[0-9]{3}[ \r]") with { MinRecv = 4, ErrorTextAt = 0, ErrorStatus = CheckStatus.L7Response },
            good with { Regex = new Regex("^2[0-9]{2}[ \r]", RegexOptions.CultureInvariant) },
            new CheckSend(Encoding.Latin1.GetBytes(hello + "\r\n")),
            good with { Regex = new Regex("^(2[0-9]{2}-.*\r\n)*2[0-9]{2}[ \r]", RegexOptions.CultureInvariant), MinRecv = -1 },
            new CheckSend("QUIT\r\n"u8.ToArray()),
            good with { Regex = new Regex("^2[0-9]{2}[- \r]", RegexOptions.CultureInvariant) },
        ];
    }

    /// <summary>option ldap-check: an anonymous LDAPv3 bind.</summary>
    private static CheckStep[] Ldap() =>
    [
        new CheckSend([0x30, 0x0C, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0]), new CheckExpect(CheckMatch.Ldap),
    ];
}
