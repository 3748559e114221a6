using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Buoy.Linux;

namespace Buoy.Lab;

/// <summary>The three files a lab runs, as text, and how many nodes.</summary>
/// <param name="HaproxyCfg">haproxy.cfg, unchanged.</param>
/// <param name="CorosyncConf">corosync.conf, unchanged.</param>
/// <param name="ClusterCrm">Lines for <c>crm configure</c>.</param>
internal sealed record LabFiles(string HaproxyCfg, string CorosyncConf, string ClusterCrm)
{
    /// <summary>Reads haproxy.cfg, corosync.conf and cluster.crm of a folder.</summary>
    public static LabFiles Read(string folder)
    {
        string Get(string name)
        {
            string path = Path.Combine(folder, name);
            return File.Exists(path) ? File.ReadAllText(path) : throw new LabException($"{path}: no such file (expected haproxy.cfg, corosync.conf and cluster.crm there)");
        }

        return new LabFiles(Get("haproxy.cfg"), Get("corosync.conf"), Get("cluster.crm"));
    }
}

/// <summary>
/// A small world on one machine: one segment with cluster nodes, three API servers, a DNS server and a client, all in
/// namespaces below one process, so that ending that process ends the world. Needs root, or an unprivileged user namespace
/// where the kernel allows one.
/// </summary>
internal sealed class LabWorld : IDisposable
{
    private const string LanName = "lan";
    private readonly LabNetwork _net = LabNetwork.Seed;
    private readonly string _program;
    private readonly string _scratch;
    private readonly Process _init;
    private readonly int _initPid;
    private readonly bool _userNamespace;
    private readonly Dictionary<string, (Process Process, int Pid)> _machines = [];
    private readonly List<Process> _started = [];
    private readonly int _nodes;

    private LabWorld(string program, string scratch, Process init, int initPid, bool userNamespace, int nodes)
    {
        _program = program;
        _scratch = scratch;
        _init = init;
        _initPid = initPid;
        _userNamespace = userNamespace;
        _nodes = nodes;
    }

    /// <summary>Addresses and names.</summary>
    public LabNetwork Network => _net;

    /// <summary>Names of the cluster nodes.</summary>
    public IReadOnlyList<string> Nodes => [.. Enumerable.Range(1, _nodes).Select(LabNetwork.NodeName)];

    /// <summary>Process id of process 1 of a running node, as seen from outside; for nsenter.</summary>
    public int NodePid(string node) => _machines[node].Pid;

    /// <summary>True while the node's machine runs.</summary>
    public bool IsUp(string node) => _machines.TryGetValue(node, out var m) && !m.Process.HasExited;

    /// <summary>Makes the segment with its hosts and boots the nodes; no cluster daemon runs yet.</summary>
    public static LabWorld Create(string program, LabFiles files, int nodes = 2)
    {
        bool root = Environment.IsPrivilegedProcess;
        string scratch = Directory.CreateTempSubdirectory("buoy-lab-").FullName;
        List<string> command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
        if (!root)
        {
            command.AddRange(["--user", "--map-root-user"]);
        }

        command.AddRange(["sh", "-c", LabScripts.Init]);
        var init = LabProcess.Start(command, redirectInput: true);
        string? ready = init.StandardOutput.ReadLine();
        if (ready != "ready")
        {
            string errors = init.StandardError.ReadToEnd();
            init.Dispose();
            Directory.Delete(scratch, recursive: true);
            throw new LabException("cannot make namespaces" + (root ? "" : " (not root; does the kernel allow unprivileged user namespaces?)") + ": " + errors);
        }

        var world = new LabWorld(program, scratch, init, ChildOf(init.Id), !root, nodes);
        try
        {
            world.Build(files);
            return world;
        }
        catch
        {
            world.Dispose();
            throw;
        }
    }

    /// <summary>Command prefix that enters a running node.</summary>
    public IReadOnlyList<string> NodePrefix(string node) =>
        ["nsenter", .. _userNamespace ? ["-U", "--preserve-credentials"] : Array.Empty<string>(),
         "-t", _machines[node].Pid.ToString(CultureInfo.InvariantCulture), "-m", "-u", "-i", "-n", "-p", "--"];

    /// <summary>Runs a command in a node.</summary>
    public LabResult InNode(string node, IEnumerable<string> command, string? input = null, int timeoutMs = 60_000) =>
        LabProcess.Run([.. NodePrefix(node), .. command], input, timeoutMs);

    /// <summary>Signals a process of a node, by its number there. By the shell's own kill: a bare machine has no other.</summary>
    public LabResult Signal(string node, string signal, string pid) =>
        InNode(node, ["sh", "-c", "kill -\"$1\" \"$2\"", "sh", signal, pid]);

    /// <summary>Runs the program under test in a node: <c>buoy WORDS</c>.</summary>
    public LabResult Buoy(string node, string? input, params string[] words) => InNode(node, [_program, .. words], input);

    /// <summary>Runs a command in another host (client, lan, kube-mast01 …).</summary>
    public LabResult InHost(string host, IEnumerable<string> command, int timeoutMs = 60_000) =>
        LabProcess.Run(HostPrefix(host).Concat(command), null, timeoutMs);

    /// <summary>Starts a long-running command in a host, with its streams open to the caller, who ends it.</summary>
    public Process StartInHost(string host, IEnumerable<string> command)
    {
        var p = LabProcess.Start(HostPrefix(host).Concat(command), redirectInput: true);
        _started.Add(p);
        return p;
    }

    /// <summary>Boots a node that is down: same disk, fresh namespaces, link up.</summary>
    public void Boot(string node)
    {
        int n = NumberOf(node);
        Script(LabScripts.NodeNetwork, node, LanName, _net.Nic, $"p-n{n}", _net.Broadcast, $"{_net.Node(n)}/{_net.Bits}");
        var p = LabProcess.Start(
            InitPrefix().Concat(
            [
                "env", _userNamespace ? "LAB_ONE_USER=1" : "LAB_ONE_USER=", "ip", "netns", "exec", node, "unshare", "--mount", "--uts", "--ipc", "--pid",
                "--fork", "--kill-child", "--mount-proc", "sh", "-c", LabScripts.NodeInit, "sh", node, _program,
                Path.Combine(_scratch, "etc"),
            ]),
            redirectInput: true);
        if (p.StandardOutput.ReadLine() != "ready")
        {
            throw new LabException($"boot of {node} failed: {p.StandardError.ReadToEnd()}");
        }

        // nsenter -p forks: nsenter, then unshare (which ip became), then the node's process 1.
        int unshare = ChildOf(p.Id);
        _machines[node] = (p, ChildOf(unshare));
    }

    /// <summary>Starts the cluster daemon on a node; returns at once. Its output goes to /var/log/buoy.out of the node.</summary>
    public void StartDaemon(string node) =>
        InNode(node, ["sh", "-c", "setsid \"$1\" cluster </dev/null >>/var/log/buoy.out 2>&1 &", "sh", _program]).Require("start of the cluster daemon");

    /// <summary>A machine that dies: first its link, so that its kernel cannot say goodbye, then every process.</summary>
    public void Crash(string node)
    {
        CutLink(node, down: true);
        var (process, pid) = _machines[node];
        if (!ProcessControl.Kill(pid, 9 /* SIGKILL */))
        {
            throw new LabException($"{node}'s process {pid} cannot be killed");
        }

        process.WaitForExit();
        process.Dispose();
        _machines.Remove(node);
    }

    /// <summary>Takes a node's port on the bridge down or up.</summary>
    public void CutLink(string node, bool down) =>
        Script("ip -n \"$1\" link set \"$2\" \"$3\"", LanName, $"p-n{NumberOf(node)}", down ? "down" : "up");

    /// <summary>Nodes cannot see each other; client and servers see all of them.</summary>
    public void Split(bool on)
    {
        foreach (string node in Nodes)
        {
            Script("ip netns exec \"$1\" bridge link set dev \"$2\" isolated \"$3\"", LanName, $"p-n{NumberOf(node)}", on ? "on" : "off");
        }
    }

    /// <summary>Running nodes whose interface holds the floating address.</summary>
    public IReadOnlyList<string> Holders() =>
        [.. Nodes.Where(n => IsUp(n) && LabProcess.Run([.. InitPrefix(), "ip", "-n", n, "-4", "-o", "addr", "show"]).Output
            .Contains($" {_net.Vip}/", StringComparison.Ordinal))];

    /// <summary>Starts API server 1, 2 or 3; returns when it listens.</summary>
    public Process StartServer(int number)
    {
        var p = StartInHost(
            LabNetwork.Servers[number - 1],
            [_program, "lab", "apiserver", LabNetwork.Servers[number - 1], $"{_net.Server(number)}:{_net.Port}"]);
        return p.StandardOutput.ReadLine() == "ready"
            ? p
            : throw new LabException($"API server {number} does not start: {p.StandardError.ReadToEnd()}");
    }

    /// <summary>Ends everything.</summary>
    public void Dispose()
    {
        foreach (var p in _started)
        {
            if (!p.HasExited)
            {
                p.Kill(entireProcessTree: true);
            }

            p.Dispose();
        }

        _init.StandardInput.Close();
        if (!_init.WaitForExit(5000))
        {
            _init.Kill(entireProcessTree: true);
            _init.WaitForExit();
        }

        foreach (var (process, _) in _machines.Values)
        {
            process.WaitForExit(2000);
            process.Dispose();
        }

        _init.Dispose();
        Directory.Delete(_scratch, recursive: true);
    }

    private static int NumberOf(string node) => int.Parse(node.AsSpan(node.Length - 2), CultureInfo.InvariantCulture);

    /// <summary>The single child of a process; it exists already, since it printed something.</summary>
    private static int ChildOf(int pid)
    {
        string children = File.ReadAllText($"/proc/{pid}/task/{pid}/children").Trim();
        return int.TryParse(children.Split(' ')[0], CultureInfo.InvariantCulture, out int child)
            ? child
            : throw new LabException($"process {pid} has no child");
    }

    private void Build(LabFiles files)
    {
        WriteFiles(files);
        Script(LabScripts.Lan, LanName);
        int port = 0;
        void Host(string ns, string nic, params string[] addresses) => Script(
            LabScripts.Host,
            [LanName, ns, nic, ns.StartsWith("hapx", StringComparison.Ordinal) ? $"p-n{NumberOf(ns)}" : $"p-h{++port}", _net.Broadcast, .. addresses]);

        Host("client", "eth0", $"{_net.Client}/{_net.Bits}");
        Host("dns-01", "eth0", $"{_net.Dns}/{_net.Bits}");
        for (int i = 1; i <= 3; i++)
        {
            Host(LabNetwork.Servers[i - 1], "eth0", $"{_net.Server(i)}/{_net.Bits}");
        }

        var names = Enumerable.Range(1, 3).Select(i => $"{LabNetwork.Servers[i - 1]}={_net.Server(i)}");
        StartInHost("dns-01", [_program, "lab", "dns", $"{_net.Dns}:53", .. names]);
        foreach (string node in Nodes)
        {
            Host(node, _net.Nic);
            Boot(node);
        }
    }

    private void WriteFiles(LabFiles files)
    {
        string etc = Path.Combine(_scratch, "etc");
        Directory.CreateDirectory(Path.Combine(etc, "haproxy", "errors"));
        Directory.CreateDirectory(Path.Combine(etc, "corosync"));
        File.WriteAllText(Path.Combine(etc, "haproxy", "haproxy.cfg"), files.HaproxyCfg);
        File.WriteAllText(Path.Combine(etc, "corosync", "corosync.conf"), files.CorosyncConf);
        File.WriteAllBytes(Path.Combine(etc, "corosync", "authkey"), RandomNumberGenerator.GetBytes(256));
        File.WriteAllText(Path.Combine(etc, "hosts"), _net.Hosts(_nodes));
        File.WriteAllText(Path.Combine(etc, "resolv.conf"), $"nameserver {_net.Dns}\noptions timeout:1 attempts:1\n");
        foreach (var (code, text) in LabErrorPages.All)
        {
            File.WriteAllText(Path.Combine(etc, "haproxy", "errors", $"{code}.http"), text);
        }
    }

    private IEnumerable<string> InitPrefix() =>
        ["nsenter", .. _userNamespace ? ["-U", "--preserve-credentials"] : Array.Empty<string>(),
         "-t", _initPid.ToString(CultureInfo.InvariantCulture), "-m", "-n", "-p", "--"];

    private IEnumerable<string> HostPrefix(string host) => [.. InitPrefix(), "ip", "netns", "exec", host];

    private void Script(string script, params string[] arguments) =>
        LabProcess.Run([.. InitPrefix(), "sh", "-c", script, "sh", .. arguments]).Require(script.Split('\n')[0]);
}
