using Buoy.Membership.Quorum;

namespace Buoy.Tests;

/// <summary>Vectors of votequorum, observed on the original: partitions and who is quorate in them.</summary>
public sealed class QuorumTests
{
    /// <summary>Nodes 1..n, a quorum each; an event replaces the partitions.</summary>
    private sealed class Cluster(QuorumSettings settings, params int[] votes)
    {
        private readonly VoteQuorum?[] _nodes = new VoteQuorum?[votes.Length + 1];

        public VoteQuorum Node(int id) => _nodes[id]!;

        /// <summary>"1,2 3": two partitions. Nodes not named are down; named ones that were down start. Returns "+-"-marks.</summary>
        public string Partition(string text)
        {
            var parts = text.Split(' ').Select(p => p.Split(',').Select(int.Parse).ToArray()).ToArray();
            for (int id = 1; id < _nodes.Length; id++)
            {
                if (!parts.Any(p => p.Contains(id)))
                {
                    _nodes[id] = null;
                }
            }

            return string.Concat(parts.Select(Meet));
        }

        private char Meet(int[] members)
        {
            foreach (int id in members)
            {
                _nodes[id] ??= new VoteQuorum(settings, (uint)id, votes[id - 1]);
            }

            QuorumRecord[] records = [.. members.Select(id => _nodes[id]!.MyRecord)];
            foreach (int id in members)
            {
                _nodes[id]!.OnMembers(records);
            }

            return Assert.Single(members.Select(id => _nodes[id]!.Quorate ? '+' : '-').Distinct());
        }
    }

    private static QuorumSettings Expect(int expected, bool twoNode = false, bool? waitForAll = null) =>
        new() { ExpectedVotes = expected, TwoNode = twoNode, WaitForAll = waitForAll ?? twoNode };

    [Theory]
    [InlineData("Q1", 2, "1,2 > 1 2", "+ --")]
    [InlineData("Q7 split", 3, "1,2,3 > 1 2,3", "+ -+")]
    [InlineData("Q7 down", 3, "1,2,3 > 1 2,3 > 1 3", "+ -+ --")]
    [InlineData("Q12", 3, "1,2,3", "+", 2)]
    [InlineData("Q14", 4, "1,2,3,4 > 1,2 3,4", "+ --")]
    [InlineData("Q18", 4, "1,2,3,4 > 1,2,3", "+ -", 6)]
    [InlineData("Q21", 5, "1,2,3,4,5 > 1,2,3 4,5 > 1,2 3 4,5", "+ +- ---")]
    public void Members_WithoutFeatures_AsVotequorum(string vector, int nodes, string events, string expected, int? votes = null)
    {
        var cluster = new Cluster(Expect(votes ?? nodes), [.. Enumerable.Repeat(1, nodes)]);
        Assert.Equal((vector, expected), (vector, string.Join(' ', events.Split(" > ").Select(cluster.Partition))));
    }

    [Theory]
    [InlineData("Q2", "1,2 > 1 2 > 1,2", "+ ++ +")]
    [InlineData("Q3", "1 > 1,2", "- +")]
    [InlineData("Q5 crash", "1,2 > 1 > 1,2", "+ + +")]
    [InlineData("Q5 restart alone", "1,2 > 1 2 > 1 > 1 2", "+ ++ + +-")]
    public void Members_WithTwoNode_AsVotequorum(string vector, string events, string expected)
    {
        var cluster = new Cluster(Expect(2, twoNode: true), 1, 1);
        Assert.Equal((vector, expected), (vector, string.Join(' ', events.Split(" > ").Select(cluster.Partition))));
    }

    [Fact]
    public void Members_WithTwoNodeButNoWaitForAll_RestartedAloneIsQuorate()
    {
        var cluster = new Cluster(Expect(2, twoNode: true, waitForAll: false), 1, 1);
        Assert.Equal("+", cluster.Partition("1,2"));
        Assert.Equal("++", cluster.Partition("1 2"));
        cluster.Partition("2");
        Assert.Equal("++", cluster.Partition("1 2"));
    }

    [Theory]
    [InlineData("Q8", 4, "1,2,3 > 1,2,3,4", "- +")]
    [InlineData("Q9", 3, "1,2,3 > 1,2 > 1 > 1,2 > 1,2,3", "+ + - - +")]
    public void Members_WithWaitForAll_AsVotequorum(string vector, int nodes, string events, string expected)
    {
        var cluster = new Cluster(Expect(nodes, waitForAll: true), [.. Enumerable.Repeat(1, nodes)]);
        Assert.Equal((vector, expected), (vector, string.Join(' ', events.Split(" > ").Select(cluster.Partition))));
    }

    [Fact]
    public void Members_WithUnequalVotes_VotesCount()
    {
        var cluster = new Cluster(Expect(4), 2, 1, 1);
        Assert.Equal("+", cluster.Partition("1,2,3"));
        Assert.Equal("+", cluster.Partition("1,3"));
        Assert.Equal(3, cluster.Node(1).TotalVotes);
        Assert.Equal("-", cluster.Partition("1"));
    }

    [Fact]
    public void Members_GrownByJoins_ExpectedDoesNotFall()
    {
        var cluster = new Cluster(Expect(3), 1, 1, 1, 1, 1);
        Assert.Equal("+", cluster.Partition("1,2,3"));
        Assert.Equal("+", cluster.Partition("1,2,3,4"));
        Assert.Equal("+", cluster.Partition("1,2,3,4,5"));
        Assert.Equal("+", cluster.Partition("1,2,3"));
        Assert.Equal((5, 3), (cluster.Node(1).ExpectedVotes, cluster.Node(1).Quorum));
        Assert.Equal("-", cluster.Partition("1,2"));
    }

    [Fact]
    public void Flags_OfTwoNodes_AsQuorumtoolPrintsThem()
    {
        var cluster = new Cluster(Expect(2, twoNode: true), 1, 1);
        cluster.Partition("1,2");
        Assert.Equal(["2Node", "Quorate", "WaitForAll"], cluster.Node(1).Flags);
        Assert.Equal((2, 2, 2, 1),
            (cluster.Node(1).ExpectedVotes, cluster.Node(1).HighestExpected, cluster.Node(1).TotalVotes, cluster.Node(1).Quorum));
    }
}
