using Buoy.Membership;
using Buoy.Membership.Services;

namespace Buoy.Simulation;

/// <summary>
/// Invariants of process groups and quorum notices over the histories of all nodes.
/// <list type="bullet">
/// <item>P1 a process's list of members is the one before, less who left, plus who joined; it is told nothing before
/// its own join nor after its own leaving</item>
/// <item>P2 a message comes from a member of the list and says what was said, once</item>
/// <item>P3 a process that stays hears all it said, in that order</item>
/// <item>P4 all messages, joins and leavings of a group have one order that agrees with what each process was told</item>
/// <item>P5 who goes through the same configurations is told the same between two views</item>
/// <item>P6 the table of groups is the same on all members of a view that is whole; in peace it is who there is</item>
/// <item>P7 a reason is true, and who is gone with its node is told before anything else</item>
/// <item>N1 every view and every change of the verdict is told, with the view it is about</item>
/// </list>
/// </summary>
internal sealed class GroupChecker
{
    private readonly Simulation _simulation;
    private readonly List<string> _violations = [];
    private readonly Dictionary<uint, GroupClient> _clients;
    private readonly Dictionary<int, GroupClient> _speakers = [];
    private readonly Dictionary<uint, Story> _stories = [];

    /// <summary>What one process was told.</summary>
    private sealed class Story(GroupClient client)
    {
        public GroupClient Client { get; } = client;
        public HashSet<GroupProcess> Members { get; } = [];
        public bool In { get; set; }
        public bool Out { get; set; }

        /// <summary>The stretch in which it left; none: -1.</summary>
        public int LeftIn { get; set; } = -1;
        public HashSet<int> Heard { get; } = [];
        public List<int> HeardOfItself { get; } = [];

        /// <summary>Processes that were lost with the newest view and are not told of yet.</summary>
        public HashSet<GroupProcess> Lost { get; } = [];

        /// <summary>Messages, joins and leavings with the stretch between two views they belong to.</summary>
        public List<(int Stretch, string Event)> Events { get; } = [];

        /// <summary>Stretches it was in its group in, at their beginning or later.</summary>
        public HashSet<int> Stretches { get; } = [];
    }

    private GroupChecker(Simulation s)
    {
        _simulation = s;
        _clients = s.Clients.ToDictionary(c => c.Id);
        foreach (var client in s.Clients)
        {
            client.Said.ForEach(n => _speakers[n] = client);
        }
    }

    /// <param name="peace">Faults have ended and all was delivered.</param>
    public static List<string> Check(Simulation s, bool peace)
    {
        var checker = new GroupChecker(s);
        if (s.HasServices)
        {
            var stretches = new Stretches(s, peace);
            foreach (var node in s.Nodes)
            {
                checker.Read(node, stretches);
            }

            checker.CheckOrder();
            checker.CheckTogether(stretches);
            checker.CheckTables(peace);
        }

        return checker._violations;
    }

    private void Violation(string name, string text) => _violations.Add($"{name}: {text}");

    private static string Name(GroupProcess p) => SimulatedServices.Name(p);

    private static string Text(IEnumerable<GroupProcess> processes) => string.Join(' ', processes.Order().Select(Name));

    /// <summary>P1, P2, P7 and N1 along one node's history.</summary>
    private void Read(SimulatedNode node, Stretches stretches)
    {
        Viewed? view = null;
        QuorumNotice? told = null;
        QuorumNotice? due = null;
        int stretch = -1;
        foreach (var entry in node.Log)
        {
            switch (entry)
            {
                case Started:
                    (view, told, due) = (null, null, null);
                    break;
                case Viewed v:
                    CheckTold(node, told, due);
                    view = v;
                    stretch = stretches.Next(node);
                    due = new QuorumNotice(v.View.Quorate, v.View.RingId, [.. v.View.Members.Select(m => m.NodeId)]);
                    foreach (var story in StoriesOf(node, v.At))
                    {
                        CheckLost(story);
                        story.Lost.UnionWith(story.Members.Where(p => IsLost(v.View, p)));
                    }

                    break;
                case QuorumChanged q:
                    CheckTold(node, told, due);
                    due = due! with { Quorate = q.Quorate };
                    break;
                case QuorumTold t:
                    told = t.Notice;
                    foreach (var story in StoriesOf(node, t.At))
                    {
                        story.Stretches.Add(stretch);
                    }

                    break;
                case GroupsWhole w:
                    foreach (var story in StoriesOf(node, w.At))
                    {
                        CheckLost(story);
                    }

                    break;
                case GroupChanged c:
                    ReadChange(c, view!.View, stretch, stretches);
                    break;
                case GroupSaid m:
                    ReadMessage(m, stretch, stretches);
                    break;
            }
        }

        if (node.Core is not null)
        {
            CheckTold(node, told, due);
        }
    }

    /// <summary>Processes of a node that are in their groups and go on after this moment.</summary>
    private IEnumerable<Story> StoriesOf(SimulatedNode node, long at) =>
        _stories.Values.Where(s => s.Client.Node == node && s is { In: true, Out: false }
            && Math.Min(s.Client.EndedAt, s.Client.CrashedAt) > at);

    private static bool IsLost(ClusterView view, GroupProcess p) =>
        view.Left.Contains(p.NodeId) || !view.Members.Any(m => m.NodeId == p.NodeId);

    private void CheckLost(Story story)
    {
        if (story.Lost.Count > 0)
        {
            Violation("P7", $"{Name(story.Client.Process)} was not told that {Text(story.Lost)} went with the node");
            story.Lost.Clear();
        }
    }

    private void CheckTold(SimulatedNode node, QuorumNotice? told, QuorumNotice? due)
    {
        if (due is not null && (told is null || told.Quorate != due.Quorate || told.RingId != due.RingId
            || !told.Members.SequenceEqual(due.Members)))
        {
            Violation("N1", $"node {node.Id} is {(due.Quorate ? "" : "not ")}quorate on {due.RingId}, told was "
                + (told is null ? "nothing" : $"{(told.Quorate ? "" : "not ")}quorate on {told.RingId}"));
        }
    }

    private void ReadChange(GroupChanged c, ClusterView view, int stretch, Stretches stretches)
    {
        string who = Name(c.Client.Process);
        if (!_stories.TryGetValue(c.Client.Id, out var story))
        {
            _stories[c.Client.Id] = story = new Story(c.Client);
        }

        bool mine = c.Joined.Any(j => j.Process == c.Client.Process && j.Reason == GroupReason.Join);
        if (story.Out || story.In == mine)
        {
            Violation("P1", $"{who} was told a change "
                + (story.Out ? "after it had left" : mine ? "of its joining twice" : "before it joined"));
        }

        if (!story.In)
        {
            story.Members.UnionWith(c.Members.Except(c.Joined.Select(j => j.Process)));
        }

        story.In = true;
        story.Stretches.Add(stretches.Of(c, stretch));
        bool sound = c.Left.All(l => story.Members.Remove(l.Process)) & c.Joined.All(j => story.Members.Add(j.Process));
        if (!sound || !story.Members.SetEquals(c.Members))
        {
            Violation("P1", $"{who}: members {Text(c.Members)}, but by the changes {Text(story.Members)}");
        }

        if (c.Left.Any(l => l.Process == c.Client.Process))
        {
            (story.Out, story.LeftIn) = (true, stretches.Of(c, stretch));
        }

        story.Lost.ExceptWith(c.Left.Select(l => l.Process));
        foreach (var (process, reason) in c.Left.Concat(c.Joined))
        {
            CheckReason(c, process, reason, view);
            // Of a leaving that was kept back only those are told that knew who leaves.
            if (reason is GroupReason.Join
                || (reason is GroupReason.Leave or GroupReason.ProcessDown && !stretches.IsKeptBack(c)))
            {
                story.Events.Add((stretches.Of(c, stretch), $"{reason} {Name(process)}"));
            }
        }
    }

    private void CheckReason(GroupChanged c, GroupProcess process, GroupReason reason, ClusterView view)
    {
        bool known = _clients.TryGetValue(process.ProcessId, out var client) && client.Process == process
            && client.Group == c.Client.Group;
        bool ended = known && Math.Min(client!.EndedAt, Math.Min(client.CrashedAt, client.LeavesAt)) <= c.At;
        bool true_ = known && reason switch
        {
            GroupReason.Join => c.Joined.Length == 1,
            GroupReason.NodeUp => view.Members.Any(m => m.NodeId == process.NodeId),
            GroupReason.Leave => client!.LeavesAt <= c.At,
            GroupReason.ProcessDown => client!.EndedAt <= c.At,
            GroupReason.NodeDown => IsLost(view, process) || ended,
            _ => false,
        };
        if (!true_)
        {
            string who = Name(c.Client.Process);
            Violation("P7", $"{who} was told {reason} of {Name(process)} at {c.At}, which is not so");
        }
    }

    private void ReadMessage(GroupSaid m, int stretch, Stretches stretches)
    {
        string who = Name(m.Client.Process);
        if (!_stories.TryGetValue(m.Client.Id, out var story) || story.Out)
        {
            Violation("P1", $"{who}, which is no member, was told message {m.Number}");
            return;
        }

        if (!_speakers.TryGetValue(m.Number, out var speaker) || speaker.Process != m.Sender
            || speaker.Group != m.Client.Group || !story.Heard.Add(m.Number))
        {
            Violation("P2", $"{who} was told message {m.Number} of {Name(m.Sender)}: not what was said, or twice");
        }

        // What a view that was never whole kept back comes out before the next one, at whoever was in it.
        if (!stretches.IsKeptBack(m) && !story.Members.Contains(m.Sender))
        {
            Violation("P2", $"{who} was told message {m.Number} of {Name(m.Sender)}, not one of {Text(story.Members)}");
        }

        if (m.Sender == m.Client.Process)
        {
            story.HeardOfItself.Add(m.Number);
        }

        story.Events.Add((stretches.Of(m, stretch), $"message {m.Number}"));
    }

    /// <summary>P4.</summary>
    private void CheckOrder()
    {
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        var names = new List<string>();
        var times = new List<int>();
        var stories = new List<List<int>>();
        foreach (var story in _stories.Values)
        {
            var line = new List<int>(story.Events.Count);
            foreach (var (_, name) in story.Events)
            {
                if (!numbers.TryGetValue(name, out int number))
                {
                    numbers[name] = number = names.Count;
                    names.Add(name);
                    times.Add(0);
                }

                times[number]++;
                line.Add(number);
            }

            stories.Add(line);
        }

        if (CommonOrder.FirstStuck(stories, times) is { } stuck)
        {
            Violation("P4", $"{stuck.Left} events have no common order, '{names[stuck.Event]}' one of them");
        }
    }

    /// <summary>P5: in each stretch that nodes share, who was there for a part of it was told that part.</summary>
    private void CheckTogether(Stretches stretches)
    {
        foreach (var group in _stories.Values.GroupBy(s => s.Client.Group))
        {
            var first = new Dictionary<string, (GroupClient Client, List<string> Events)>(StringComparer.Ordinal);
            foreach (var story in group)
            {
                var told = story.Events.ToLookup(e => e.Stretch, e => e.Event);
                string name = Name(story.Client.Process);
                foreach (int stretch in story.Stretches)
                {
                    var events = told[stretch].ToList();
                    bool whole = !events.Contains("Join " + name) && stretch != story.LeftIn;
                    if (stretches.KeyOf(stretch) is not { } key || story.Client.EndedAt != long.MaxValue)
                    {
                        continue;
                    }

                    if (!first.TryGetValue(key, out var other))
                    {
                        if (whole)
                        {
                            first[key] = (story.Client, events);
                        }

                        continue;
                    }

                    if (!(whole ? events.SequenceEqual(other.Events) : IsPart(events, other.Events)))
                    {
                        Violation("P5", $"{name} and {Name(other.Client.Process)} "
                            + $"in {key}: {List(events)} and {List(other.Events)}");
                    }
                }
            }
        }
    }

    private static string List(List<string> events) => $"[{string.Join(", ", events.Take(12))}]";

    private static bool IsPart(List<string> part, List<string> of)
    {
        int at = part.Count > 0 ? of.IndexOf(part[0]) : -1;
        return part.Count == 0 || (at >= 0 && of.Skip(at).Take(part.Count).SequenceEqual(part));
    }

    /// <summary>P3 and P6.</summary>
    private void CheckTables(bool peace)
    {
        foreach (var ring in _simulation.Nodes.SelectMany(n => n.Log.OfType<GroupsWhole>()).GroupBy(w => (w.Ring, w.Configuration)))
        {
            var tables = ring.Select(w => w.Table).Distinct().ToList();
            if (tables.Count > 1)
            {
                Violation("P6", $"tables of {ring.Key.Ring}: '{tables[0]}' and '{tables[1]}'");
            }
        }

        foreach (var story in _stories.Values.Where(s => peace && s.Client.Stays))
        {
            if (!story.HeardOfItself.SequenceEqual(story.Client.Said))
            {
                Violation("P3", $"{Name(story.Client.Process)} said {string.Join(' ', story.Client.Said)} "
                    + $"and heard of itself {string.Join(' ', story.HeardOfItself)}");
            }
        }

        if (!peace)
        {
            return;
        }

        foreach (var side in _simulation.Nodes.GroupBy(n => n.Id == _simulation.Stranger))
        {
            var here = _simulation.Clients.Where(c => c.Stays && (c.Node.Id == _simulation.Stranger) == side.Key)
                .GroupBy(c => c.Group).OrderBy(g => g.Key, StringComparer.Ordinal).ToList();
            string table = SimulatedServices.TableOf(
                here.Select(g => (g.Key, g.Select(c => c.Process).Order().AsEnumerable())));
            foreach (var node in side.Where(n => n.Services!.Table != table))
            {
                Violation("P6", $"in peace node {node.Id} has '{node.Services!.Table}' where there are '{table}'");
            }

            foreach (var client in here.SelectMany(g => g))
            {
                if (!_stories.TryGetValue(client.Id, out var story) || !story.Members.SetEquals(
                    here.First(g => g.Key == client.Group).Select(c => c.Process)))
                {
                    string whom = story is null ? "nobody" : Text(story.Members);
                    Violation("P6", $"in peace {Name(client.Process)} knows of {whom}");
                }
            }
        }
    }
}
