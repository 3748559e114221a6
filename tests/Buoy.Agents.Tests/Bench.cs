using Buoy.Linux;
using Buoy.Tests;

namespace Buoy.Agents.Tests;

/// <summary>An executor on a loop of its own with a folder for its agents; everything is removed at the end.</summary>
internal sealed class Bench : IDisposable
{
    public Bench(string? balancer = null, GuardContext? guard = null)
    {
        Folder = Directory.CreateTempSubdirectory("buoy-agents-").FullName;
        Directory.CreateDirectory(Path.Combine(Folder, "resource.d", "test"));
        Options = new AgentExecutorOptions
        {
            OcfRoot = Folder,
            StateDirectory = Path.Combine(Folder, "run"),
            AgentStateDirectory = Path.Combine(Folder, "state"),
            BalancerCommand = balancer is null ? ["/nowhere/balancer"]
                : ["/bin/sh", Script("balancer", balancer), "balancer"],
            HeartbeatLimitMs = 300,
            Log = Lines.Add,
            Guard = guard,
        };
        Executor = new AgentExecutor(Loop, Options);
    }

    public EventLoop Loop { get; } = new();

    public AgentExecutorOptions Options { get; }

    public AgentExecutor Executor { get; set; }

    public string Folder { get; }

    public List<AgentLogLine> Lines { get; } = [];

    public static AgentRequest Request(
        AgentName agent, string task, int timeoutMs = 20_000, long intervalMs = 0, string id = "r",
        params (string Name, string Value)[] attributes) =>
        new(agent, id, task, intervalMs, timeoutMs, 0,
            attributes.ToDictionary(static a => a.Name, static a => a.Value));

    /// <summary>Writes a script and returns its path.</summary>
    public string Script(string name, string text)
    {
        string path = Path.Combine(Folder, name);
        File.WriteAllText(path, "#!/bin/sh\n" + text + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>Installs a script agent of the provider test.</summary>
    public AgentName Agent(string type, string text)
    {
        Script($"resource.d/test/{type}", text);
        return new AgentName("ocf", "test", type);
    }

    /// <summary>Runs one operation to its end.</summary>
    public AgentResult Run(AgentRequest request)
    {
        AgentResult? result = null;
        Executor.Execute(request, r => result = r);
        Loop.Until(() => result is not null);
        return result!;
    }

    public void Dispose()
    {
        Executor.Dispose();
        Loop.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
