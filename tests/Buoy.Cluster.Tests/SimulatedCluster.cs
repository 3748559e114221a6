using System.Text.Json;
using System.Xml.Linq;
using Buoy.Agents;
using Buoy.Cib;
using Buoy.Cluster.Controller;
using Buoy.Control;
using Buoy.Membership;
using Buoy.Scheduler;

namespace Buoy.Cluster.Tests;

/// <summary>
/// Several controllers on a bus with total order, in one thread, on virtual time. Partitions, crashes, agents that fail
/// or never
/// answer, and what each node runs.
/// </summary>
internal sealed class SimulatedCluster
{
    public const long MessageMs = 1;
    private readonly PriorityQueue<Action, (long Due, long Order)> _agenda = new();
    private readonly Dictionary<uint, long> _joined = [];
    private long _order;
    private ulong _seq = 4;
    private long _requests;

    public SortedDictionary<uint, SimulatedNode> Nodes { get; } = [];
    public long Now { get; private set; } = 1000;
    public DateTimeOffset Wall => DateTimeOffset.FromUnixTimeSeconds(1_795_355_989).AddMilliseconds(Now);

    /// <summary>Answer of an agent: rc, or null for "never".</summary>
    public Func<SimulatedNode, AgentRequest, int?> Agent { get; set; } = static (n, r) => n.Run(r);
    public Func<AgentRequest, long> AgentMs { get; set; } = static _ => 5;
    public Func<ISchedulerSeam> Scheduler { get; set; } = static () => new ScriptedScheduler();
    public CibEditor Editor { get; set; } = TinyEditor.Apply;
    public int ExpectedVotes { get; set; } = 2;
    public Dictionary<long, ControlResponse> Answers { get; } = [];
    public List<string> Log { get; } = [];

    public ControllerTime Time => new(Now, Wall);

    public void At(long delayMs, Action action) => _agenda.Enqueue(action, (Now + delayMs, _order++));

    public SimulatedNode Boot(uint id, string? cib = null)
    {
        var n = new SimulatedNode(this, id, XElement.Parse(cib ?? Disk.GetValueOrDefault(id) ?? EmptyCib));
        Nodes[id] = n;
        return n;
    }

    public Dictionary<uint, string> Disk { get; } = [];

    public static string EmptyCib => CibDocument.Empty().Root.ToString();

    /// <summary>Forms a view of these nodes; all were reachable before they get it, and messages on their way are
    /// delivered first.</summary>
    public void View(params uint[] ids)
    {
        _seq += 4;
        var ring = new RingId(_seq, ids.Min());
        bool quorate = ids.Length * 2 > ExpectedVotes || (ExpectedVotes == 2 && Nodes.Count > 0);
        Recover(ids);
        foreach (uint id in ids)
        {
            _joined.TryAdd(id, (long)_seq);
        }

        // A merge: those of the component with the oldest member keep their seniority, the others come in now.
        var components = ids.GroupBy(i => Nodes[i].Component).OrderBy(g => g.Min(i => _joined[i])).ThenBy(g => g.Min())
            .ToList();
        foreach (uint late in components.Skip(1).SelectMany(g => g))
        {
            _joined[late] = (long)_seq;
        }

        int component = (int)_seq;
        var members = ids.Order().Select(i => new ViewMember(i, null, (ulong)_joined[i])).ToList();
        foreach (uint id in ids)
        {
            var n = Nodes[id];
            var before = n.Members;
            n.Component = component;
            n.Members = [.. ids];
            n.Feed(new ViewInstalled(new ClusterView(ring, members, [.. before.Except(ids)], [.. ids.Except(before)],
                quorate, Now - 1),
                ExpectedVotes));
        }
    }

    /// <summary>The node is gone at once, with all that it runs.</summary>
    public void Crash(uint id, bool missingIsFine = false)
    {
        if (!Nodes.TryGetValue(id, out var node))
        {
            Assert.True(missingIsFine, $"node {id} is not here");
            return;
        }

        node.Dead = true;
        Nodes.Remove(id);
        _joined.Remove(id);
    }

    private sealed class Pending(uint sender, byte[] payload)
    {
        public uint Sender { get; } = sender;
        public byte[] Payload { get; } = payload;
    }

    private readonly Dictionary<int, List<Pending>> _pending = [];

    /// <summary>How many of the messages under way are delivered in the old configuration; the others come in the new
    /// one.</summary>
    public Func<int, int> RecoveredInOld { get; set; } = static n => n;

    public void Multicast(SimulatedNode from, byte[] payload)
    {
        int component = from.Component;
        if (!_pending.TryGetValue(component, out var list))
        {
            _pending.Add(component, list = []);
        }

        var p = new Pending(from.Id, payload);
        list.Add(p);
        At(MessageMs, () =>
        {
            if (list.Remove(p))
            {
                Deliver(component, p, Nodes.Keys);
            }
        });
    }

    private void Deliver(int component, Pending p, IEnumerable<uint> to)
    {
        foreach (uint id in to.ToList())
        {
            if (Nodes.TryGetValue(id, out var n) && n.Component == component && !n.Left)
            {
                n.Feed(new MessageDelivered(p.Sender, p.Payload));
            }
        }
    }

    // Virtual synchrony: those who go on together have the same messages before the new view. What was not yet ordered
    // is
    // originated anew in it, in its sender's order.
    private void Recover(uint[] ids)
    {
        foreach (var group in ids.GroupBy(i => Nodes[i].Component).ToList())
        {
            if (!_pending.TryGetValue(group.Key, out var list))
            {
                continue;
            }

            var first = list.Take(RecoveredInOld(list.Count)).ToList();
            foreach (var p in first)
            {
                Deliver(group.Key, p, group);
            }

            // With what those deliveries made their receivers send. Each part of a partition recovers for itself.
            var later = list.Except(first).Where(p => group.Contains(p.Sender)).ToList();
            list.RemoveAll(p => later.Contains(p));
            foreach (var p in later)
            {
                At(0, () => Multicast(Nodes[p.Sender], p.Payload));
            }
        }
    }

    /// <summary>Lets time pass until nothing is left to do or the limit is reached.</summary>
    public void Run(long ms = 60_000)
    {
        long end = Now + ms;
        for (int steps = 0; _agenda.TryPeek(out var a, out var key) && key.Due <= end; steps++)
        {
            Assert.True(steps < 200_000, "the cluster does not come to rest:\n" + string.Join('\n', Log.TakeLast(30)));
            _agenda.Dequeue();
            Now = Math.Max(Now, key.Due);
            a();
        }

        Now = end;
    }

    /// <summary>Runs until a condition holds; returns how many ms it took.</summary>
    public long RunUntil(Func<bool> condition, long limitMs = 60_000)
    {
        long start = Now;
        while (!condition())
        {
            Assert.True(_agenda.TryDequeue(out var a, out var key) && key.Due <= start + limitMs,
                $"not reached in {limitMs} ms:\n" + string.Join('\n', Log.TakeLast(30)));
            Now = Math.Max(Now, key.Due);
            a!();
        }

        return Now - start;
    }

    /// <summary>Lets time pass and looks at every step; for what must never hold.</summary>
    public void Watch(Action look, long ms)
    {
        long end = Now + ms;
        while (_agenda.TryPeek(out var a, out var key) && key.Due <= end)
        {
            _agenda.Dequeue();
            Now = Math.Max(Now, key.Due);
            a();
            look();
        }

        Now = end;
    }

    public long Ask(uint node, string command, string? body = null, params (string Name, string Value)[] arguments)
    {
        long id = ++_requests;
        Nodes[node].Feed(new ControlAsked(id,
            new ControlRequest(command, arguments.ToDictionary(a => a.Name, a => a.Value), body)));
        return id;
    }

    public long Apply(uint node, CibOperation operation, params (string Name, string Value)[] arguments) =>
        Ask(node, ControlCommand.CibApply,
            JsonSerializer.Serialize([operation], CibJson.Default.ListCibOperation), arguments);

    public void AssertReplicasEqual()
    {
        foreach (var g in Nodes.Values.Where(n => !n.Left).GroupBy(n => n.Component))
        {
            var texts = g.Select(n => n.Controller.Cib.ToString()).Distinct().ToList();
            Assert.True(texts.Count == 1, "replicas differ:\n" + string.Join("\n----\n", texts));
            Assert.True(g.All(n => n.Controller.Divergences == 0), string.Join('\n', Log));
        }
    }
}

/// <summary>One node: its controller, its disk and what runs on it.</summary>
internal sealed class SimulatedNode
{
    private readonly SimulatedCluster _cluster;
    private readonly Dictionary<(string Resource, string Task, long Interval),
        (long Call, AgentRequest Request)> _recurring = [];
    private long _wake;

    public SimulatedNode(SimulatedCluster cluster, uint id, XElement cib)
    {
        _cluster = cluster;
        Id = id;
        Controller = new ClusterController(new ControllerOptions
        {
            NodeId = id,
            NodeName = $"node{id}",
            ClusterName = "test",
            TransitionUuid = $"uuid-{id}-{cluster.Now}",
            Scheduler = cluster.Scheduler(),
            Editor = cluster.Editor,
            InitialCib = cib,
        });
        Members = [];
    }

    public uint Id { get; }
    public string Name => $"node{Id}";
    public ClusterController Controller { get; }
    public int Component { get; set; }
    public uint[] Members { get; set; }
    public bool Dead { get; set; }
    public bool Left { get; private set; }
    public HashSet<string> Running { get; } = [];
    public List<string> Done { get; } = [];
    public bool HoldDisk { get; set; }

    /// <summary>Why the disk takes nothing.</summary>
    public string? DiskError { get; set; }

    public void Feed(ControllerEvent e)
    {
        if (Dead || Left)
        {
            return;
        }

        foreach (var effect in Controller.Handle(e, _cluster.Time))
        {
            Carry(effect);
        }
    }

    public int? Run(AgentRequest r)
    {
        switch (r.Task)
        {
            case "start":
                Running.Add(r.ResourceId);
                return 0;
            case "stop":
                Running.Remove(r.ResourceId);
                return 0;
            default:
                return Running.Contains(r.ResourceId) ? 0 : 7;
        }
    }

    /// <summary>The resource dies; its recurring monitors report it at once, as the executor does.</summary>
    public void Kill(string resource)
    {
        Running.Remove(resource);
        foreach (var (_, m) in _recurring.Where(r => r.Key.Resource == resource).ToList())
        {
            Feed(new OperationEnded(m.Call, Result(7)));
        }
    }

    private AgentResult Result(int rc) => new(rc, OperationStatus.Done, "", _cluster.Wall, 5, 0);

    private void Carry(ControllerEffect effect)
    {
        switch (effect)
        {
            case Multicast m:
                _cluster.Multicast(this, m.Payload);
                break;
            case ExecuteOperation x:
                _cluster.At(_cluster.AgentMs(x.Request), () =>
                {
                    if (Dead || _cluster.Agent(this, x.Request) is not { } rc)
                    {
                        return;
                    }

                    Done.Add($"{x.Request.ResourceId} {x.Request.Task} {x.Request.IntervalMs}");
                    if (x.Request.IntervalMs > 0)
                    {
                        _recurring[(x.Request.ResourceId, x.Request.Task, x.Request.IntervalMs)] =
                            (x.CallId, x.Request);
                    }

                    Feed(new OperationEnded(x.CallId, Result(rc)));
                });
                break;
            case CancelOperation c:
                _recurring.Remove((c.ResourceId, c.Task, c.IntervalMs));
                break;
            case CancelAllOperations c:
                foreach (var key in _recurring.Keys.Where(k => k.Resource == c.ResourceId).ToList())
                {
                    _recurring.Remove(key);
                }

                break;
            case AnswerControl a:
                _cluster.Answers.Add(a.RequestId, a.Response);
                break;
            case WakeAt w:
                long turn = ++_wake;
                if (w.Ms is { } due)
                {
                    _cluster.At(Math.Max(0, due - _cluster.Now), () =>
                    {
                        if (turn == _wake)
                        {
                            Feed(new TimerFired());
                        }
                    });
                }

                break;
            case RequestTurn:
                _cluster.At(0, () => Feed(new TurnEnded()));
                break;
            case PersistCib p:
                if (!HoldDisk)
                {
                    _cluster.At(3, () =>
                    {
                        if (DiskError is null)
                        {
                            _cluster.Disk[Id] = p.Xml;
                        }

                        Feed(new CibPersisted(p.Sequence, DiskError));
                    });
                }

                break;
            case LeaveAndExit:
                Left = true;
                break;
            case LogRecord l:
                _cluster.Log.Add($"{_cluster.Now} {Name} {l.Topic}: {l.Text}");
                break;
            default:
                Assert.Fail($"unknown effect {effect}");
                break;
        }
    }
}

/// <summary>Create, replace and delete by id: enough for these tests.</summary>
internal static class TinyEditor
{
    public static XElement Apply(XElement cib, IReadOnlyList<CibOperation> operations)
    {
        foreach (var o in operations)
        {
            var section = o.Section is null ? cib
                : o.Section == "configuration" ? cib.Element("configuration")!
                : o.Section == "status" ? cib.Element("status")!
                : cib.Element("configuration")!.Element(o.Section)
                    ?? throw new CibException(78, $"no section {o.Section}");
            var e = o.Xml is null ? null : XElement.Parse(o.Xml);
            var old = e is null ? null : section.Descendants(e.Name)
                .FirstOrDefault(x => (string?)x.Attribute("id") == (string?)e.Attribute("id"));
            switch (o.Kind)
            {
                case CibOperationKind.Create:
                    if (old is not null)
                    {
                        throw new CibException(108, "exists");
                    }

                    section.Add(e);
                    break;
                case CibOperationKind.Replace:
                    (old ?? throw new CibException(105, "absent")).ReplaceWith(e);
                    break;
                case CibOperationKind.Delete:
                    old?.Remove();
                    break;
                default:
                    throw new CibException(78, "not here");
            }
        }

        return cib;
    }
}
