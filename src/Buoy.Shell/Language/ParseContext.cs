using System.Xml.Linq;

namespace Buoy.Shell.Language;

/// <summary>What the parser must know of the configuration that a line is added to.</summary>
/// <param name="ResolveAgent">Class, provider and type of an agent's name as written (<c>Dummy</c>,
/// <c>ocf:heartbeat:Dummy</c>, <c>systemd:x</c>).</param>
public sealed record ParseContext(
    IReadOnlySet<string> UsedIds, IReadOnlyList<(string Id, string Uname)> Nodes,
    Func<string, (string Class, string? Provider, string Type)> ResolveAgent)
{
    /// <summary>A context that knows nothing: for reading text on its own.</summary>
    public static ParseContext Empty { get; } = new(new HashSet<string>(), [], SplitAgent);

    /// <summary>Splits an agent's name without looking for installed agents: no class means ocf:heartbeat.</summary>
    public static (string Class, string? Provider, string Type) SplitAgent(string name)
    {
        string[] parts = name.Split(':');
        return parts.Length switch
        {
            1 => ("ocf", "heartbeat", name),
            2 when parts[0] == "ocf" => ("ocf", "heartbeat", parts[1]),
            2 => (parts[0], null, parts[1]),
            _ => (parts[0], parts[1], string.Join(':', parts.Skip(2))),
        };
    }
}

/// <summary>Gives ids as crmsh does: the wished one, or with -0, -1 … appended where it is taken.</summary>
internal sealed class IdMaker(IReadOnlySet<string> used)
{
    private readonly HashSet<string> _made = [];

    public string Make(string wish)
    {
        string id = wish;
        for (int n = 0; used.Contains(id) || !_made.Add(id); n++)
        {
            id = $"{wish}-{n}";
        }

        return id;
    }

    /// <summary>An id that the text itself gave.</summary>
    public string Take(string id)
    {
        _made.Add(id);
        return id;
    }

    public static XElement With(XElement e, string id)
    {
        e.SetAttributeValue("id", id);
        return e;
    }
}
