using System.Globalization;
using System.Text;
using Buoy.Membership;
using Buoy.Membership.Links;
using Buoy.Membership.Quorum;
using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>
/// A scenario as a file: the story (lines with #), commands, a line of dashes, and the trace they must give. Commands:
/// <code>
/// nodes 3 [links 2 passive|active|rr] [seed 7] [quorum majority|two_node|wait_for_all|tie|last_man] [slow-rule]
///         [services] [packed 300] (process groups and quorum notices, which need quorum; bytes of a datagram)
/// start all | start 1 2     crash 1     leave 2     restart 1 200 (crash, start after ms)     pause 2 450
/// run 500                   ring 3000 (until one ring; an error after so many ms)
/// cut 1|2,3 (partition)     cut 2&gt;3 (one way)     break 1 [2] (link 1, of node 2 only)     heal
/// network 10 5 20 (% lost, % doubled, longest delay ms)
/// drop KIND [FROM>TO] [times] (the next ones; KIND: regular token join commit probe merge any; * = always)
/// send 1 100 [safe]         failwrite 2     deliveries (they are traced from now on)
/// join 1 GROUP (a new process of node 1: 1, 2, 3… in this order)    say 2 1000 (process 2, with so many bytes more)
/// part 2 (process 2 leaves)    end 2 (it ends)    expect 1 5 (node 1 is told to expect 5 votes)
/// </code>
/// </summary>
internal sealed class CaseFile(string text)
{
    private const string Separator = "----";
    private readonly List<(TotemMessageType? Kind, uint From, uint To, int Left)> _drops = [];
    private bool _deliveries;

    /// <summary>The trace the file expects.</summary>
    public string Expected { get; } = text.Contains("\n" + Separator + "\n", StringComparison.Ordinal)
        ? text[(text.IndexOf("\n" + Separator + "\n", StringComparison.Ordinal) + Separator.Length + 2)..] : "";

    private string Script { get; } = text.Split("\n" + Separator + "\n")[0].TrimEnd();

    /// <summary>The file with another trace.</summary>
    public string With(string trace) => $"{Script}\n{Separator}\n{trace}";

    /// <summary>Runs it; the trace, with the violations of invariants at its end.</summary>
    public string Run()
    {
        Simulation? s = null;
        foreach (string line in Script.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0 && l[0] != '#'))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words[0] == "nodes")
            {
                s = Create(words);
            }
            else
            {
                Execute(s ?? throw new FormatException("'nodes N' comes first"), words, line);
            }
        }

        return Trace(s!);
    }

    private Simulation Create(string[] words)
    {
        string? After(string word) => Array.IndexOf(words, word) is >= 0 and var i ? words[i + 1] : null;
        int nodes = Number(words[1]);
        var plain = new QuorumSettings { ExpectedVotes = nodes };
        QuorumSettings? quorum = After("quorum") switch
        {
            null => null,
            "two_node" => plain with { TwoNode = true, WaitForAll = true },
            "wait_for_all" => plain with { WaitForAll = true },
            "tie" => plain with { AutoTieBreaker = new TieBreaker(false, []) },
            "last_man" => plain with { WaitForAll = true, LastManStanding = true, LastManStandingWindow = 1000 },
            _ => plain,
        };
        int links = After("links") is { } l ? Number(l) : 1;
        var mode = words.Contains("active") ? LinkMode.Active : words.Contains("rr") ? LinkMode.RoundRobin : LinkMode.Passive;
        var s = new Simulation(Number(After("seed") ?? "1"), nodes, silenceRule: !words.Contains("slow-rule"));
        s.Stage(quorum, links, mode);
        if (words.Contains("services"))
        {
            s.StageServices(After("packed") is { } packed ? Number(packed) : 0);
        }

        s.Loses = Loses;
        return s;
    }

    private void Execute(Simulation s, string[] words, string line)
    {
        uint Id(int i) => (uint)Number(words[i]);
        var ids = words.Length > 1 && words[1] == "all" ? s.Nodes.Select(n => n.Id) : [];
        switch (words[0])
        {
            case "start":
                foreach (uint id in ids.Any() ? ids : words.Skip(1).Select(w => (uint)Number(w)))
                {
                    s.Node(id).Start(s.Now);
                }

                break;
            case "crash":
                s.Node(Id(1)).Crash(s.Now);
                break;
            case "leave":
                s.Node(Id(1)).Leave(s.Now);
                break;
            case "restart":
                s.Node(Id(1)).Crash(s.Now);
                s.Run(Number(words[2]));
                s.Node(Id(1)).Start(s.Now);
                break;
            case "pause":
                s.Node(Id(1)).PausedUntil = s.Now + Number(words[2]);
                break;
            case "run":
                s.Run(Number(words[1]));
                break;
            case "ring":
                if (!s.RunUntil(s.IsOneRing, Number(words[1])))
                {
                    throw new InvalidOperationException($"'{line}': no common ring\n{Trace(s)}");
                }

                break;
            case "cut" when words[1].Contains('|', StringComparison.Ordinal):
                var sides = words[1].Split('|').Select(p => p.Split(',').Select(w => (uint)Number(w)).ToArray()).ToArray();
                foreach (var (a, b) in sides.SelectMany(a => sides.Where(b => b != a).Select(b => (a, b))))
                {
                    Array.ForEach(a, x => Array.ForEach(b, y => s.Cut(x, y)));
                }

                break;
            case "cut":
                s.Cut((uint)Number(words[1].Split('>')[0]), (uint)Number(words[1].Split('>')[1]));
                break;
            case "break":
                s.BreakLink(Number(words[1]), words.Length > 2 ? Id(2) : null);
                break;
            case "heal":
                s.Heal();
                break;
            case "network":
                s.Quality(Number(words[1]) / 100.0, Number(words[2]) / 100.0, Number(words[3]));
                break;
            case "drop":
                Drop(words);
                break;
            case "send":
                for (int i = 0; i < Number(words[2]); i++)
                {
                    s.SendFrom(s.Node(Id(1)), words.Contains("safe"));
                }

                break;
            case "failwrite":
                s.Node(Id(1)).FailNextWrite = true;
                break;
            case "join":
                s.Join(s.Node(Id(1)), words[2]);
                break;
            case "say":
                s.Say(s.Clients[Number(words[1]) - 1], words.Length > 2 ? Number(words[2]) : 0);
                break;
            case "part":
                s.Leave(s.Clients[Number(words[1]) - 1]);
                break;
            case "end":
                s.End(s.Clients[Number(words[1]) - 1]);
                break;
            case "expect":
                s.Node(Id(1)).SetExpected(Number(words[2]));
                break;
            case "deliveries":
                _deliveries = true;
                break;
            default:
                throw new FormatException($"'{line}' is no command of a case");
        }
    }

    private void Drop(string[] words)
    {
        TotemMessageType? kind = words[1] switch
        {
            "any" => null,
            "commit" => TotemMessageType.CommitToken,
            "merge" => TotemMessageType.MergeDetect,
            var k => Enum.Parse<TotemMessageType>(k, ignoreCase: true),
        };
        string[] path = words.FirstOrDefault(w => w.Contains('>', StringComparison.Ordinal))?.Split('>') ?? ["*", "*"];
        uint Side(string w) => w is "*" or "" ? 0 : (uint)Number(w);
        _drops.Add((kind, Side(path[0]), Side(path[1]), words[^1] == "*" ? int.MaxValue
            : int.TryParse(words[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? n : 1));
    }

    private bool Loses(uint from, uint to, TotemMessage message)
    {
        for (int i = 0; i < _drops.Count; i++)
        {
            var d = _drops[i];
            if (d.Left > 0 && (d.Kind is null || d.Kind == message.Type) && (d.From == 0 || d.From == from)
                && (d.To == 0 || d.To == to))
            {
                _drops[i] = d with { Left = d.Left == int.MaxValue ? d.Left : d.Left - 1 };
                return true;
            }
        }

        return false;
    }

    private string Trace(Simulation s)
    {
        var trace = new StringBuilder();
        var lines = s.Story.Select(e => (e.At, Node: 0u, e.Text))
            .Concat(s.Nodes.SelectMany(n => n.Log.Where(e => _deliveries || e is not (Delivered or Originated))
                .Select(e => (e.At, Node: n.Id, Text: SeedRun.Describe(e)))));
        foreach (var (at, node, text) in lines.OrderBy(l => l.At))
        {
            string who = node == 0 ? "-" : node.ToString(CultureInfo.InvariantCulture);
            trace.Append(CultureInfo.InvariantCulture, $"{at,7} {who} {text}\n");
        }

        foreach (var node in s.Nodes)
        {
            var delivered = node.Log.OfType<Delivered>().GroupBy(d => d.Message.RingId)
                .Select(g => $"{g.Count()} on {g.Key}");
            trace.Append(CultureInfo.InvariantCulture, $"  ends: node {node.Id} ");
            trace.Append(node.Core is null ? "is down" : $"{node.Core.State} on {node.Ring} {node.Core.Members}");
            trace.Append(node.Standing is { } v ? v.Quorate ? ", quorate" : ", not quorate" : "");
            trace.Append("; delivered ").Append(string.Join(", ", delivered) is { Length: > 0 } d ? d : "nothing").Append('\n');
        }

        foreach (string violation in InvariantChecker.Check(s.Nodes).Concat(ViewChecker.Check(s)).Concat(s.QuorumViolations)
            .Concat(GroupChecker.Check(s, peace: false)))
        {
            trace.Append($"  VIOLATION {violation}\n");
        }

        return trace.ToString();
    }

    private static int Number(string word) => int.Parse(word, NumberStyles.None, CultureInfo.InvariantCulture);
}
