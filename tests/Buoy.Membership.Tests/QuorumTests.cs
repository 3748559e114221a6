using Buoy.Membership.Quorum;

namespace Buoy.Tests;

/// <summary>Vectors of votequorum, observed on the original: partitions and who is quorate in them.</summary>
public sealed class QuorumTests
{
    /// <summary>Nodes 1..n, a quorum each; an event replaces the partitions.</summary>
    private sealed class Cluster(QuorumSettings settings, params int[] votes)
    {
        private long _now = 1;

        /// <summary>Whether who is missing in the next partitions left with a word.</summary>
        public bool LeftCleanly { get; set; }

        /// <summary>Whom the device casts for.</summary>
        public void Cast(int nodes, int id, bool masterWins = false)
        {
            for (int i = 1; i <= nodes; i++)
            {
                _nodes[i]?.SetDevice(new QuorumDevice(true, true, i == id, masterWins));
            }
        }
        private readonly VoteQuorum?[] _nodes = new VoteQuorum?[votes.Length + 1];

        public VoteQuorum Node(int id) => _nodes[id]!;

        /// <summary>
        /// "1,2 3": two partitions. Nodes not named are down; named ones that were down start. Returns "+-"-marks.
        /// </summary>
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

        /// <summary>Lets every pending window run out. Returns the marks of the partitions given.</summary>
        public string Window(string text)
        {
            _now += 10_000;
            foreach (var node in _nodes)
            {
                node?.OnTimer(_now);
            }

            return string.Concat(text.Split(' ').Select(p => _nodes[p[0] - '0']!.Quorate ? '+' : '-'));
        }

        /// <summary>Partitions in turn; "~" lets the windows run out after the one before.</summary>
        public string Run(string events)
        {
            var marks = new List<string>();
            string last = "";
            foreach (string e in events.Split(" > "))
            {
                if (e == "~")
                {
                    marks[^1] = Window(last);
                }
                else
                {
                    marks.Add(Partition(last = e));
                }
            }

            return string.Join(' ', marks);
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
                _nodes[id]!.OnMembers(_now, records, LeftCleanly);
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
    public void Members_WithoutFeatures_AsVotequorum(string vector, int nodes, string events, string expected,
        int? votes = null)
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
    [InlineData("who took the word of a member that lost quorum with it", 4, "1,2,3,4 > 2,3,4 > 1,2 3,4 > 1,2,4 3", "+ + -- --")]
    public void Members_WithWaitForAll_AsVotequorum(string vector, int nodes, string events, string expected)
    {
        var cluster = new Cluster(Expect(nodes, waitForAll: true), [.. Enumerable.Repeat(1, nodes)]);
        Assert.Equal((vector, expected), (vector, string.Join(' ', events.Split(" > ").Select(cluster.Partition))));
    }

    [Theory]
    [InlineData("Q15 lowest", 4, "lowest", false, "1,2,3,4 > 1,2 3,4", "+ +-")]
    [InlineData("Q15 highest", 4, "highest", false, "1,2,3,4 > 1,2 3,4", "+ -+")]
    [InlineData("Q15 list", 4, "3 1", false, "1,2,3,4 > 1,2 3,4", "+ -+")]
    [InlineData("Q16", 4, "3 1", false, "1,2,3,4 > 1,2,4 > 1 2,4", "+ + --")]
    [InlineData("Q17", 4, "lowest", false, "1,2,3,4 > 1,2,3 > 1 2,3", "+ + --")]
    [InlineData("Q17a", 4, "lowest", false, "1,2,3,4 > 2,3,4 > 2,3 4", "+ + +-")]
    [InlineData("Q22", 5, "lowest", true, "1,2,3,4,5 > 1,2 3,4,5", "+ -+")]
    [InlineData("Q23", 5, "lowest", true, "1,2,3,4,5 > 1,2,3,4 > 1,2 3,4", "+ + +-")]
    [InlineData("Q26", 2, "lowest", false, "1,2 > 1 2", "+ +-")]
    public void Members_WithAutoTieBreaker_AsVotequorum(
        string vector, int nodes, string node, bool waitForAll, string events, string expected)
    {
        var tie = new TieBreaker(node == "highest", node[0] is 'l' or 'h'
            ? [] : [.. node.Split(' ').Select(uint.Parse)]);
        var settings = Expect(nodes, waitForAll: waitForAll) with { AutoTieBreaker = tie };
        Assert.Equal((vector, expected), (vector, new Cluster(settings, [.. Enumerable.Repeat(1, nodes)]).Run(events)));
    }

    [Theory]
    [InlineData("Q13", 3, false, "1,2,3 > 1,2 > ~ > 1,2,3 > 1,3 > ~ > 3", "+ + + + -")]
    [InlineData("Q19", 4, true, "1,2,3,4 > 1,2,3 > ~ > 1,2 > ~ > 1", "+ + + +")]
    [InlineData("Q24", 5, false, "1,2,3,4,5 > 1,2,3,4 > ~ > 1,2,3 > ~ > 1,2 > ~ > 1", "+ + + + -")]
    public void Members_WithLastManStanding_AsVotequorum(string vector, int nodes, bool tie, string events,
        string expected)
    {
        var settings = Expect(nodes, waitForAll: true) with
        {
            LastManStanding = true, AutoTieBreaker = tie ? new TieBreaker(false, []) : null,
        };
        Assert.Equal((vector, expected), (vector, new Cluster(settings, [.. Enumerable.Repeat(1, nodes)]).Run(events)));
    }

    [Fact]
    public void Members_AloneAfterAStart_HeldUntilTheOthersHadTheirTime()
    {
        var node = new VoteQuorum(Expect(1, twoNode: true), 1, 1, holdAloneUntil: 3000);
        node.OnMembers(10, [node.MyRecord]);
        Assert.False(node.Quorate);
        Assert.Equal(3000, node.Deadline);
        node.OnTimer(3000);
        Assert.True(node.Quorate);
        Assert.Equal(long.MaxValue, node.Deadline);
    }

    [Fact]
    public void Members_TwoBeforeTheHoldEnds_QuorateAtOnce()
    {
        var node = new VoteQuorum(Expect(1, twoNode: true), 1, 1, holdAloneUntil: 3000);
        node.OnMembers(10, [node.MyRecord]);
        node.OnMembers(20, [node.MyRecord, new QuorumRecord(2, 1, 1, false, true)]);
        Assert.True(node.Quorate);
        node.OnMembers(30, [node.MyRecord]);
        Assert.True(node.Quorate);
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
            (cluster.Node(1).ExpectedVotes, cluster.Node(1).HighestExpected, cluster.Node(1).TotalVotes,
                cluster.Node(1).Quorum));
    }

    [Fact]
    public void Q6_TwoAndADevice_TheOneItCastsForGoesOn()
    {
        var cluster = new Cluster(Expect(3) with { DeviceVotes = 1 }, 1, 1);
        cluster.Partition("1,2");
        cluster.Cast(2, 2);
        Assert.Equal("--", cluster.Partition("1 2").Replace('+', '-'));
        Assert.Equal("-+", $"{(cluster.Node(1).Quorate ? '+' : '-')}{(cluster.Node(2).Quorate ? '+' : '-')}");
        Assert.Equal(2, cluster.Node(2).Quorum);
        Assert.Contains("Qdevice", cluster.Node(2).Flags);
    }

    [Fact]
    public void Q10_ThreeWithTwoNode_EveryLoneNodeIsQuorate()
    {
        // The configuration refuses it; the rule itself is votequorum's.
        var cluster = new Cluster(Expect(3, twoNode: true), 1, 1, 1);
        Assert.Equal("+ + +", cluster.Run("1,2,3 > 1,2 > 1"));
        Assert.Equal(1, cluster.Node(1).Quorum);
        var e = Assert.Throws<Buoy.Membership.Configuration.CorosyncConfigException>(() =>
            Buoy.Membership.Configuration.CorosyncConfig.Parse(
                "totem {\n version: 2\n}\nquorum {\n provider: corosync_votequorum\n two_node: 1\n}\nnodelist {\n"
                + string.Concat(Enumerable.Range(1, 3).Select(i => $" node {{\n ring0_addr: 10.0.0.{i}\n nodeid: {i}\n }}\n"))
                + "}\n", "c.conf"));
        Assert.Contains("two_node", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Q20_FourAndADeviceOfThree_TheLastOneGoesOn()
    {
        var cluster = new Cluster(Expect(7) with { DeviceVotes = 3 }, 1, 1, 1, 1);
        cluster.Partition("1,2,3,4");
        cluster.Cast(4, 4);
        cluster.Partition("4");
        Assert.True(cluster.Node(4).Quorate);
        Assert.Equal((4, 4, 7), (cluster.Node(4).TotalVotes, cluster.Node(4).Quorum, cluster.Node(4).ExpectedVotes));
        cluster.Node(4).SetDevice(new QuorumDevice(true, Alive: false, Casts: true, MasterWins: false));
        Assert.False(cluster.Node(4).Quorate);
    }

    [Fact]
    public void Device_MasterWins_QuorateWhateverIsMissing()
    {
        var cluster = new Cluster(Expect(9) with { DeviceVotes = 1 }, 1, 1, 1, 1);
        cluster.Partition("1,2,3,4");
        cluster.Cast(4, 4, masterWins: true);
        cluster.Partition("1,2,3 4");
        Assert.Equal("-+", $"{(cluster.Node(1).Quorate ? '+' : '-')}{(cluster.Node(4).Quorate ? '+' : '-')}");
    }

    [Fact]
    public void Downscale_CleanLeaves_ExpectedFallsToTheConfigured()
    {
        var cluster = new Cluster(Expect(3) with { AllowDownscale = true }, 1, 1, 1, 1, 1, 1);
        cluster.Partition("1,2,3");
        cluster.Partition("1,2,3,4,5,6");
        Assert.Equal((6, 4), (cluster.Node(1).ExpectedVotes, cluster.Node(1).Quorum));
        cluster.LeftCleanly = true;
        Assert.Equal("+", cluster.Partition("1,2,3,4"));
        Assert.Equal((4, 3), (cluster.Node(1).ExpectedVotes, cluster.Node(1).Quorum));
        Assert.Equal("+", cluster.Partition("1,2"));
        Assert.Equal((3, 2), (cluster.Node(1).ExpectedVotes, cluster.Node(1).Quorum));
        cluster.LeftCleanly = false;
        Assert.Equal("-", cluster.Partition("1"));
        Assert.Equal((3, 2, 6), (cluster.Node(1).ExpectedVotes, cluster.Node(1).Quorum, cluster.Node(1).HighestEver));
    }

    [Fact]
    public void Downscale_OfACrash_ExpectedStays()
    {
        var cluster = new Cluster(Expect(3) with { AllowDownscale = true }, 1, 1, 1, 1, 1);
        cluster.Partition("1,2,3,4,5");
        Assert.Equal("-", cluster.Partition("1,2"));
        Assert.Equal((5, 3), (cluster.Node(1).ExpectedVotes, cluster.Node(1).Quorum));
    }

    [Fact]
    public void Tracking_AfterARestart_TheHighestEverIsAFloorUntilAQuorateClusterSaysOtherwise()
    {
        var settings = Expect(3) with { ExpectedVotesTracking = true };
        var node = new VoteQuorum(settings, 1, 1, tracked: 7);
        Assert.Equal((7, 4), (node.ExpectedVotes, node.Quorum));
        node.OnMembers(1, [node.MyRecord, new QuorumRecord(2, 1, 3, false, false), new QuorumRecord(3, 1, 3, false, false)]);
        Assert.False(node.Quorate);
    }

    [Fact]
    public void Reload_OfVotesExpectedAndTwoNode_TakenOthersNot()
    {
        var cluster = new Cluster(Expect(2), 1, 1);
        cluster.Partition("1,2");
        Assert.Equal("--", cluster.Partition("1 2"));
        var node = cluster.Node(1);
        node.Reload(Expect(2, twoNode: true) with { LastManStanding = true }, 1, new Dictionary<uint, int> { [1] = 1, [2] = 1 });
        Assert.True(node.Quorate);
        Assert.Equal(["2Node", "Quorate", "WaitForAll"], node.Flags);
        node.Reload(Expect(7), 3, new Dictionary<uint, int> { [1] = 3, [2] = 1 });
        Assert.Equal((3, 7, 4, false), (node.TotalVotes, node.ExpectedVotes, node.Quorum, node.Quorate));
    }
}
