using System.Net;
using System.Text.RegularExpressions;
using Buoy.Balancer.Health;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Configuration;

/// <summary>What a health check speaks.</summary>
public enum CheckKind
{
    /// <summary>Connect only, or <c>option tcp-check</c> with its rules.</summary>
    Tcp,
    Http,
    SslHello,
    Mysql,
    Pgsql,
    Redis,
    Smtp,
    Ldap,
    External,
}

/// <summary>option httpchk METHOD URI VERSION.</summary>
public sealed record HttpCheckConfig(string Method, string Uri, string Version)
{
    /// <summary>Headers hidden behind the version, the old way.</summary>
    public IReadOnlyList<(string Name, CheckText Value)> Headers { get; init; } = [];

    /// <summary>Body hidden behind the headers; null = none.</summary>
    public CheckText? Body { get; init; }
}

/// <summary>How a backend checks, beside its <see cref="CheckKind"/>: rules and arguments of the options.</summary>
public sealed record CheckRulesConfig
{
    /// <summary>The <c>tcp-check</c> rules.</summary>
    public IReadOnlyList<CheckStep> Tcp { get; init; } = [];

    /// <summary>The <c>http-check</c> rules.</summary>
    public IReadOnlyList<CheckStep> Http { get; init; } = [];

    /// <summary>http-check disable-on-404.</summary>
    public bool DisableOn404 { get; init; }

    /// <summary>http-check send-state.</summary>
    public bool SendState { get; init; }

    /// <summary>User of mysql-check and pgsql-check; null = none.</summary>
    public string? User { get; init; }

    /// <summary>mysql-check … pre-41.</summary>
    public bool Pre41 { get; init; }

    /// <summary>smtpchk's command and domain.</summary>
    public string Hello { get; init; } = "HELO localhost";

    /// <summary>external-check command.</summary>
    public string? Command { get; init; }

    /// <summary>external-check path.</summary>
    public string? Path { get; init; }
}

/// <summary>One rule of a check (configuration manual 4.2 <c>tcp-check</c>, <c>http-check</c>).</summary>
public abstract record CheckStep
{
    /// <summary>Its own comment; null = none.</summary>
    public string? Comment { get; init; }
}

/// <summary>tcp-check comment: the comment of the rule behind it.</summary>
public sealed record CheckComment : CheckStep;

/// <summary>set-var, set-var-fmt: one of expression and format.</summary>
public sealed record CheckSetVariable : CheckStep
{
    internal VariableName Name { get; init; }

    /// <summary><c>ifset</c>, <c>ifgt</c> …: all must hold.</summary>
    internal IReadOnlyList<string> Conditions { get; init; } = [];

    internal SampleExpression? Expression { get; init; }

    internal CheckText? Value { get; init; }
}

/// <summary>unset-var.</summary>
public sealed record CheckUnsetVariable : CheckStep
{
    internal VariableName Name { get; init; }
}

/// <summary>tcp-check connect.</summary>
public sealed record CheckConnect : CheckStep
{
    /// <summary>null = the check's or server's port.</summary>
    public int? Port { get; init; }

    /// <summary>What gives the port when it is not fixed; null = it is.</summary>
    internal SampleExpression? PortExpression { get; init; }

    /// <summary>null = the check's or server's address.</summary>
    public IPAddress? Address { get; init; }
    public bool SendProxy { get; init; }

    /// <summary>Close in good order instead of by a reset.</summary>
    public bool Linger { get; init; }

    /// <summary>The server line's settings (check-send-proxy) hold.</summary>
    public bool Default { get; init; }
}

/// <summary>tcp-check send, send-binary, send-lf, send-binary-lf.</summary>
public sealed record CheckSend(byte[] Data) : CheckStep
{
    /// <summary>Evaluated instead of <see cref="Data"/>; null = not.</summary>
    public CheckText? Text { get; init; }

    /// <summary><see cref="Text"/> evaluates to hexadecimal digits.</summary>
    public bool Hexadecimal { get; init; }
}

/// <summary>http-check send. Null = not given: OPTIONS, /, HTTP/1.0.</summary>
public sealed record CheckHttpSend : CheckStep
{
    public string? Method { get; init; }
    public CheckText? Uri { get; init; }
    public string? Version { get; init; }
    public IReadOnlyList<(string Name, CheckText Value)> Headers { get; init; } = [];
    public CheckText? Body { get; init; }
}

/// <summary>What an expect rule looks at.</summary>
public enum CheckMatch
{
    String,
    Regex,
    Binary,
    BinaryRegex,
    Status,
    StatusRegex,
    Header,
    FullHeader,

    /// <summary>Parsers of the built-in protocols.</summary>
    MysqlGreeting,
    MysqlReply,
    Ldap,
    Agent,

    /// <summary><c>expect custom</c> without a parser of its own: always good.</summary>
    Anything,
}

/// <summary>A header's name or value to find: how, and what.</summary>
/// <param name="Method">str, beg, end, sub, reg.</param>
public sealed record HeaderPattern(string Method, CheckText Text, Regex? Regex)
{
    /// <summary>Does the text fit what the pattern evaluated to?</summary>
    public bool Matches(string text, string pattern, bool ignoreCase)
    {
        var how = ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        return Method switch
        {
            "beg" => text.StartsWith(pattern, how),
            "end" => text.EndsWith(pattern, how),
            "sub" => text.Contains(pattern, how),
            "reg" => Regex!.IsMatch(text),
            _ => text.Equals(pattern, how),
        };
    }
}

/// <summary>tcp-check expect, http-check expect.</summary>
public sealed record CheckExpect(CheckMatch Match) : CheckStep
{
    /// <summary>Preceded by "!".</summary>
    public bool Inverse { get; init; }

    /// <summary>The bytes of string and binary.</summary>
    public byte[] Pattern { get; init; } = [];

    /// <summary>string-lf and binary-lf: what <see cref="Pattern"/> is made of when it is needed; null = it is fixed.</summary>
    public CheckText? PatternText { get; init; }

    /// <summary>The pattern as messages show it.</summary>
    public string Text { get; init; } = "";
    public Regex? Regex { get; init; }

    /// <summary>Status codes, from … to.</summary>
    public IReadOnlyList<(int From, int To)> Codes { get; init; } = [];
    public HeaderPattern? Name { get; init; }
    public HeaderPattern? Value { get; init; }

    /// <summary>Bytes to have before looking; -1 = look at once, wait for more while it does not match.</summary>
    public int MinRecv { get; init; } = -1;
    public CheckStatus? OkStatus { get; init; }
    public CheckStatus? ErrorStatus { get; init; }
    public CheckStatus? TimeoutStatus { get; init; }
    public CheckText? OnSuccess { get; init; }
    public CheckText? OnError { get; init; }

    /// <summary>status-code: what gives the code of the report; null = the reply does.</summary>
    internal SampleExpression? CodeExpression { get; init; }

    /// <summary>Built-in protocols: the code is the number in front of the reply, the text what follows it.</summary>
    public bool CodeInReply { get; init; }

    /// <summary>Built-in protocols: where in the reply the text of an error begins; null = none is shown.</summary>
    public int? ErrorTextAt { get; init; }
}
