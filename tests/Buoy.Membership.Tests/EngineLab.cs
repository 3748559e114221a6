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
    private readonly int _token;

    public EngineLab(int nodes, int token = 3000)
    {
        _nodes = nodes;
        _token = token;
        File.WriteAllBytes(KeyPath, [.. Enumerable.Range(0, 256).Select(i => (byte)(i * 7))]);
    }

    public EventLoop Loop { get; } = new();
    public List<Node> Nodes { get; } = [];
    public string KeyPath => Path.Combine(_folder, "authkey");
    public List<string> Log { get; } = [];

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
          transport: udpu
          token: {{_token}}
          token_coefficient: 0
          token_retransmits_before_loss_const: 10
          {{(crypto ? "crypto_cipher: aes256\n  crypto_hash: sha256" : "")}}
          interface {
            mcastport: {{_port}}
          }
        }
        nodelist {
        {{string.Join("\n", Enumerable.Range(1, _nodes).Select(i =>
            $"  node {{\n    ring0_addr: {Address(i)}\n    nodeid: {i}\n    name: n{i}\n  }}"))}}
        }
        quorum {
          provider: corosync_votequorum
          {{quorum}}
        }
        """;

    public Node Start(uint id, string? quorum = null, string? keyPath = null)
    {
        string text = Conf(quorum ?? (_nodes == 2 ? "two_node: 1" : ""));
        var options = new RingOptions
        {
            Config = CorosyncConfig.Parse(text, "lab.conf"),
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

    private string Address(int id) => $"127.{_port / 256}.{_port % 256}.{id}";
}
