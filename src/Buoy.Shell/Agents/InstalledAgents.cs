using System.ComponentModel;
using System.Diagnostics;

namespace Buoy.Shell.Agents;

/// <summary>
/// The agents of this machine: the two built-in ones (<see cref="BuiltInAgents"/>) and the scripts under OCF_ROOT
/// (/usr/lib/ocf), which are asked with <c>meta-data</c>; answers are kept.
/// </summary>
public sealed class InstalledAgents : IAgentMetadata
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, string?> _known = [];
    private readonly string _root;

    /// <param name="root">Folder that has resource.d; default OCF_ROOT or /usr/lib/ocf.</param>
    public InstalledAgents(string? root = null) =>
        _root = root ?? (Environment.GetEnvironmentVariable("OCF_ROOT") is { Length: > 0 } r ? r : "/usr/lib/ocf");

    /// <inheritdoc/>
    public IReadOnlyList<string> Providers =>
        [.. Folders().Append("heartbeat").Distinct().Order(StringComparer.Ordinal)];

    /// <inheritdoc/>
    public string? MetaData(string name)
    {
        if (!_known.TryGetValue(name, out string? xml))
        {
            _known[name] = xml = BuiltInAgents.MetaData(name) ?? Ask(name);
        }

        return xml;
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> List(string cls, string? provider)
    {
        if (cls != "ocf")
        {
            return [];
        }

        IEnumerable<string> providers = provider is null ? Providers : [provider];
        return [.. providers.SelectMany(p => Scripts(p).Concat(p == "heartbeat" ? BuiltInAgents.Names : []))
            .Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>Class, provider and type of a name as a user writes it; a bare type is looked for among the
    /// providers.</summary>
    public (string Class, string? Provider, string Type) Resolve(string name)
    {
        var split = Language.ParseContext.SplitAgent(name);
        if (split is not ("ocf", "heartbeat", var type) || name.StartsWith("ocf:heartbeat:", StringComparison.Ordinal))
        {
            return split;
        }

        if (BuiltInAgents.Names.Contains(type) || File.Exists(Script("heartbeat", type)))
        {
            return split;
        }

        string? other = Folders().Order(StringComparer.Ordinal).FirstOrDefault(p => File.Exists(Script(p, type)));
        return ("ocf", other ?? "heartbeat", type);
    }

    private string Script(string provider, string type) => Path.Combine(_root, "resource.d", provider, type);

    private IEnumerable<string> Folders() => Directory.Exists(Path.Combine(_root, "resource.d"))
        ? Directory.EnumerateDirectories(Path.Combine(_root, "resource.d")).Select(d => Path.GetFileName(d)!)
        : [];

    private IEnumerable<string> Scripts(string provider) => Directory.Exists(Path.Combine(_root, "resource.d",
        provider))
        ? Directory.EnumerateFiles(Path.Combine(_root, "resource.d", provider)).Select(f => Path.GetFileName(f)!)
            .Where(f => !f.StartsWith('.'))
        : [];

    private string? Ask(string name)
    {
        string[] parts = name.Split(':');
        if (parts.Length != 3 || parts[0] != "ocf" || parts.Any(p => p.Contains('/') || p.Length == 0))
        {
            return null;
        }

        string script = Script(parts[1], parts[2]);
        if (!File.Exists(script))
        {
            return null;
        }

        var start = new ProcessStartInfo(script, "meta-data") { RedirectStandardOutput = true, RedirectStandardError =
            true };
        start.Environment["OCF_ROOT"] = _root;
        start.Environment["OCF_RESOURCE_TYPE"] = parts[2];
        start.Environment["OCF_RESOURCE_PROVIDER"] = parts[1];
        try
        {
            using Process p = Process.Start(start)!;
            Task<string> output = p.StandardOutput.ReadToEndAsync();
            Task<string> errors = p.StandardError.ReadToEndAsync();
            if (!Task.WaitAll([output, errors], Limit) || !p.WaitForExit(Limit))
            {
                p.Kill(entireProcessTree: true);
                return null;
            }

            return p.ExitCode == 0 ? output.Result : null;
        }
        catch (Win32Exception)
        {
            // Not executable: no agent then, as for the executor.
            return null;
        }
    }
}
