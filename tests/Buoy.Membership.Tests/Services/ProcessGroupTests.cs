using System.Text;
using Buoy.Membership;
using Buoy.Membership.Services;
using CsCheck;

namespace Buoy.Tests.Services;

/// <summary>Process groups on a total order that lives in a list: what every member is told, and in which
/// order.</summary>
public sealed class ProcessGroupTests
{
    [Fact]
    public void Join_MulticastLeave_AllMembersAreToldTheSame()
    {
        var w = new GroupWorld(2);
        w.View(1, 2);
        w.Join(1, 10, "g");
        w.Join(2, 20, "g");
        w.Say(1, 10, "hello");
        w.Settle();
        w.Leave(2, 20);
        w.Settle();
        Assert.Equal(["1.10 |  | 1.10:Join", "1.10 2.20 |  | 2.20:Join", "1.10 hello", "1.10 | 2.20:Leave | "], w.Story(1, 10));
        Assert.Equal(["1.10 2.20 |  | 2.20:Join", "1.10 hello", "1.10 | 2.20:Leave | "], w.Story(2, 20));
    }

    [Fact]
    public void Gone_WithoutLeaving_IsProcessDown()
    {
        var w = new GroupWorld(2);
        w.View(1, 2);
        w.Join(1, 10, "g");
        w.Join(2, 20, "g");
        w.Settle();
        w.Gone(2, 20);
        w.Settle();
        Assert.Equal("1.10 | 2.20:ProcessDown | ", w.Story(1, 10)[^1]);
    }

    [Fact]
    public void Partition_AndMerge_NodesGoDownAndComeUpWithTheirProcesses()
    {
        var w = new GroupWorld(2);
        w.View(1, 2);
        w.Join(1, 10, "g");
        w.Join(2, 20, "g");
        w.Settle();
        w.Split([1], [2]);
        w.Say(1, 10, "left side");
        w.Settle();
        w.View(1, 2);
        w.Say(2, 20, "both");
        w.Settle();
        Assert.Equal(
            ["1.10 | 2.20:NodeDown | ", "1.10 left side", "1.10 2.20 |  | 2.20:NodeUp", "2.20 both"], w.Story(1, 10)[^4..]);
        Assert.Equal(["2.20 | 1.10:NodeDown | ", "1.10 2.20 |  | 1.10:NodeUp", "2.20 both"], w.Story(2, 20)[^3..]);
    }

    [Fact]
    public void Requests_ThatCannotBe_AreRefusedInWords()
    {
        var w = new GroupWorld(1);
        w.View(1);
        Assert.Contains("1 to 128 bytes", w.Node(1).Join(1, "", 10));
        Assert.Contains("1 to 128 bytes", w.Node(1).Join(1, new string('x', 129), 10));
        Assert.Null(w.Node(1).Join(1, "g", 10));
        Assert.Contains("already", w.Node(1).Join(2, "g", 10));
        Assert.Contains("no group", w.Node(1).Multicast(9, "x"u8));
        Assert.Contains("no group", w.Node(1).Leave(9));
    }

    /// <summary>Whatever happens: between two changes that two clients share, they are told the same.</summary>
    [Fact]
    public void RandomRuns_TablesAndStoriesAgree() => Gen.Int[0, 11].Array[1, 60].SampleFixed(
        steps =>
        {
            var w = new GroupWorld(3);
            w.View(1, 2, 3);
            int number = 0;
            foreach (int step in steps)
            {
                uint node = (uint)(step % 3) + 1, process = node * 10;
                switch (step / 3)
                {
                    case 0:
                        w.Join(node, process, "g");
                        break;
                    case 1:
                        w.Say(node, process, $"m{number++}");
                        break;
                    case 2 when step % 3 == 0:
                        w.Leave(node, process);
                        break;
                    case 2:
                        w.DeliverSome(step);
                        break;
                    default:
                        if (w.Whole)
                        {
                            w.Split([node], [.. new uint[] { 1, 2, 3 }.Where(n => n != node)]);
                        }
                        else
                        {
                            w.View(1, 2, 3);
                        }

                        break;
                }
            }

            w.View(1, 2, 3);
            w.Settle();
            var tables = new uint[] { 1, 2, 3 }.Select(n => string.Join(';', w.Node(n).Groups.Select(g =>
                $"{g.Key}={string.Join(',', g.Value)}"))).Distinct().ToList();
            Assert.Single(tables);
            foreach (uint n in new uint[] { 1, 2, 3 })
            {
                var said = w.Story(n, n * 10).Where(l => !l.Contains('|')).ToList();
                Assert.Equal(said.Distinct(), said);
            }

            // The final stretch, after the last merge, is the same for all that are in.
            w.Say(1, 10, "end");
            w.Settle();
            var ends = new uint[] { 1, 2, 3 }.Where(n => w.Node(n).Groups.Values.Any(g =>
                    g.Contains(new GroupProcess(n, n * 10)) && g.Contains(new GroupProcess(1, 10))))
                .Select(n => w.Story(n, n * 10)[^1]).Distinct();
            Assert.All(ends, e => Assert.Equal("1.10 end", e));
        },
        300);

    /// <summary>Nodes with their process groups, and one total order per partition.</summary>
    private sealed class GroupWorld
    {
        private readonly Dictionary<uint, Member> _nodes = [];
        private ulong _ring;

        public GroupWorld(int nodes)
        {
            for (uint i = 1; i <= nodes; i++)
            {
                _nodes[i] = new Member(i);
            }
        }

        public bool Whole => _nodes.Values.All(n => n.Order == _nodes[1].Order);

        public ProcessGroups Node(uint id) => _nodes[id].Groups;

        public List<string> Story(uint node, uint process) => _nodes[node].Stories.GetValueOrDefault(process) ?? [];

        public void Join(uint node, uint process, string group) => _nodes[node].Groups.Join(process, group, process);

        public void Leave(uint node, uint process) => _nodes[node].Groups.Leave(process);

        public void Gone(uint node, uint process) => _nodes[node].Groups.Gone(process);

        public void Say(uint node, uint process, string text) => _nodes[node].Groups.Multicast(process, Encoding.UTF8.GetBytes(text));

        public void View(params uint[] ids) => Split(ids);

        /// <summary>Each part gets an order of its own; what was sent and not delivered is sent again there, as engines
        /// do.</summary>
        public void Split(params uint[][] parts)
        {
            var orders = _nodes.Values.Select(n => n.Order).Distinct().ToList();
            foreach (var order in orders)
            {
                // A view is installed after what all of the old order's members have: they are brought level.
                int level = _nodes.Values.Where(n => n.Order == order).Max(n => n.Read);
                foreach (var n in _nodes.Values.Where(n => n.Order == order))
                {
                    n.ReadTo(level);
                }
            }

            var left = _nodes.Values.ToDictionary(n => n.Id, n => n.Order.Skip(n.Read).Where(m => m.Sender == n.Id).ToList());
            foreach (uint[] part in parts)
            {
                _ring += 4;
                var order = new List<(uint Sender, byte[] Message)>();
                foreach (uint id in part)
                {
                    var n = _nodes[id];
                    uint[] before = n.Members;
                    (n.Order, n.Read, n.Members) = (order, 0, part);
                    order.AddRange(left[id]);
                    n.Pending = new ClusterView(
                        new RingId(_ring, part.Min()), [.. part.Select(p => new ViewMember(p, null, 1))],
                        [.. before.Except(part)], [.. part.Except(before)], true, 0);
                }

                foreach (uint id in part)
                {
                    _nodes[id].Groups.OnView(_nodes[id].Pending!);
                }
            }
        }

        public void DeliverSome(int salt)
        {
            foreach (var n in _nodes.Values)
            {
                n.ReadTo(Math.Min(n.Order.Count, n.Read + ((salt + (int)n.Id) % 3)));
            }
        }

        public void Settle()
        {
            while (_nodes.Values.Any(n => n.Read < n.Order.Count))
            {
                foreach (var n in _nodes.Values)
                {
                    n.ReadTo(n.Order.Count);
                }
            }
        }

        private sealed class Member : IProcessGroupSink
        {
            public Member(uint id)
            {
                Id = id;
                Groups = new ProcessGroups(id, this);
            }

            public uint Id { get; }
            public ProcessGroups Groups { get; }
            public List<(uint Sender, byte[] Message)> Order { get; set; } = [];
            public int Read { get; set; }
            public uint[] Members { get; set; } = [];
            public ClusterView? Pending { get; set; }
            public Dictionary<uint, List<string>> Stories { get; } = [];

            public void ReadTo(int end)
            {
                while (Read < end)
                {
                    var (sender, message) = Order[Read++];
                    Groups.OnMessage(sender, message);
                }
            }

            public void Multicast(byte[] message) => Order.Add((Id, message));

            public void Deliver(long client, GroupProcess sender, ReadOnlySpan<byte> payload) =>
                Add(client, $"{sender.NodeId}.{sender.ProcessId} {Encoding.UTF8.GetString(payload)}");

            public void Changed(
                long client, IReadOnlyList<GroupProcess> members,
                IReadOnlyList<(GroupProcess Process, GroupReason Reason)> left,
                IReadOnlyList<(GroupProcess Process, GroupReason Reason)> joined) => Add(
                    client,
                    string.Join(' ', members.Select(m => $"{m.NodeId}.{m.ProcessId}")) + " | " + List(left) + " | " + List(joined));

            private static string List(IReadOnlyList<(GroupProcess Process, GroupReason Reason)> list) =>
                string.Join(' ', list.Select(e => $"{e.Process.NodeId}.{e.Process.ProcessId}:{e.Reason}"));

            private void Add(long client, string line)
            {
                if (!Stories.TryGetValue((uint)client, out var story))
                {
                    Stories[(uint)client] = story = [];
                }

                story.Add(line);
            }
        }
    }
}
