using Buoy.Balancer.Host;
using Buoy.Demo;
using Buoy.Lab;
using Buoy.Scheduler;
using Buoy.Shell;
using Buoy.Shell.Tools;

namespace Buoy.Composition;

/// <summary>
/// What the program can act as. A command is the first word, or the name the program was started under: <c>buoy crm status</c>
/// and a link <c>crm</c> to the program do the same.
/// </summary>
internal static class Commands
{
    /// <summary>Runs what the arguments, or the program's own name, ask for; the exit status.</summary>
    public static int Run(string[] args)
    {
        string name = Path.GetFileName(FirstArgument());
        if (Names.Contains(name))
        {
            return RunNamed(name, args, [name]);
        }

        return args switch
        {
            [] or ["help" or "--help" or "-h"] => Help(),
            ["--version" or "-v" or "version"] => Version(),
            [var word, .. var rest] => RunNamed(word, rest, [name, word]),
        };
    }

    /// <summary>argv[0] as it was started with: a link's name, also where the runtime names its own file instead.</summary>
    private static string FirstArgument()
    {
        try
        {
            return File.ReadAllText("/proc/self/cmdline").Split('\0')[0];
        }
        catch (IOException)
        {
            return Environment.GetCommandLineArgs()[0];
        }
    }

    /// <summary>Names of programs that it acts as, for the links of <c>buoy install</c>.</summary>
    public static IReadOnlyList<string> Names { get; } = ["haproxy", .. Tools().Keys.Order(StringComparer.Ordinal)];

    private static int RunNamed(string name, string[] args, string[] prefix)
    {
        switch (name)
        {
            case "balancer" or "haproxy":
                return BalancerProgram.Run(args, new BalancerParts(), prefix);
            case "cluster":
                return ClusterCommand.Run(args);
            case "demo":
                return DemoCommand.Run(args);
            case "install":
                return InstallCommand.Run(args, Names);
            case "lab":
                return LabRoles.Run(args);
            default:
                if (Tools().TryGetValue(name, out var tool))
                {
                    return tool(args, Console.In, Console.Out, Console.Error);
                }

                Console.Error.WriteLine($"buoy: there is no command '{name}' (buoy help lists them)");
                return 64;
        }
    }

    private static IReadOnlyDictionary<string, ToolMain> Tools() => ToolTable.Create(new ShellServices { Simulate = Simulate });

    /// <summary>crm_simulate: files from disk, the live CIB (-L) from the daemon.</summary>
    private static int Simulate(string[] args, TextReader input, TextWriter output, TextWriter error) => CrmSimulate.Run(
        args, DateTimeOffset.UtcNow, file => file switch
        {
            "" => LiveCib(),
            "-" => input.ReadToEnd(),
            _ => File.ReadAllText(file),
        },
        File.WriteAllText, output.Write);

    private static string LiveCib()
    {
        using var client = Control.ControlClient.TryConnect()
            ?? throw new IOException("not connected to the cluster: its daemon does not run on this node");
        return client.Call(Control.ControlCommand.CibQuery).Output;
    }

    private static int Version()
    {
        Console.WriteLine($"buoy {typeof(Commands).Assembly.GetName().Version?.ToString(3)}");
        return 0;
    }

    private static int Help()
    {
        Console.WriteLine(
            """
            Buoy keeps one address afloat: load balancer, cluster and shell in one program.

              buoy balancer -f haproxy.cfg     the load balancer, with HAProxy's options
              buoy cluster                     the cluster daemon (/etc/corosync/corosync.conf, authkey)
              buoy crm [LEVEL COMMAND ...]     the shell: configure, status, resource, node ...
              buoy demo [--keep] [--json]      the whole of it on this machine, in network namespaces
              buoy install --prefix DIR        lay the program and links under the originals' names

            As these programs it acts too, as a first word or under their name:
            """);
        Console.WriteLine("  " + string.Join(' ', Names));
        return 0;
    }
}
