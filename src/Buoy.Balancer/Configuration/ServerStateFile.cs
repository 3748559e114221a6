using System.Globalization;
using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary>What a file of <c>show servers state</c> (management manual 9.3, version 1) says of one server.</summary>
public sealed record SavedServer
{
    public required string Backend { get; init; }
    public required string Name { get; init; }
    public IPAddress? Address { get; init; }

    /// <summary>srv_op_state.</summary>
    public int State { get; init; }

    /// <summary>srv_admin_state.</summary>
    public int Admin { get; init; }
    public int UserWeight { get; init; }
    public int InitialWeight { get; init; }

    /// <summary>Seconds since the last change.</summary>
    public long Age { get; init; }
    public int CheckStatus { get; init; }
    public int CheckResult { get; init; }
    public int CheckHealth { get; init; }
    public int CheckState { get; init; }
    public int AgentState { get; init; }
    public string? Fqdn { get; init; }
    public int Port { get; init; }
    public int CheckPort { get; init; }
    public IPAddress? CheckAddress { get; init; }
    public IPAddress? AgentAddress { get; init; }
    public int AgentPort { get; init; }
}

/// <summary>Which file a backend's states come from (<c>load-server-state-from-file</c>).</summary>
public enum StateSource
{
    None,
    Global,
    Local,
}

/// <summary>Reads state files. Lines that are not as they must be are passed over: a damaged file must not stop a
/// start.</summary>
internal static class ServerStateFile
{
    /// <summary>Columns of version 1.</summary>
    private const int Columns = 25;

    /// <summary>Columns that the oldest files of version 1 have.</summary>
    private const int Least = 19;

    /// <summary>Reads the files that the sections name; by backend and server.</summary>
    public static Dictionary<(string, string), SavedServer> Load(
        ParseContext context, List<ProxyBuilder> proxies, GlobalConfig global)
    {
        var saved = new Dictionary<(string, string), SavedServer>();
        Dictionary<(string, string), SavedServer>? common = null;
        string folder = global.Kept.TryGetValue("server-state-base", out string? b) ? b : "";
        if (global.ServerStateFile is { } file)
        {
            string path = Path.Combine(folder, file);
            string? problem = Read(path, common = []);
            if (problem is not null)
            {
                context.Add(Severity.Warning, $"config : config: Can't open global server state file '{path}': {problem}");
            }
        }

        foreach (var proxy in proxies.Where(p => p.HasBackend && !p.Settings.Disabled))
        {
            switch (proxy.Settings.StateSource)
            {
                case StateSource.Global when global.ServerStateFile is null:
                    context.Add(Severity.Warning, $"config : backend '{proxy.Name}' configured to load server state file from "
                        + "global section 'server-state-file' directive. Unfortunately, 'server-state-file' is not set!");
                    break;
                case StateSource.Global:
                    Take(common!, proxy.Name, saved);
                    break;
                case StateSource.Local:
                    string path = Path.Combine(folder, proxy.Settings.StateFileName ?? proxy.Name);
                    var own = new Dictionary<(string, string), SavedServer>();
                    if (Read(path, own) is { } problem && proxy.Servers.Count > 0)
                    {
                        context.Add(Severity.Warning,
                            $"config : Proxy '{proxy.Name}': Can't open server state file '{path}': {problem}.");
                    }

                    Take(own, proxy.Name, saved);
                    break;
            }
        }

        return saved;
    }

    /// <summary>One line; null where it is none of a server.</summary>
    public static SavedServer? Parse(string line)
    {
        string[] c = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (c.Length is < Least or > Columns || c[0][0] == '#')
        {
            return null;
        }

        int At(int i) => i < c.Length ? Units.Atoi(c[i]) : 0;
        IPAddress? AddressAt(int i) => i < c.Length && IPAddress.TryParse(c[i], out var a) ? a : null;
        foreach (int i in (int[])[0, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 18])
        {
            if (!long.TryParse(c[i], NumberStyles.None, CultureInfo.InvariantCulture, out long n) || n > int.MaxValue)
            {
                return null;
            }
        }

        bool sound = At(5) <= 3 && At(7) <= 256 && At(8) <= 256 && At(18) <= 65535 && At(11) <= 4;
        return !sound ? null : new SavedServer
        {
            Backend = c[1], Name = c[3], Address = AddressAt(4), State = At(5), Admin = At(6), UserWeight = At(7),
            InitialWeight = At(8), Age = At(9), CheckStatus = At(10), CheckResult = At(11), CheckHealth = At(12),
            CheckState = At(13), AgentState = At(14), Fqdn = c[17] == "-" ? null : c[17], Port = At(18), CheckPort = At(21),
            CheckAddress = AddressAt(22), AgentAddress = AddressAt(23), AgentPort = At(24),
        };
    }

    private static string? Read(string path, Dictionary<(string, string), SavedServer> into)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return "No such file or directory";
        }
        catch (UnauthorizedAccessException)
        {
            return "Permission denied";
        }
        catch (IOException e)
        {
            return e.Message;
        }

        if (lines.Length == 0 || lines[0].Trim() != "1")
        {
            return null;
        }

        foreach (string line in lines.Skip(1))
        {
            if (Parse(line) is { } server)
            {
                into[(server.Backend, server.Name)] = server;
            }
        }

        return null;
    }

    private static void Take(
        Dictionary<(string, string), SavedServer> from, string backend, Dictionary<(string, string), SavedServer> to)
    {
        foreach (var s in from.Where(s => s.Key.Item1 == backend))
        {
            to[s.Key] = s.Value;
        }
    }
}
