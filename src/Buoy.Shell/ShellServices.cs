using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Agents;
using Buoy.Shell.Cluster;
using Buoy.Shell.Status;

namespace Buoy.Shell;

/// <summary>A tool's entry: arguments (without the program's name), input, output, errors → exit status.</summary>
public delegate int ToolMain(string[] args, TextReader input, TextWriter output, TextWriter error);

/// <summary>What the shell and the tools need from outside. The program fills in what other rooms provide.</summary>
public sealed class ShellServices
{
    /// <summary>Runs crm_simulate; the program sets it to the scheduler's.</summary>
    public ToolMain? Simulate { get; init; }

    /// <summary>Reads the cluster's state from a CIB.</summary>
    public Func<CibDocument, DateTimeOffset, IStatusView> Status { get; init; } =
        (cib, now) => new StatusView(cib, now);

    /// <summary>The agents of this machine.</summary>
    public InstalledAgents Agents { get; init; } = new();

    /// <summary>The time.</summary>
    public Func<DateTimeOffset> Now { get; init; } = () => DateTimeOffset.Now;

    /// <summary>A CIB file to work on instead of the cluster; default CIB_file of the environment.</summary>
    public string? CibFile { get; init; } = Environment.GetEnvironmentVariable("CIB_file") is { Length: > 0 } f ? f
        : null;

    /// <summary>The control socket; default <see cref="ControlPaths.Socket"/>.</summary>
    public string? ControlSocket { get; init; }

    /// <summary>Whether input is a terminal: then the shell prompts.</summary>
    public Func<bool> IsTerminal { get; init; } = () => !Console.IsInputRedirected;

    /// <summary>A new connection to the daemon of this node.</summary>
    public ControlConnection Connect() => new(ControlSocket);

    /// <summary>The file, or the running cluster.</summary>
    public ICibSource Source(ControlConnection connection) => CibFile is { } f ? new FileCibSource(f)
        : new LiveCibSource(connection);
}

/// <summary>Messages in crmsh's manner: errors on the error output, warnings and notes on the output.</summary>
public sealed class Messages(TextWriter output, TextWriter error)
{
    public TextWriter Output { get; } = output;

    public TextWriter ErrorOutput { get; } = error;

    public void Error(string text) => ErrorOutput.Write($"ERROR: {text}\n");

    public void Warning(string text) => Output.Write($"WARNING: {text}\n");

    public void Info(string text) => Output.Write($"INFO: {text}\n");
}
