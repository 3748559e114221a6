using Buoy.Membership;
using Buoy.Membership.Configuration;
using Buoy.Membership.Links;
using Buoy.Membership.Quorum;

namespace Buoy.Simulation;

/// <content>
/// What a seed draws besides faults: quorum's configuration, links, keys, clocks; an attacker on the network; and the
/// verdicts on quorum, watched at every change.
/// </content>
internal sealed partial class Simulation
{
    /// <summary>Datagrams an attacker has recorded.</summary>
    private const int Recordings = 64;

    /// <summary>What an attacker puts in arrives within so many ms.</summary>
    private const int LongestAttack = 200;

    private readonly List<byte[]> _recorded = [];
    private readonly Dictionary<uint, int> _votes = [];
    private readonly List<(long Since, RingId A, RingId B)> _doubles = [];
    private bool _whole;

    /// <summary>Rules of votequorum; null = views and quorum are not simulated.</summary>
    public QuorumSettings? Quorum { get; private set; }

    public int LinkCount { get; private set; } = 1;
    public LinkMode LinkMode { get; private set; }
    public CryptoSettings Crypto { get; private set; } = new(0, "none");

    /// <summary>A node that has another key than all others; 0 = none.</summary>
    public uint Stranger { get; private set; }

    /// <summary>Datagrams an attacker put in: altered, cut, made up or repeated.</summary>
    public long Attacks { get; private set; }

    /// <summary>Attacks that were believed.</summary>
    public long Forged { get; set; }

    /// <summary>Times two partitions were quorate together because the configuration allows it.</summary>
    public long AllowedDoubles { get; private set; }

    /// <summary>Violations of quorum's invariant.</summary>
    public List<string> QuorumViolations { get; } = [];

    public byte[] KeyOf(uint id) => !Crypto.Enabled ? []
        : [.. Enumerable.Range(0, 128).Select(i => (byte)(i + (id == Stranger ? 99 : 7)))];

    public int VotesOf(uint id) => _votes.GetValueOrDefault(id, 1);

    /// <summary>The configuration as one line, for traces.</summary>
    public string World => $"{_nodes.Length} nodes, {LinkCount} links {LinkMode}, "
        + $"{(Crypto.Enabled ? $"aes{Crypto.KeyBits} {Crypto.Hash}" : "no crypto")}"
        + $"{(Stranger > 0 ? $", node {Stranger} has another key" : "")}; quorum {Quorum?.ToString() ?? "not simulated"}";

    private void DrawWorld(int nodes)
    {
        _whole = true;
        LinkCount = Random.Next(3) == 0 ? Random.Next(2, 4) : 1;
        LinkMode = (LinkMode)Random.Next(3);
        if (Random.Next(8) == 0)
        {
            Crypto = new CryptoSettings(Random.Next(4) * 64 is > 0 and var bits ? 64 + bits : 0, "sha256");
            Stranger = nodes > 3 && Random.Next(3) == 0 ? (uint)Random.Next(1, nodes + 1) : 0;
        }

        if (Random.Next(3) == 0)
        {
            foreach (var node in _nodes)
            {
                (node.Drift, node.Offset) = (Random.Next(-5000, 5001), Random.Next(100_000));
            }
        }

        _repeatsBelow = Random.Next(2) == 0;
        var plain = new QuorumSettings { ExpectedVotes = nodes };
        Quorum = Random.Next(8) switch
        {
            0 when nodes == 2 => plain with { TwoNode = true, WaitForAll = Random.Next(2) == 0 },
            1 => plain with { WaitForAll = true },
            2 when nodes % 2 == 0 => plain with { AutoTieBreaker = new TieBreaker(Random.Next(2) == 0, []) },
            3 => plain with { WaitForAll = true, LastManStanding = true, LastManStandingWindow = 2000 },
            4 => UnequalVotes(plain, nodes),
            _ => plain,
        };
        Story.Add((0, World));
    }

    private QuorumSettings UnequalVotes(QuorumSettings plain, int nodes)
    {
        for (uint id = 1; id <= nodes; id++)
        {
            _votes[id] = Random.Next(1, 4);
        }

        return plain with { ExpectedVotes = _votes.Values.Sum() };
    }

    /// <summary>Some nodes reload other timers; the larger token holds until the next ring (9.24 of the specification).</summary>
    private void Reload()
    {
        int percent = Random.Next(60, 200);
        Tell($"some nodes reload: token {Parameters.Token * percent / 100}");
        foreach (var node in _nodes.Where(_ => Random.Next(3) > 0))
        {
            node.Reconfigure(Now, Parameters with
            {
                Token = Parameters.Token * percent / 100, Consensus = Parameters.Consensus * percent / 100,
            });
        }
    }

    /// <summary>Everybody has the first timers again.</summary>
    public void ReloadAll()
    {
        foreach (var node in _nodes)
        {
            node.Reconfigure(Now, Parameters);
        }
    }

    private void CutLink(uint node)
    {
        int link = Random.Next(LinkCount);
        bool oneWay = Random.Next(3) == 0;
        Tell($"link {link} of node {node} breaks{(oneWay ? " towards it" : "")}");
        foreach (uint other in _nodes.Select(n => n.Id).Where(o => o != node))
        {
            _network.CutLink(other, node, link);
            if (!oneWay)
            {
                _network.CutLink(node, other, link);
            }
        }
    }

    /// <summary>Breaks a link of all nodes, or of one.</summary>
    public void BreakLink(int link, uint? only = null)
    {
        Tell($"link {link} {(only is null ? "" : $"of node {only} ")}breaks");
        foreach (uint node in _nodes.Select(n => n.Id))
        {
            foreach (uint other in _nodes.Select(n => n.Id).Where(o => only is null || node == only || o == only))
            {
                _network.CutLink(node, other, link);
            }
        }
    }

    /// <summary>A world that is not drawn but told.</summary>
    public void Stage(QuorumSettings? quorum, int links, LinkMode mode) => (Quorum, LinkCount, LinkMode) = (quorum, links, mode);

    // ── The attacker ─────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Somebody on the network repeats what passed; with crypto on also alters, cuts and makes up.</summary>
    private void Attack(uint to, int link, byte[] datagram)
    {
        if (Random.Next(20) != 0)
        {
            return;
        }

        if (_recorded.Count < Recordings)
        {
            _recorded.Add(datagram);
        }
        else
        {
            _recorded[Random.Next(Recordings)] = datagram;
        }

        byte[] forged = [.. _recorded[Random.Next(_recorded.Count)]];
        if (Crypto.Enabled)
        {
            switch (Random.Next(4))
            {
                case 0:
                    forged[Random.Next(forged.Length)] ^= (byte)(1 << Random.Next(8));
                    break;
                case 1:
                    forged = forged[..Random.Next(forged.Length)];
                    break;
                case 2:
                    Random.NextBytes(forged);
                    break;
            }
        }
        else if (Random.Next(2) == 0)
        {
            forged = forged[..Random.Next(36)];
        }

        Attacks++;
        bool made = !_recorded.Exists(r => r.AsSpan().SequenceEqual(forged));
        var packet = new Packet(forged) { Forged = made };
        _network.Add(Now, 1 + Random.Next(LongestAttack), new SimulatedNetwork.Arrival(to, link, packet));
    }

    /// <summary>A datagram passed the envelope.</summary>
    public void OnAccepted(Packet datagram) => Forged += datagram.Forged ? 1 : 0;

    // ── Quorum ───────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>
    /// Two disjoint quorate views together. For a moment that is bound to be: who is cut off learns it from silence. It is
    /// a violation where it lasts longer than any node needs to learn it.
    /// </summary>
    public void OnStanding()
    {
        var quorate = _nodes.Where(n => n.Core is not null && n.PausedUntil <= Now && n.Standing is { Quorate: true })
            .Select(n => n.Standing!.Value.View).DistinctBy(v => v.RingId).ToList();
        var now = new HashSet<(RingId, RingId)>();
        for (int i = 0; i < quorate.Count; i++)
        {
            for (int j = i + 1; j < quorate.Count; j++)
            {
                if (!quorate[i].Members.Any(m => quorate[j].Members.Any(o => o.NodeId == m.NodeId)))
                {
                    now.Add((quorate[i].RingId, quorate[j].RingId));
                }
            }
        }

        foreach (var (since, a, b) in _doubles.Where(d => Now - d.Since > Patience).ToList())
        {
            Report(since, a, b);
        }

        _doubles.RemoveAll(d => !now.Contains((d.A, d.B)) || Now - d.Since > Patience);
        foreach (var (a, b) in now.Where(p => !_doubles.Exists(d => (d.A, d.B) == p)))
        {
            _doubles.Add((Now, a, b));
        }
    }

    /// <summary>Silence, the exchange of Joins, recovery and the members' records; with a paused node's lateness.</summary>
    private long Patience => (3 * Parameters.Token) + (2 * Parameters.Consensus);

    private void Report(long since, RingId a, RingId b)
    {
        if (Quorum is { TwoNode: true })
        {
            AllowedDoubles++;
            Tell($"rings {a} and {b} are both quorate since {since}: two_node allows it");
        }
        else
        {
            QuorumViolations.Add($"Q: rings {a} and {b} are disjoint and both quorate from {since} to {Now}");
        }
    }
}
