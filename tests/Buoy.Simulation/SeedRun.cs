using System.Globalization;
using Buoy.Membership;
using Buoy.Membership.Services;
using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>What a run went through.</summary>
internal sealed record SeedTotals(
    long Events, long Datagrams, long Partitions, long Merges, long Views, long Messages, long Attacks, long Doubles,
    long GroupChanges, long GroupMessages)
{
    public static SeedTotals operator +(SeedTotals a, SeedTotals b) => new(
        a.Events + b.Events, a.Datagrams + b.Datagrams, a.Partitions + b.Partitions, a.Merges + b.Merges,
        a.Views + b.Views, a.Messages + b.Messages, a.Attacks + b.Attacks, a.Doubles + b.Doubles,
        a.GroupChanges + b.GroupChanges, a.GroupMessages + b.GroupMessages);

    public static readonly SeedTotals None = new(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    public override string ToString() =>
        $"{Events} events, {Datagrams} datagrams, {Partitions} partitions, {Merges} merges, {Views} views, "
        + $"{Messages} messages delivered, {GroupChanges} changes and {GroupMessages} messages told to processes in groups, "
        + $"{Attacks} datagrams put in by attackers, "
        + $"{Doubles} times two quorate partitions as two_node allows";
}

/// <summary>One seed: random faults on a random cluster, then peace; every invariant checked.</summary>
internal static class SeedRun
{
    private const int Steps = 60;
    private const int LargeSteps = 25;
    private const int BriefSteps = 15;

    /// <summary>Things a node may remember: both rings' windows and some thousand of everything else.</summary>
    private const int RetainedLimit = (2 * TotemLimits.RetransmitWindow) + 4096;

    /// <summary>A number of the environment, or the fixed default: a test run is the same everywhere.</summary>
    public static int Number(string variable, int fallback) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;

    /// <summary>Runs seeds from one on; the failures each with the command that replays it.</summary>
    /// <param name="jobs">So many at once; 0 = one on each processor.</param>
    public static (SeedTotals Totals, List<string> Failures) Many(int from, int count, bool brief = false, int jobs = 0)
    {
        var gate = new Lock();
        var totals = SeedTotals.None;
        var failures = new SortedDictionary<int, string>();
        Parallel.ForEach(
            Enumerable.Range(from, count),
            new ParallelOptions { MaxDegreeOfParallelism = jobs > 0 ? jobs : Environment.ProcessorCount }, seed =>
            {
                var (run, failure) = Run(seed, Mutation.None, out _, brief);
                lock (gate)
                {
                    totals += run;
                    if (failure is not null)
                    {
                        failures[seed] = failure;
                    }
                }
            });
        return (totals, [.. failures.Values]);
    }

    public static (SeedTotals Totals, string? Failure) Run(int seed, Mutation mutation) =>
        Run(seed, mutation, out _);

    public static (SeedTotals Totals, string? Failure) Run(int seed, Mutation mutation, out Simulation simulation,
        bool brief = false)
    {
        int nodes = brief && seed % 32 != 0 ? 2 + (seed % 5) : 2 + (seed % 15);
        var s = simulation = new Simulation(seed, nodes, mutation, whole: true);
        try
        {
            s.StartAll();
            s.Run(500);
            for (int step = brief ? BriefSteps : nodes > 8 ? LargeSteps : Steps; step > 0; step--)
            {
                s.Disturb();
                s.DisturbServices();
                s.Run(s.Random.Next(4) switch { 0 => 5, 1 => 40, 2 => 150, _ => s.Random.Next(900) });
                s.OnStanding();
                if (s.Nodes.FirstOrDefault(n => n.Core?.Retained > RetainedLimit) is { } hoarder)
                {
                    return (Totals(s), Failure(seed, brief, [$"B: node {hoarder.Id} keeps {hoarder.Core!.Retained} things"]));
                }
            }

            bool peace = mutation == Mutation.None || mutation.ChecksLiveness;
            if (peace && Settle(s) is { } restless)
            {
                return (Totals(s), Failure(seed, brief, [restless]));
            }

            List<string> violations =
            [
                .. InvariantChecker.Check(s.Nodes), .. ViewChecker.Check(s), .. s.QuorumViolations,
                .. GroupChecker.Check(s, peace),
            ];
            if (s.Forged > 0)
            {
                violations.Add($"S: {s.Forged} datagrams that nobody sealed were believed");
            }

            return (Totals(s), violations.Count == 0 ? null : Failure(seed, brief, violations));
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return (Totals(s), Failure(seed, brief, ["E15: " + e]));
        }
    }

    /// <summary>Faults, views and messages of all nodes in order of time.</summary>
    public static void Trace(Simulation s, TextWriter to)
    {
        var lines = s.Story.Select(e => (e.At, Text: e.Text)).Concat(s.Nodes.SelectMany(n => n.Log.Select(e =>
            (e.At, Text: $"  {n.Id}  " + Describe(e)))));
        foreach (var (at, text) in lines.OrderBy(l => l.At))
        {
            to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{at,8} {text}"));
        }
    }

    public static string Describe(LogEntry entry) => entry switch
    {
        Started => "starts",
        Ended => "ends",
        Configured { Change: { Transitional: true } c } => $"transitional of {c.RingId}: {c.Members}; left {c.Left}",
        Configured { Change: var c } => $"ring {c.RingId}: {c.Members}; joined {c.Joined}",
        Delivered { Message: var m } => $"delivers {m.RingId}/{m.Seq} of {m.SenderId}{(m.Safe ? ", safe" : "")}",
        Noted n => n.Text,
        Viewed { View: var v } => $"view of {v.RingId}: {string.Join(' ', v.Members.Select(m => m.NodeId))}, "
            + (v.Quorate ? "quorate" : "not quorate"),
        QuorumChanged q => q.Quorate ? "is quorate" : "is not quorate any more",
        GroupChanged c => $"{SimulatedServices.Name(c.Client.Process)} in {c.Client.Group}: "
            + $"{string.Join(' ', c.Members.Select(SimulatedServices.Name))}; left {Changes(c.Left)}, joined {Changes(c.Joined)}",
        GroupSaid m => $"{SimulatedServices.Name(m.Client.Process)} in {m.Client.Group}: "
            + $"{SimulatedServices.Name(m.Sender)} says {m.Number}",
        GroupsWhole w => $"groups of {w.Ring}: {(w.Table.Length > 0 ? w.Table : "none")}",
        QuorumTold t => $"tells that {t.Notice.RingId} is {(t.Notice.Quorate ? "" : "not ")}quorate",
        Originated { Message: var m } => $"sends {m.RingId}/{m.Seq}{(m.Safe ? ", safe" : "")}",
        _ => entry.ToString(),
    };

    private static string Changes((GroupProcess Process, GroupReason Reason)[] changes) =>
        changes.Length == 0 ? "nobody"
            : string.Join(' ', changes.Select(c => $"{SimulatedServices.Name(c.Process)} {c.Reason}"));

    private static SeedTotals Totals(Simulation s)
    {
        var regular = s.Nodes.SelectMany(n => n.Log.OfType<Configured>()).Where(c => !c.Change.Transitional).ToList();
        return new SeedTotals(
            s.Events, s.Datagrams, s.Partitions,
            regular.Where(c => c.Change.Members.Count > 1 && c.Change.Joined.Count > 0)
                .Select(c => c.Change.RingId).Distinct().Count(),
            regular.Count, s.Nodes.Sum(n => (long)n.Log.OfType<Delivered>().Count()),
            s.Attacks, s.AllowedDoubles, s.Nodes.Sum(n => (long)n.Log.OfType<GroupChanged>().Count()),
            s.Nodes.Sum(n => (long)n.Log.OfType<GroupSaid>().Count()));
    }

    /// <summary>E13: faults end, one ring, and messages arrive. E14: then nothing changes.</summary>
    private static string? Settle(Simulation s)
    {
        s.Heal();
        s.Quality(0, 0, 2);
        if (s.LinkCount > 1)
        {
            s.BreakLink(s.LinkCount - 1);
        }

        foreach (var node in s.Nodes)
        {
            node.PausedUntil = 0;
            node.FailNextWrite = false;
        }

        s.StartAll();
        s.ReloadAll();
        if (!s.RunUntil(s.IsOneRing, (2 * TotemLimits.MergeBackoff) + 5000))
        {
            return "E13: no common ring: " + string.Join(" ", s.Nodes.Select(n =>
                $"{n.Id}:{n.Core!.State} {n.Ring} {n.Core.Members}"));
        }

        foreach (var node in s.Nodes)
        {
            s.SendFrom(node, safe: true);
        }

        s.SpeakInPeace();

        uint first = s.Stranger == 1 ? 2u : 1u;
        s.Run(1000);
        var ring = s.Node(first).Ring;
        s.Run(3000);
        if (!s.IsOneRing() || s.Node(first).Ring != ring)
        {
            return "E14: the configuration changed without a fault";
        }

        var counts = s.Nodes.Where(n => n.Id != s.Stranger).Select(n => n.Log.OfType<Delivered>().Count(d => d.Message.RingId == ring))
            .Distinct().ToList();
        if (s.Nodes.FirstOrDefault(n => n.Id != s.Stranger && n.Standing is not { Quorate: true }) is { } without
            && s.Stranger == 0)
        {
            return $"E13: node {without.Id} is not quorate though all are one ring: {without.Quorum!.TotalVotes} of "
                + $"{without.Quorum.Quorum}, {string.Join(' ', without.Quorum.Flags)}";
        }

        return counts is [> 0] ? null : "E13: messages delivered on the last ring: " + string.Join(", ", counts);
    }

    private static string Failure(int seed, bool brief, IReadOnlyList<string> violations) =>
        $"seed {seed}: {violations.Count} violations; replay with ./buoy sim --seed {seed} --trace{(brief ? " --brief" : "")}\n  "
        + string.Join("\n  ", violations.Take(6));
}
