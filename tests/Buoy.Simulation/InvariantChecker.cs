using Buoy.Membership;
using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>
/// The invariants of extended virtual synchrony over the histories of all nodes (E1 to E12 of the specification; E13
/// and E14
/// belong to the scenario, E15 is that no step throws). Returns the violations.
/// </summary>
internal sealed class InvariantChecker
{
    private readonly List<string> _violations = [];
    private readonly Dictionary<(RingId Id, bool Transitional), NodeSet> _configurations = [];
    private readonly Dictionary<(RingId Ring, ulong Seq), Message> _messages = [];
    private readonly List<Stay> _stays = [];
    private readonly ILookup<RingId, Message> _byRing;
    private readonly Dictionary<(RingId Ring, uint Node), Stay> _stayOf = [];

    /// <summary>A message as its originator sent it, with what it depends on.</summary>
    private sealed record Message(RegularMessage Sent, ulong SeenUpTo);

    /// <summary>A node's stay in one regular configuration and the transitional one after it.</summary>
    private sealed class Stay(uint node, ConfigurationChange regular, RingId previous)
    {
        public uint Node { get; } = node;
        public RingId Previous { get; } = previous;
        public ConfigurationChange Regular { get; } = regular;
        public ConfigurationChange? Transitional { get; set; }
        public ConfigurationChange? Next { get; set; }
        public HashSet<ulong> InRegular { get; } = [];
        public HashSet<ulong> InTransitional { get; } = [];

        /// <summary>The highest number delivered in the regular configuration.</summary>
        public ulong Highest { get; set; }
        public bool Has(ulong seq) => InRegular.Contains(seq) || InTransitional.Contains(seq);
    }

    private InvariantChecker(IEnumerable<SimulatedNode> nodes)
    {
        foreach (var node in nodes)
        {
            Originations(node);
        }

        foreach (var node in nodes)
        {
            Read(node);
        }

        _byRing = _messages.Values.ToLookup(m => m.Sent.RingId);
        foreach (var stay in _stays)
        {
            _stayOf.TryAdd((stay.Regular.RingId, stay.Node), stay);
        }
    }

    public static List<string> Check(IEnumerable<SimulatedNode> nodes)
    {
        var checker = new InvariantChecker(nodes);
        foreach (var stay in checker._stays)
        {
            checker.CheckStay(stay);
        }

        checker.CheckTogether();
        checker.CheckGlobalOrder(nodes);
        return checker._violations;
    }

    private void Violation(string name, string text) => _violations.Add($"{name}: {text}");

    private void Originations(SimulatedNode node)
    {
        ulong seen = 0;
        RingId ring = default;
        foreach (var entry in node.Log)
        {
            switch (entry)
            {
                case Configured { Change.Transitional: false } c:
                    ring = c.Change.RingId;
                    seen = 0;
                    break;
                case Delivered d when d.Message.RingId == ring:
                    seen = Math.Max(seen, d.Message.Seq);
                    break;
                case Originated o:
                    if (!_messages.TryAdd((o.Message.RingId, o.Message.Seq), new Message(o.Message,
                        o.Message.RingId == ring ? seen : 0)))
                    {
                        Violation("E1", $"{o.Message.RingId} seq {o.Message.Seq} originated twice, by {node.Id} too");
                    }

                    break;
            }
        }
    }

    /// <summary>E1 to E4 along one node's history.</summary>
    private void Read(SimulatedNode node)
    {
        Stay? stay = null;
        bool fresh = true;
        ulong installed = 0;
        ulong last = 0;
        RingId previous = default;
        foreach (var entry in node.Log)
        {
            switch (entry)
            {
                case Started:
                    fresh = true;
                    stay = null;
                    previous = default;
                    break;
                case Configured { Change.Transitional: true } c:
                    Same(c.Change.ConfId, transitional: true, c.Change.Members);
                    if (stay is null || stay.Transitional is not null || c.Change.RingId != stay.Regular.RingId)
                    {
                        Violation("E2", $"node {node.Id}: transitional {c.Change.ConfId} out of turn");
                        return;
                    }

                    stay.Transitional = c.Change;
                    break;
                case Configured c:
                    Same(c.Change.RingId, transitional: false, c.Change.Members);
                    if (!fresh && stay?.Transitional is null)
                    {
                        Violation("E2", $"node {node.Id}: regular {c.Change.RingId} without a transitional before it");
                    }

                    if (!c.Change.Members.Contains(node.Id))
                    {
                        Violation("E2",
                            $"node {node.Id} is not in its configuration {c.Change.RingId} {c.Change.Members}");
                    }

                    if (c.Change.RingId.Seq <= installed || c.Stored < c.Change.RingId.Seq)
                    {
                        Violation("E3", $"node {node.Id}: {c.Change.RingId} after seq {installed}, on disk {c.Stored}");
                    }

                    if (stay is not null)
                    {
                        stay.Next = c.Change;
                        previous = stay.Regular.RingId;
                    }

                    installed = c.Change.RingId.Seq;
                    fresh = false;
                    last = 0;
                    _stays.Add(stay = new Stay(node.Id, c.Change, previous));
                    break;
                case Delivered d:
                    var m = d.Message;
                    if (stay is null || m.RingId != stay.Regular.RingId)
                    {
                        Violation("E4", $"node {node.Id} delivered {m.RingId}/{m.Seq} in {stay?.Regular.RingId}");
                        return;
                    }

                    if (!_messages.TryGetValue((m.RingId, m.Seq), out var sent)
                        || !sent.Sent.Contents.AsSpan().SequenceEqual(m.Contents))
                    {
                        Violation("E4", $"node {node.Id} delivered {m.RingId}/{m.Seq} that nobody originated so");
                    }

                    if (m.Seq <= last)
                    {
                        Violation("E5", $"node {node.Id} delivered {m.RingId}/{m.Seq} after {last}");
                    }

                    last = m.Seq;
                    (stay.Transitional is null ? stay.InRegular : stay.InTransitional).Add(m.Seq);
                    stay.Highest = stay.Transitional is null ? Math.Max(stay.Highest, m.Seq) : stay.Highest;
                    break;
            }
        }
    }

    private void Same(RingId id, bool transitional, NodeSet members)
    {
        var key = (id, transitional);
        if (!_configurations.TryAdd(key, members) && !_configurations[key].Equals(members))
        {
            Violation("E1", $"configuration {id} is {_configurations[key]} and {members}");
        }
    }

    private void CheckStay(Stay stay)
    {
        var ring = stay.Regular.RingId;
        ulong highest = stay.Highest;
        var missing = _byRing[ring].Where(m => !stay.Has(m.Sent.Seq)).ToList();
        foreach (var m in _byRing[ring])
        {
            bool has = stay.Has(m.Sent.Seq);
            if (m.Sent.Seq <= highest && !stay.InRegular.Contains(m.Sent.Seq))
            {
                Violation("E5", $"node {stay.Node} delivered {ring} up to {highest} without {m.Sent.Seq}");
            }

            if (m.Sent.SenderId == stay.Node && stay.Next is not null && !has)
            {
                Violation("E7", $"node {stay.Node} never delivered its own {ring}/{m.Sent.Seq}");
            }

            if (!has)
            {
                continue;
            }

            foreach (var before in missing.Where(b => b.Sent.Seq < m.Sent.Seq
                && (b.Sent.Seq <= m.SeenUpTo || b.Sent.SenderId == m.Sent.SenderId)))
            {
                Violation("E8", $"node {stay.Node} delivered {ring}/{m.Sent.Seq} without {before.Sent.Seq} before it");
            }

            if (m.Sent.Safe)
            {
                CheckSafe(stay, m.Sent);
            }
        }

        CheckTransitional(stay);
    }

    private void CheckSafe(Stay stay, RegularMessage m)
    {
        bool regular = stay.InRegular.Contains(m.Seq);
        foreach (uint q in (regular ? stay.Regular : stay.Transitional!).Members)
        {
            var other = _stayOf.GetValueOrDefault((m.RingId, q));
            if (regular && other is null)
            {
                Violation("E10", $"safe {m.RingId}/{m.Seq} delivered by {stay.Node}, but {q} never installed the ring");
            }

            if (other is { Next: not null } && !other.Has(m.Seq))
            {
                Violation("E9", $"safe {m.RingId}/{m.Seq} delivered by {stay.Node}, not by {q}");
            }
        }
    }

    private void CheckTransitional(Stay stay)
    {
        if (stay is not { Transitional: { } t, Next: { } next })
        {
            return;
        }

        foreach (uint z in next.Members)
        {
            var there = _stayOf.GetValueOrDefault((next.RingId, z));
            if (there is not null && (there.Previous == stay.Regular.RingId) != t.Members.Contains(z))
            {
                Violation("E12",
                    $"{t.ConfId} {t.Members} at {stay.Node}: {z} comes from {there.Previous}, not {stay.Regular.RingId}");
            }
        }

        if (!t.Left.Equals(stay.Regular.Members.Except(t.Members))
            || !next.Joined.Equals(next.Members.Except(t.Members))
            || !t.Members.IsSubsetOf(next.Members))
        {
            Violation("E12", $"{t.ConfId} at {stay.Node}: left {t.Left}, joined {next.Joined}");
        }
    }

    /// <summary>
    /// E11: messages and configuration changes, each as one event of all nodes that delivered it, have an order that
    /// agrees with every node's: the graph of "delivered just before" has no cycle. A transitional id is told from a
    /// regular one (1 and 0): a node that starts twice while others form a ring may have been alone under that id.
    /// </summary>
    private void CheckGlobalOrder(IEnumerable<SimulatedNode> nodes)
    {
        var numbers = new Dictionary<(RingId Id, ulong Seq, bool Change), int>();
        var names = new List<(RingId Id, ulong Seq, bool Change)>();
        var times = new List<int>();
        var stories = new List<List<int>>();
        foreach (var node in nodes)
        {
            var story = new List<int>();
            foreach (var entry in node.Log)
            {
                (RingId Id, ulong Seq, bool Change)? here = entry switch
                {
                    Delivered d => (d.Message.RingId, d.Message.Seq, false),
                    Configured { Change: { Transitional: true } c } => (c.ConfId, 1, true),
                    Configured { Change: var c } => (c.RingId, 0, true),
                    _ => null,
                };
                if (here is not { } current)
                {
                    continue;
                }

                if (!numbers.TryGetValue(current, out int number))
                {
                    numbers[current] = number = names.Count;
                    names.Add(current);
                    times.Add(0);
                }

                times[number]++;
                story.Add(number);
            }

            stories.Add(story);
        }

        if (CommonOrder.FirstStuck(stories, times) is { } stuck)
        {
            var (id, seq, _) = names[stuck.Event];
            Violation("E11", $"{stuck.Left} events have no common order, {id}/{seq} one of them");
        }
    }

    /// <summary>E6: who is in one transitional configuration delivered the same before it and in it.</summary>
    private void CheckTogether()
    {
        foreach (var group in _stays.Where(s => s.Transitional is not null && s.Next is not null).GroupBy(s =>
            s.Transitional!.ConfId))
        {
            var first = group.First();
            foreach (var other in group.Skip(1))
            {
                if (!first.InRegular.SetEquals(other.InRegular)
                    || !first.InTransitional.SetEquals(other.InTransitional))
                {
                    Violation("E6",
                        $"{group.Key} after {first.Regular.RingId}: nodes {first.Node} and {other.Node} differ: "
                        + $"{first.InRegular.Count}+{first.InTransitional.Count} and {other.InRegular.Count}+{other.InTransitional.Count}");
                }
            }
        }
    }
}
