using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Buoy.Lab;
using Spectre.Console;

namespace Buoy.Demo;

/// <summary>The story that <c>buoy demo</c> plays, and its table.</summary>
internal sealed class DemoScript : IDisposable
{
    private const int RedirectedWidth = 160;
    private const int StartPatienceMs = 30_000;
    private const int RecoveryPatienceMs = 40_000;
    private readonly DemoOptions _options;
    private readonly IAnsiConsole _console;
    private readonly string _program;
    private readonly List<DemoOutcome> _outcomes = [];
    private readonly CancellationTokenSource _cancel = new();
    private LabWorld? _world;
    private LabObserver? _client;
    private Process?[] _servers = [];

    public DemoScript(DemoOptions options)
    {
        _options = options;
        _program = Environment.ProcessPath ?? throw new LabException("the program's own path is unknown");
        _console = options.Json
            ? AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(TextWriter.Null) })
            : AnsiConsole.Console;
        if (Console.IsOutputRedirected)
        {
            // No terminal says how wide a line may be: a log's lines are not folded.
            _console.Profile.Width = RedirectedWidth;
        }
    }

    private LabWorld World => _world ?? throw new LabException("the lab is not up");

    private LabObserver Client => _client ?? throw new LabException("the client does not run");

    /// <summary>Plays the story; 0 = the service recovered from every event.</summary>
    public int Run()
    {
        Console.CancelKeyPress += (_, e) =>
        {
            e.Cancel = true;
            _cancel.Cancel();
        };
        using var term = System.Runtime.InteropServices.PosixSignalRegistration.Create(
            System.Runtime.InteropServices.PosixSignal.SIGTERM, c =>
            {
                c.Cancel = true;
                _cancel.Cancel();
            });
        try
        {
            Build();
            Start();
            foreach (var step in Story())
            {
                _cancel.Token.ThrowIfCancellationRequested();
                Play(step);
            }

            Report();
            if (_options.Keep)
            {
                Keep();
            }

            return _outcomes.TrueForAll(o => o.Recovered) ? 0 : 1;
        }
        catch (OperationCanceledException)
        {
            Say("[yellow]interrupted; cleaning up[/]");
            return 130;
        }
        catch (LabException e)
        {
            Console.Error.WriteLine($"buoy demo: {e.Message}");
            ShowLogs();
            return 1;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _client?.Dispose();
        _world?.Dispose();
        _cancel.Dispose();
    }

    private void Build()
    {
        Say("[bold]Buoy demo[/]: two balancer nodes, three API servers, a DNS server and a client in network namespaces");
        var files = _options.Files is { } folder ? LabFiles.Read(folder) : SeedFiles.Load();
        _world = LabWorld.Create(_program, files);
        _servers = [.. Enumerable.Range(1, 3).Select(World.StartServer)];
        Say($"  segment {World.Network.Prefix}.0/{World.Network.Bits}, nodes {string.Join(", ", World.Nodes)}, floating address {World.Network.Vip}");
    }

    private void Start()
    {
        _client = new LabObserver(World, _program, _options.Streams);
        var clock = Stopwatch.StartNew();
        foreach (string node in World.Nodes)
        {
            World.StartDaemon(node);
        }

        Say("  started [bold]buoy cluster[/] on both nodes; piping cluster.crm into [bold]buoy crm configure[/]");
        var files = _options.Files is { } folder ? LabFiles.Read(folder) : SeedFiles.Load();
        if (!Until(() => World.Buoy(World.Nodes[0], null, "crm_mon", "-1").Status == 0))
        {
            throw new LabException("the cluster daemon does not answer");
        }

        var configured = World.Buoy(World.Nodes[0], files.ClusterCrm, "crm", "configure");
        foreach (string line in (configured.Output + configured.Errors).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Say("    " + Markup.Escape(line));
        }

        configured.Require("crm configure");
        if (!Client.WaitUp(StartPatienceMs))
        {
            throw new LabException($"the service does not answer at {World.Network.Vip}:{World.Network.Port} within {StartPatienceMs} ms");
        }

        Say(string.Create(CultureInfo.InvariantCulture, $"  first answer through the floating address {clock.ElapsedMilliseconds} ms after the first daemon was started"));
        Idle();
        Show(World.Nodes[0], "crm", "status");
        ShowStats();
        Client.Mark("start-up");
    }

    private IEnumerable<DemoStep> Story()
    {
        yield return new DemoStep("quiet", "nothing happens: what the client sees when all is well", Settle, () => true);
        yield return new DemoStep(
            "API server stops", "kube-mast02 is killed; health checks take it out",
            () => EndServer(2), () => WaitServer("kube-mast02", "DOWN"));
        yield return new DemoStep(
            "API server returns", "kube-mast02 comes back; health checks take it in again",
            () => _servers[1] = World.StartServer(2), () => WaitServer("kube-mast02", "UP"));
        yield return new DemoStep("balancer killed", "SIGKILL to the active node's balancer", KillBalancer, Recovered);
        yield return new DemoStep("node crash", "the active node's link is cut and all its processes are killed", CrashActive, Recovered);
        yield return new DemoStep("node returns", "the crashed node boots and joins again", BootCrashed, WaitBothOnline);
        yield return new DemoStep("standby", "planned move: crm node standby of the active node", () => Planned("standby"), Moved);
        yield return new DemoStep("online", "crm node online: it may be used again, nothing moves", () => Planned("online"), WaitBothOnline);
    }

    private string? _acted;
    private int _downs;

    private void Play(DemoStep step)
    {
        _downs = Client.Downs;
        Say($"[bold]{Markup.Escape(step.Name)}[/]: {Markup.Escape(step.What)}");
        step.Act();
        bool well = step.Until() && Client.WaitUp(RecoveryPatienceMs);
        Settle();
        var seen = Client.Mark(step.Name);
        _outcomes.Add(new DemoOutcome(step.Name, well, seen));
        string outage = string.Create(CultureInfo.InvariantCulture, $"outage {seen.OutageMs:0} ms, {seen.Failed} of {seen.Requests} requests failed");
        Say($"  {(well ? "[green]recovered[/]" : "[red]not recovered[/]")}, {outage}, {seen.LongEnded} of {_options.Streams} streams ended");
        if (step.Name is "node crash" or "standby")
        {
            Show(World.Nodes.First(World.IsUp), "crm", "status");
        }
    }

    /// <summary>Two seconds in which whatever an event left behind shows itself to the client.</summary>
    private void Settle() => _cancel.Token.WaitHandle.WaitOne(2000);

    private void Idle()
    {
        foreach (string node in World.Nodes.Where(World.IsUp))
        {
            World.Buoy(node, null, "crm_resource", "--wait");
            return;
        }
    }

    private string Active() => World.Holders().FirstOrDefault() ?? throw new LabException("no node holds the floating address");

    private void EndServer(int number)
    {
        var p = _servers[number - 1] ?? throw new LabException($"kube-mast{number:00} does not run");
        p.Kill(entireProcessTree: true);
        p.WaitForExit();
    }

    private void KillBalancer()
    {
        _acted = Active();
        string pid = World.InNode(_acted, ["cat", "/run/haproxy.pid"]).Require("pid file of the balancer").Output.Trim();
        World.Signal(_acted, "9", pid).Require("kill of the balancer");
    }

    private void CrashActive()
    {
        _acted = Active();
        World.Crash(_acted);
    }

    private void BootCrashed()
    {
        string node = _acted ?? throw new LabException("no node crashed");
        World.Boot(node);
        World.StartDaemon(node);
    }

    private void Planned(string what)
    {
        if (what == "standby")
        {
            _acted = Active();
        }

        string node = _acted ?? Active();
        World.Buoy(node, null, "crm", "node", what, node).Require($"crm node {what}");
    }

    /// <summary>The service went away and came back, or never went away within a second.</summary>
    private bool Recovered()
    {
        bool noticed = Client.WaitDownAndUp(_downs, RecoveryPatienceMs);
        return noticed || Client.Up;
    }

    private bool Moved() => Until(() => World.Holders() is [var holder] && holder != _acted) && Client.WaitUp(RecoveryPatienceMs);

    private bool WaitBothOnline() => Until(() =>
    {
        string text = World.Buoy(World.Nodes.First(World.IsUp), null, "crm_mon", "-1").Output;
        return World.Nodes.All(n => text.Contains(n, StringComparison.Ordinal)) && text.Contains("Online: [ " + string.Join(' ', World.Nodes) + " ]", StringComparison.Ordinal);
    });

    private bool WaitServer(string server, string state) => Until(() =>
        Stats().Any(row => row.Length > 17 && row[1] == server && row[17].StartsWith(state, StringComparison.Ordinal)));

    private bool Until(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (clock.ElapsedMilliseconds > RecoveryPatienceMs || _cancel.Token.WaitHandle.WaitOne(100))
            {
                _cancel.Token.ThrowIfCancellationRequested();
                return false;
            }
        }

        return true;
    }

    private string[][] Stats()
    {
        string node = World.Holders().FirstOrDefault() ?? "";
        if (node.Length == 0)
        {
            return [];
        }

        string csv = World.InNode(node, [_program, "lab", "ask", "/run/haproxy/admin.sock", "show stat"]).Output;
        return [.. csv.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => l[0] != '#').Select(l => l.Split(','))];
    }

    private void ShowStats()
    {
        var table = new Table().Border(TableBorder.Simple).Title("stats page (show stat)");
        table.AddColumns("proxy", "name", "status", "sessions", "bytes in", "bytes out", "check");
        foreach (string[] row in Stats())
        {
            table.AddRow(Markup.Escape(row[0]), Markup.Escape(row[1]), row[17], row[7], row[8], row[9], row.Length > 36 ? row[36] : "");
        }

        _console.Write(table);
    }

    private void Show(string node, params string[] words)
    {
        Say($"[grey]{node}# {Markup.Escape(string.Join(' ', words))}[/]");
        foreach (string line in World.Buoy(node, null, words).Output.TrimEnd().Split('\n'))
        {
            Say("    " + Markup.Escape(line));
        }
    }

    private void ShowLogs()
    {
        if (_options.Json || _world is null)
        {
            return;
        }

        foreach (string node in World.Nodes.Where(World.IsUp))
        {
            Console.Error.WriteLine($"--- last lines of {node}'s daemon");
            Console.Error.WriteLine(World.InNode(node, ["sh", "-c", "tail -n 25 /var/log/corosync/corosync.log /var/log/buoy.out"]).Output);
        }
    }

    private void Report()
    {
        if (_options.Json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize([.. _outcomes.Select(o => o.Seen)], LabJson.Default.ListLabInterval));
            return;
        }

        var table = new Table().Border(TableBorder.Rounded).Title("what the client noticed");
        table.AddColumns("event", "outage ms", "failed requests", "of", "p50 ms", "p99 ms", "streams ended", "errors");
        foreach (var (name, recovered, seen) in _outcomes)
        {
            table.AddRow(
                recovered ? name : $"[red]{name} (not recovered)[/]", Number(seen.OutageMs, "0"), Number(seen.Failed, "0"), Number(seen.Requests, "0"),
                Number(seen.P50Ms, "0.0"), Number(seen.P99Ms, "0.0"), Number(seen.LongEnded, "0"),
                Markup.Escape(string.Join(", ", seen.Errors.Select(e => $"{e.Key} {e.Value}"))));
        }

        _console.Write(table);
        if (!_options.Keep)
        {
            Say("Look around yourself: [bold]./buoy demo --keep[/]; with your own three files: [bold]./buoy demo --files DIR[/]");
        }
    }

    private void Keep()
    {
        string path = Path.Combine(Path.GetTempPath(), $"buoy-stats-{Environment.ProcessId}.sock");
        World.StartInHost("client", [_program, "lab", "relay", "unix:" + path, $"tcp:{World.Network.Vip}:32700"]);
        var local = FreeEndPoint(32700);
        var serve = LabRelay.Serve(local, new UnixDomainSocketEndPoint(path), _cancel.Token);
        Say($"stats page: [bold]http://{local}/[/] (admin, admin)");
        foreach (string node in World.Nodes.Where(World.IsUp))
        {
            Say($"{node}: [bold]{Markup.Escape(string.Join(' ', World.NodePrefix(node)))} {Markup.Escape(_program)} crm status[/]");
        }

        Say("Ctrl-C ends it");
        serve.GetAwaiter().GetResult();
        File.Delete(path);
    }

    private static IPEndPoint FreeEndPoint(int wanted)
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Bind(new IPEndPoint(IPAddress.Loopback, wanted));
        }
        catch (SocketException)
        {
            // Taken, by a real balancer perhaps: any other will do, and it is printed.
            probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        }

        return (IPEndPoint)probe.LocalEndPoint!;
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private void Say(string markup) => _console.MarkupLine(markup);
}
