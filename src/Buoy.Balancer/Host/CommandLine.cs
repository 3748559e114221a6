using System.Globalization;

namespace Buoy.Balancer.Host;

/// <summary>HAProxy's command line (management manual, chapter 3). A wrong one is null, and usage is to be shown.</summary>
internal sealed class CommandLine
{
    public List<string> Files { get; } = [];
    public List<int> OldPids { get; } = [];
    public bool OldPidsTerminate { get; private set; }
    public bool Check { get; private set; }
    public bool Daemon { get; private set; }
    public bool Foreground { get; private set; }
    public bool Debug { get; private set; }
    public bool Quiet { get; private set; }
    public bool Verbose { get; private set; }
    public bool Version { get; private set; }
    public bool BuildOptions { get; private set; }
    public bool MasterWorker { get; private set; }
    public bool Notify { get; private set; }
    public bool WarningsFail { get; private set; }
    public bool IgnoreUnresolved { get; private set; }
    public bool Diagnosing { get; private set; }
    public string? PidFile { get; private set; }
    public string? Directory { get; private set; }
    public string? Condition { get; private set; }

    /// <summary>The master's CLI, as on a bind line with commas for blanks.</summary>
    public string? MasterSocket { get; private set; }

    /// <summary>A stats socket to fetch listening sockets from.</summary>
    public string? TransferFrom { get; private set; }
    public string? LocalPeer { get; private set; }
    public int? MaxConn { get; private set; }
    public int? ProxyMaxConn { get; private set; }

    /// <summary>An option that is understood and refused.</summary>
    public string? Refused { get; private set; }

    public static CommandLine? Parse(IReadOnlyList<string> args)
    {
        var line = new CommandLine();
        for (int i = 0; i < args.Count; i++)
        {
            if (args[i] == "--")
            {
                line.Files.AddRange(args.Skip(i + 1));
                break;
            }

            if (!line.Option(args, ref i))
            {
                return null;
            }
        }

        return line.Files.Count > 0 || line.Version || line.Condition is not null || line.Refused is not null ? line : null;
    }

    private bool Option(IReadOnlyList<string> args, ref int i)
    {
        string o = args[i];
        switch (o)
        {
            case "-v":
                return Version = true;
            case "-vv":
                return Version = BuildOptions = true;
            case "-c":
                return Check = true;
            case "-d":
                return Debug = Foreground = true;
            case "-db":
                return Foreground = true;
            case "-D":
                return Daemon = true;
            case "-q":
                return Quiet = true;
            case "-V":
                return Verbose = true;
            case "-W" or "-Ws":
                Notify |= o == "-Ws";
                return MasterWorker = true;
            case "-dW":
                return WarningsFail = true;
            case "-dr":
                return IgnoreUnresolved = true;
            case "-dD":
                return Diagnosing = true;
            case "-de" or "-dp" or "-dS" or "-dG" or "-dR" or "-dV" or "-dL" or "-dI":
                return true;
            case "-sf" or "-st":
                OldPidsTerminate = o == "-st";
                while (i + 1 < args.Count && int.TryParse(args[i + 1], CultureInfo.InvariantCulture, out int pid) && pid > 0)
                {
                    OldPids.Add(pid);
                    i++;
                }

                return true;
        }

        if (o.StartsWith("-dM", StringComparison.Ordinal))
        {
            return true;
        }

        if (o.StartsWith("-dK", StringComparison.Ordinal))
        {
            Refused = "-dK";
            return true;
        }

        return i + 1 < args.Count && WithValue(o, args[++i]);
    }

    private bool WithValue(string o, string value)
    {
        switch (o)
        {
            case "-f":
                Files.Add(value);
                return true;
            case "-p":
                PidFile = value;
                return true;
            case "-C":
                Directory = value;
                return true;
            case "-L":
                LocalPeer = value;
                return true;
            case "-m":
                return int.TryParse(value, CultureInfo.InvariantCulture, out _);
            case "-n" or "-N":
                bool good = int.TryParse(value, CultureInfo.InvariantCulture, out int count);
                if (o == "-n")
                {
                    MaxConn = count;
                }
                else
                {
                    ProxyMaxConn = count;
                }

                return good;
            case "-cc":
                Condition = value;
                return true;
            case "-S":
                MasterSocket = value;
                return true;
            case "-x":
                TransferFrom = value;
                return true;
            default:
                return false;
        }
    }
}
