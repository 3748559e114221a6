namespace Buoy.Balancer.Configuration;

/// <summary>How grave a message is; the words are HAProxy's.</summary>
public enum Severity { Diagnosis, Notice, Warning, Alert }

/// <summary>One message about a configuration, its text as HAProxy writes it after <c>[ALERT]    (pid) : </c>.</summary>
public sealed record Diagnostic(Severity Severity, string Text)
{
    /// <summary>The complete line.</summary>
    public string Format(int pid) => Severity switch
    {
        Severity.Diagnosis => $"[DIAG]     ({pid}) : {Text}",
        Severity.Notice => $"[NOTICE]   ({pid}) : {Text}",
        Severity.Warning => $"[WARNING]  ({pid}) : {Text}",
        _ => $"[ALERT]    ({pid}) : {Text}",
    };
}

/// <summary>What <see cref="ConfigurationLoader"/> found. <see cref="Config"/> is null exactly when there was an alert.</summary>
public sealed record LoadResult(BalancerConfig? Config, IReadOnlyList<Diagnostic> Diagnostics)
{
    /// <summary>Were there warnings?</summary>
    public bool HasWarnings => Diagnostics.Any(d => d.Severity == Severity.Warning);
}

/// <summary>Raised inside a directive's parser: the line is wrong, the next one is read all the same.</summary>
internal sealed class ConfigurationException(string message) : Exception(message)
{
    /// <summary>A second message that the original adds; null = none.</summary>
    public string? Also { get; init; }
}
