using Buoy.Membership;
using Buoy.Membership.Configuration;
using Buoy.Membership.Links;
using Buoy.Membership.Quorum;
using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>What is deliberately broken, to see that the checker catches it.</summary>
internal sealed record Mutation
{
    public static readonly Mutation None = new();

    /// <summary>A restarted node does not know its ring seq.</summary>
    public bool ForgetsDisk { get; init; }

    /// <summary>
    /// One Join in this many carries an accusation drawn at random; 0 = none. Not a defect: safety must stand it.
    /// </summary>
    public int RandomAccusations { get; init; }

    /// <summary>Every view counts as quorate.</summary>
    public bool AlwaysQuorate { get; init; }

    /// <summary>A view is given before all members have said who they are.</summary>
    public bool ViewsEarly { get; init; }

    /// <summary>One link is used whatever is known of it.</summary>
    public bool NeverFailsOver { get; init; }

    /// <summary>What this breaks shows in peace: liveness is checked too.</summary>
    public bool ChecksLiveness => NeverFailsOver || LosesWaiting;

    /// <summary>Process groups hear what their own node sends when it is sent, not in its place in the order.</summary>
    public bool HearsItselfAtOnce { get; init; }

    /// <summary>Process groups hear each message twice.</summary>
    public bool HearsTwice { get; init; }

    /// <summary>Processes are not told who comes into their group with its node.</summary>
    public bool OmitsComing { get; init; }

    /// <summary>Process groups are not told of nodes that went and came back between two views.</summary>
    public bool OverlooksLosses { get; init; }

    /// <summary>Who tracks quorum is told of views, but not of another verdict.</summary>
    public bool KeepsVerdicts { get; init; }

    /// <summary>A view that comes as its ring ends lets messages out on the next ring, before its view.</summary>
    public bool OpensForOldViews { get; init; }

    /// <summary>What processes ask for while the ring changes is lost.</summary>
    public bool LosesWaiting { get; init; }

    /// <summary>What is not authentic is taken all the same.</summary>
    public bool BelievesForgeries { get; init; }

    /// <summary>Alters what is sent.</summary>
    public Func<TotemMessage, TotemMessage>? Alters { get; init; }
}

/// <summary>
/// A cluster of real cores on virtual time (ms), a lossy network and a script of faults, all from one seed. The
/// network loses,
/// repeats, delays and reorders datagrams; links break one way or both ways; nodes crash, pause, leave and restart.
/// </summary>
internal sealed partial class Simulation
{
    private readonly SimulatedNetwork _network;
    private readonly SimulatedNode[] _nodes;
    private int _payload;

    /// <summary>Repeats are of the network, and the envelope drops them; else the core itself has to.</summary>
    private bool _repeatsBelow;
    private double _loss;
    private double _repeat;
    private int _delay = 2;

    public Simulation(
        int seed, int nodes, Mutation? mutation = null, bool silenceRule = true, bool whole = false, int messageUnits = 1)
    {
        Random = new Random(seed);
        Mutation = mutation ?? Mutation.None;
        Parameters = new TotemParameters
        {
            Token = 300, TokenRetransmit = 60, Hold = 38, Join = 30, Consensus = 360, Merge = 100, FailRecvConst = 60,
            SeqnoUnchangedConst = 5, MissCountConst = Random.Next(1, 6), SendJoin = Random.Next(2) * 10,
                SilenceRule = silenceRule, MessageUnits = whole && seed % 4 == 3 ? 10 : messageUnits,
        };
        Allowed = Random.Next(2) == 0 ? null : NodeSet.Of(Enumerable.Range(1, nodes).Select(i => (uint)i));
        _network = new SimulatedNetwork(nodes);
        _nodes = [.. Enumerable.Range(1, nodes).Select(id => new SimulatedNode(this, (uint)id))];

        if (whole)
        {
            DrawWorld(nodes);
            DrawServices(seed);
        }
    }

    public Random Random { get; }
    public Mutation Mutation { get; }
    public TotemParameters Parameters { get; }
    public NodeSet? Allowed { get; }
    public long Now { get; private set; } = 1000;
    public IReadOnlyList<SimulatedNode> Nodes => _nodes;
    public long Datagrams { get; private set; }

    /// <summary>Wake-ups of nodes: datagrams fed and deadlines met.</summary>
    public long Events { get; private set; }
    public long Partitions { get; private set; }

    /// <summary>What was done to the cluster, for the trace of one seed.</summary>
    public List<(long At, string Text)> Story { get; } = [];

    public SimulatedNode Node(uint id) => _nodes[id - 1];

    // ── Network ──────────────────────────────────────────────────────────────────────────────────────────────────

    public Func<uint, uint, TotemMessage, bool>? Loses { get; set; }

    /// <summary>What the mutation makes of a message before it is sealed.</summary>
    public TotemMessage Altered(TotemMessage message)
    {
        message = Mutation.Alters?.Invoke(message) ?? message;
        if (Mutation.RandomAccusations > 0 && message is JoinMessage join
            && Random.Next(Mutation.RandomAccusations) == 0)
        {
            uint accused = join.ProcSet[Random.Next(join.ProcSet.Count)];
            message = accused == join.SenderId ? join : join with { FailSet = join.FailSet.With(accused) };
        }

        return message;
    }

    /// <summary>A message out of turn, as if a node had sent it.</summary>
    public static void Send(SimulatedNode from, uint to, TotemMessage message) => from.SendOutOfTurn(to, message);

    /// <summary>Over one link to one node. The message is what the datagram carries; null for a link's own.</summary>
    public void Transmit(SimulatedNode from, uint to, int link, TotemMessage? message, Packet datagram)
    {
        if (_network.IsCut(from.Id, to, link) || Random.NextDouble() < _loss
            || (message is not null && Loses?.Invoke(from.Id, to, message) == true))
        {
            return;
        }

        int copies = Random.NextDouble() < _repeat ? 2 : 1;
        for (int i = 0; i < copies; i++)
        {
            int delay = 1 + Random.Next(_delay);
            if (i > 0 && message is not null && !_repeatsBelow)
            {
                datagram = from.Reseal(message);
            }

            _network.Add(Now, delay, new SimulatedNetwork.Arrival(to, link, datagram));
            Datagrams++;
        }

        if (_whole)
        {
            Attack(to, link, datagram.Bytes);
        }
    }

    public void Cut(uint from, uint to) => _network.Cut(from, to);

    public void Heal()
    {
        Tell("heal");
        _network.Heal();
    }

    public void Quality(double loss, double repeat, int delay)
    {
        Tell($"network: {loss:P0} lost, {repeat:P0} doubled, delay 1 to {delay} ms");
        (_loss, _repeat, _delay) = (loss, repeat, delay);
    }

    private void Tell(string text) => Story.Add((Now, text));

    // ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Runs until a moment.</summary>
    public void RunTo(long end)
    {
        while (true)
        {
            long next = _network.NextAfter(Now);
            foreach (var node in _nodes)
            {
                next = Math.Min(next, node.NextDeadline);
            }

            if (next > end)
            {
                Now = end;
                return;
            }

            Now = Math.Max(Now, next);
            foreach (var arrival in _network.At(Now))
            {
                var to = _nodes[arrival.To - 1];
                if (to.Core is not null)
                {
                    to.Inbox.Add((arrival.Link, arrival.Packet));
                    Events++;
                    to.Turn(Now);
                }
            }

            _network.Arrived(Now);
            foreach (var node in _nodes)
            {
                if (node.NextDeadline <= Now)
                {
                    Events++;
                    node.Turn(Now);
                }
            }
        }
    }

    public void Run(long milliseconds) => RunTo(Now + milliseconds);

    /// <summary>Runs until the condition holds. False: it did not within the limit.</summary>
    public bool RunUntil(Func<bool> condition, long limit)
    {
        for (long end = Now + limit; Now < end;)
        {
            if (condition())
            {
                return true;
            }

            Run(10);
        }

        return condition();
    }

    public void StartAll()
    {
        foreach (var node in _nodes)
        {
            if (node.Core is null)
            {
                node.Start(Now);
            }
        }
    }

    public void SendFrom(SimulatedNode node, bool safe) => node.Send(Now, BitConverter.GetBytes(++_payload), safe);

    /// <summary>All live nodes are on one installed ring and it is theirs.</summary>
    public bool IsOneRing()
    {
        var live = _nodes.Where(n => n.Core is not null && n.Id != Stranger).ToList();
        return live.TrueForAll(n => n.Core!.State is TotemState.Operational && n.Ring == live[0].Ring
            && n.Core.Members.Count == live.Count);
    }

    // ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>One random fault, repair or burst.</summary>
    public void Disturb()
    {
        var nodes = _nodes;
        var node = nodes[Random.Next(nodes.Length)];
        switch (Random.Next(_whole ? 19 : 16))
        {
            case 0:
                Partition();
                break;
            case 1:
                uint deaf = nodes[Random.Next(nodes.Length)].Id;
                Tell($"cut one way, {node.Id} to {deaf}");
                Cut(node.Id, deaf);
                break;
            case 2 or 3:
                Heal();
                break;
            case 4 when node.Core is not null:
                node.Crash(Now);
                break;
            case 5 or 6 when node.Core is null:
                node.Start(Now);
                break;
            case 7 when node.Core is not null:
                node.PausedUntil = Now + Random.Next(30, 3 * Parameters.Token / 2);
                Tell($"node {node.Id} pauses until {node.PausedUntil}");
                break;
            case 8 when node.Core is not null && Random.Next(3) == 0:
                node.Leave(Now);
                break;
            case 9:
                Quality(Random.Next(3) * 0.1, Random.Next(3) * 0.1, Random.Next(3) == 0 ? 20 : 3);
                break;
            case 10:
                Quality(0, 0, 2);
                break;
            case 11:
                Tell($"the next write of node {node.Id} fails");
                node.FailNextWrite = true;
                break;
            case 12 when node.Core is not null:
                node.Crash(Now);
                node.Start(Now + 0);
                break;
            case 18:
                Reload();
                break;
            case 16 or 17 when LinkCount > 1:
                CutLink(node.Id);
                break;
            default:
                foreach (var sender in nodes.Where(n => n.Core is not null && Random.Next(2) == 0))
                {
                    for (int i = Random.Next(20); i > 0; i--)
                    {
                        SendFrom(sender, Random.Next(3) == 0);
                    }
                }

                break;
        }
    }

    private void Partition()
    {
        var side = _nodes.ToDictionary(n => n.Id, _ => Random.Next(2));
        Partitions++;
        Tell($"partition {{{string.Join(' ', side.Keys.Where(id => side[id] == 0))}}} "
            + $"{{{string.Join(' ', side.Keys.Where(id => side[id] == 1))}}}");
        foreach (uint a in side.Keys)
        {
            foreach (uint b in side.Keys)
            {
                if (side[a] != side[b])
                {
                    Cut(a, b);
                }
            }
        }
    }
}
