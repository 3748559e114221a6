using Buoy.Linux;
using Buoy.Membership;
using Buoy.Membership.Configuration;
using Buoy.Membership.Host;

namespace Buoy.Tests;

/// <summary>
/// Ring engines of one process on one loop, over UDP on 127/8; each test has a port and a network of its own.
/// </summary>
internal sealed class EngineLab : IDisposable
{
    private static int _nextPort = 20000 + (Environment.ProcessId % 20000);
    private readonly string _folder = Directory.CreateTempSubdirectory("buoy-ring-").FullName;
    private readonly int _port = Interlocked.Add(ref _nextPort, 2);
    private readonly int _nodes;

    public EngineLab(int nodes, int token = 3000, int links = 1)
    {
        _nodes = nodes;
        Token = token;
        Links = links;
        if (links > 1)
        {
            Transport = "knet";
        }
        File.WriteAllBytes(KeyPath, [.. Enumerable.Range(0, 256).Select(i => (byte)(i * 7))]);
    }

    public EventLoop Loop { get; } = new();
    public List<Node> Nodes { get; } = [];
    public string KeyPath => Path.Combine(_folder, "authkey");
    public List<string> Log { get; } = [];

    /// <summary>transport.</summary>
    public string Transport { get; set; } = "udpu";

    /// <summary>token, ms.</summary>
    public int Token { get; set; }

    /// <summary>Links of each node.</summary>
    public int Links { get; set; }

    /// <summary>Node 1 on ::1; the others have no such address.</summary>
    public bool Ipv6 { get; set; }

    /// <summary>More keys of totem {}.</summary>
    public string TotemKeys { get; set; } = "";

    /// <summary>Nodes of the list, where not all are in it.</summary>
    public int? Listed { get; set; }

    /// <summary>Links that lose everything: of all nodes, or to one only.</summary>
    public HashSet<(int Link, uint? To)> Cut { get; } = [];

    /// <summary>What each node's engine said must end it.</summary>
    public List<(uint Node, string Why)> Fatal { get; } = [];

    /// <summary>Writes the configuration files anew, for nodes that are asked to reload.</summary>
    public string ConfPath => Path.Combine(_folder, "corosync.conf");

    public sealed class Node(uint id, RingEngine engine) : IClusterEngineSink
    {
        public uint Id { get; } = id;
        public RingEngine Engine { get; } = engine;
        public List<ClusterView> Views { get; } = [];
        public List<long> ViewAt { get; } = [];
        public List<(uint Sender, string Text, int Length)> Messages { get; } = [];
        public long LastMessageMicros { get; private set; }
        public List<bool> QuorumChanges { get; } = [];
        public Action<uint, string>? Received { get; set; }

        public void OnView(ClusterView view)
        {
            Views.Add(view);
            ViewAt.Add(EventLoop.Now);
        }

        public void OnQuorum(bool quorate) => QuorumChanges.Add(quorate);

        public void OnMessage(uint sender, ReadOnlySpan<byte> payload)
        {
            LastMessageMicros = EventLoop.NowMicros;
            string text = System.Text.Encoding.UTF8.GetString(payload[..Math.Min(64, payload.Length)]);
            Messages.Add((sender, text, payload.Length));
            Received?.Invoke(sender, text);
        }

        public bool Send(string text) => Engine.TrySend(System.Text.Encoding.UTF8.GetBytes(text));

        public bool Sees(params uint[] members) =>
            Views.Count > 0 && Views[^1].Members.Select(m => m.NodeId).SequenceEqual(members);
    }

    public string Conf(string quorum = "two_node: 1", bool crypto = true) => $$"""
        totem {
          version: 2
          cluster_name: lab
          transport: {{Transport}}
          {{TotemKeys}}
          token: {{Token}}
          token_coefficient: 0
          token_retransmits_before_loss_const: 10
          {{(crypto ? "crypto_cipher: aes256\n  crypto_hash: sha256" : "")}}
        {{string.Join("\n", Enumerable.Range(0, Links).Select(l =>
            $"  interface {{\n    linknumber: {l}\n    mcastport: {_port}\n  }}"))}}
        }
        nodelist {
        {{string.Join("\n", Enumerable.Range(1, Listed ?? _nodes).Select(i =>
            $"  node {{\n{string.Concat(Enumerable.Range(0, Links).Select(l => $"    ring{l}_addr: {Address(i, l)}\n"))}"
            + $"    nodeid: {i}\n    name: n{i}\n  }}"))}}
        }
        quorum {
          provider: corosync_votequorum
          {{quorum}}
        }
        """;

    public Node Start(uint id, string? quorum = null, string? keyPath = null)
    {
        string text = Conf(quorum ?? ((Listed ?? _nodes) == 2 ? "two_node: 1" : ""));
        File.WriteAllText(ConfPath, text);
        if (keyPath is not null && !File.Exists(keyPath))
        {
            File.Copy(KeyPath, keyPath);
        }

        var options = new RingOptions
        {
            ConfigPath = ConfPath,
            Loses = (link, _) => Cut.Contains((link, null)) || Cut.Contains((link, id)),
            Fatal = why => Fatal.Add((id, why)),
            AuthkeyPath = keyPath ?? KeyPath,
            StateFolder = _folder,
            LocalName = $"n{id}",
            Log = (warning, line) => Log.Add($"n{id}: {line}"),
        };
        var node = new Node(id, RingEngine.Create(Loop, options));
        Assert.Equal(id, node.Engine.LocalNodeId);
        Nodes.Add(node);
        node.Engine.Start(node);
        return node;
    }

    /// <summary>Where a node listens on link 0.</summary>
    public UdpEndpoint Endpoint(uint id) => new(UdpAddress.Parse(Address((int)id))!.Value, (ushort)_port);

    /// <summary>Stops a node as a crash does: without a word.</summary>
    public void Crash(Node node)
    {
        Nodes.Remove(node);
        node.Engine.Dispose();
    }

    /// <summary>
    /// Turns the loop until the condition holds; fails with the log after a limit that only a defect reaches.
    /// </summary>
    public void Until(Func<bool> condition, string what, int limit = 20_000)
    {
        long end = EventLoop.Now + limit;
        while (!condition())
        {
            Assert.True(EventLoop.Now < end, $"not reached: {what}\n{string.Join('\n', Log)}\n"
                + string.Join('\n', Nodes.Select(n => $"n{n.Id}: {n.Engine.Status.State} {n.Engine.Status.RingId} "
                    + string.Join(' ', n.Engine.Status.Counters))));
            Loop.RunOnce(100);
        }
    }

    public void Dispose()
    {
        Nodes.ForEach(n => n.Engine.Dispose());
        Loop.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string Address(int id, int link = 0) => Ipv6 ? (id == 1 ? "::1" : $"fd00::{id}") : $"127.{_port / 256}.{_port % 256}.{id + (20 * link)}";
}
