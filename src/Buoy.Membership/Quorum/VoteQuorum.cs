namespace Buoy.Membership.Quorum;

/// <summary>What a member tells the others of itself on each new ring, and when it changes.</summary>
/// <param name="DeviceVotes">Votes the quorum device casts for it; 0 where it casts none.</param>
/// <param name="MasterWins">The device casts, and decides for whoever it casts for.</param>
public sealed record QuorumRecord(
    uint NodeId, int Votes, int ExpectedVotes, bool Quorate, bool WaitForAllArmed, int DeviceVotes = 0,
    bool MasterWins = false);

/// <summary>What a provider of a quorum device reports: the seam through which its votes come.</summary>
/// <param name="Registered">A provider speaks for the device.</param>
/// <param name="Alive">It was heard of within its time-out.</param>
/// <param name="Casts">It votes for this node.</param>
/// <param name="MasterWins">Who has its votes is quorate whatever else is missing.</param>
public readonly record struct QuorumDevice(bool Registered, bool Alive, bool Casts, bool MasterWins)
{
    /// <summary>Its votes count for this node.</summary>
    public bool Counts => Registered && Alive && Casts;
}

/// <summary>
/// votequorum(5): votes are counted on each new ring, when the records of all members have come.
/// <list type="number">
/// <item>expected votes rise to the votes present; while not quorate, a quorate member's value is taken</item>
/// <item>quorum = half of the highest expected votes (or of the votes present), plus one; it never falls by
/// itself</item>
/// <item>two_node with at most two members: quorum is 1</item>
/// <item>wait_for_all: armed at start and whenever quorum is lost; armed, nothing less than all votes is quorate</item>
/// </list>
/// <list type="bullet">
/// <item>auto_tie_breaker: exactly half is quorate, where the rest cannot have a majority and the tie-break favours
/// it</item>
/// <item>last_man_standing: a window after a loss, a quorate rest takes its own number as expected votes</item>
/// <item>allow_downscale: after a clean leave expected votes fall to the votes present, not below the configured</item>
/// <item>expected_votes_tracking: the highest expected votes ever seen are a floor after a restart</item>
/// <item>a device: its votes count while it is registered, alive and casts for this node</item>
/// </list>
/// </summary>
public sealed class VoteQuorum
{
    private readonly uint _myId;
    private QuorumSettings _settings;
    private IReadOnlyList<QuorumRecord> _present = [];
    private uint[] _before = [];
    private long _holdAloneUntil;
    private bool _held;
    private long _windowEnd = long.MaxValue;
    private uint[] _lastQuorate = [];
    private QuorumDevice _device;

    /// <summary>A node that has seen nobody yet.</summary>
    /// <param name="holdAloneUntil">
    /// A node that just started and is alone is not quorate before this moment (ms), even where the settings allow it:
    /// the others
    /// may be starting too, and nodes that meet a moment later must not have begun to serve on their own.
    /// </param>
    /// <param name="tracked">Highest expected votes ever seen, where they are tracked; else 0.</param>
    public VoteQuorum(QuorumSettings settings, uint myId, int votes, long holdAloneUntil = 0, int tracked = 0)
    {
        _holdAloneUntil = holdAloneUntil;
        _settings = settings;
        _myId = myId;
        Votes = votes;
        ExpectedVotes = HighestExpected = HighestEver = Math.Max(settings.ExpectedVotes, tracked);
        WaitForAllArmed = settings.WaitForAll;
        Quorum = (ExpectedVotes / 2) + 1;
    }

    /// <summary>Votes of this node.</summary>
    public int Votes { get; private set; }

    /// <summary>Highest expected votes this node ever saw; it never falls.</summary>
    public int HighestEver { get; private set; }

    /// <summary>The device as its provider last reported it.</summary>
    public QuorumDevice Device => _device;

    /// <summary>Expected votes now.</summary>
    public int ExpectedVotes { get; private set; }

    /// <summary>Highest expected votes of a member.</summary>
    public int HighestExpected { get; private set; }

    /// <summary>Votes present.</summary>
    public int TotalVotes { get; private set; }

    /// <summary>Votes needed.</summary>
    public int Quorum { get; private set; }

    /// <summary>The verdict.</summary>
    public bool Quorate { get; private set; }

    /// <summary>wait_for_all still waits.</summary>
    public bool WaitForAllArmed { get; private set; }

    /// <summary>
    /// When <see cref="OnTimer"/> must be called, ms of the caller's clock; <see cref="long.MaxValue"/> = never.
    /// </summary>
    public long Deadline => Math.Min(_windowEnd, _held ? _holdAloneUntil : long.MaxValue);

    /// <summary>As corosync-quorumtool shows them.</summary>
    public IReadOnlyList<string> Flags =>
    [
        .. _settings.TwoNode ? (string[])["2Node"] : [],
        .. Quorate ? (string[])["Quorate"] : [],
        .. _settings.WaitForAll ? (string[])["WaitForAll"] : [],
        .. _settings.LastManStanding ? (string[])["LastManStanding"] : [],
        .. _settings.AutoTieBreaker is not null ? (string[])["AutoTieBreaker"] : [],
        .. _settings.AllowDownscale ? (string[])["AllowDownscale"] : [],
        .. _settings.DeviceVotes > 0 ? (string[])["Qdevice"] : [],
    ];

    /// <summary>What this node tells the others.</summary>
    public QuorumRecord MyRecord => new(
        _myId, Votes, ExpectedVotes, Quorate, WaitForAllArmed, _device.Counts ? _settings.DeviceVotes : 0,
        _device is { Counts: true, MasterWins: true });

    /// <summary>A new ring whose members' records (this node's included) have all come.</summary>
    /// <param name="leftCleanly">Whether a member of the ring before left with a word; the same on all members.</param>
    public void OnMembers(long now, IReadOnlyList<QuorumRecord> members, bool leftCleanly = false)
    {
        _before = [.. _present.Select(m => m.NodeId)];
        _present = members;
        _held = now < _holdAloneUntil && members.Count == 1;
        _holdAloneUntil = _held ? _holdAloneUntil : 0;
        if (!Quorate && members.Where(m => m.NodeId != _myId && m.Quorate).OrderBy(m =>
            m.NodeId).FirstOrDefault() is { } quorate)
        {
            ExpectedVotes = quorate.ExpectedVotes;
        }

        bool downscale = _settings.AllowDownscale && leftCleanly;
        if (downscale)
        {
            int votes = Math.Max(_settings.ExpectedVotes, members.Sum(m => m.Votes));
            ExpectedVotes = Math.Min(ExpectedVotes, votes);
            _present = [.. members.Select(m => m with { ExpectedVotes = Math.Min(m.ExpectedVotes, votes) })];
        }

        bool armed = WaitForAllArmed;
        if (members.Any(m => m.NodeId != _myId && m.Quorate && !m.WaitForAllArmed))
        {
            WaitForAllArmed = false;
        }

        Recompute(mayFall: downscale);

        // The quorate member lost quorum on this very ring and waits for all again: so must who took its word, or the
        // members of a later view would not agree.
        WaitForAllArmed |= armed && !Quorate;
        ArmLastManStanding(now);
    }

    /// <summary>
    /// The hold of a fresh node is over, or last_man_standing's window: a quorate rest is all there is to expect.
    /// </summary>
    public void OnTimer(long now)
    {
        if (_held && now >= _holdAloneUntil)
        {
            _held = false;
            Recompute(mayFall: false);
        }

        if (now < _windowEnd)
        {
            return;
        }

        _windowEnd = long.MaxValue;
        if (Quorate)
        {
            SetExpected(_present.Count);
        }
    }

    private void ArmLastManStanding(long now)
    {
        bool lost = _before.Except(_present.Select(m => m.NodeId)).Any();
        if (!_settings.LastManStanding || !lost)
        {
            return;
        }

        bool tied = _settings.AutoTieBreaker is not null && _present.Count <= Quorum && Quorate;
        if (_present.Count >= Quorum || tied)
        {
            _windowEnd = now + _settings.LastManStandingWindow;
        }
    }

    private bool TieIsMine()
    {
        uint[] present = [.. _present.Select(m => m.NodeId)];
        return _settings.AutoTieBreaker is { } tie && TotalVotes == ExpectedVotes / 2
            && _before.Length - present.Length < Quorum
            && tie.Favours(present, _before, _lastQuorate);
    }

    /// <summary>An administrator sets expected votes for all; returns why not, or null.</summary>
    public string? RefusesExpected(int votes)
    {
        if (votes < TotalVotes)
        {
            return $"expected votes {votes} are less than the {TotalVotes} votes present";
        }

        int quorum = (votes / 2) + 1;
        return Quorate && quorum > TotalVotes
            ? $"expected votes {votes} need {quorum} votes, with {TotalVotes} present quorum would be lost"
            : null;
    }

    /// <summary>The ordered decision to set expected votes: every member applies it.</summary>
    public void SetExpected(int votes)
    {
        ExpectedVotes = votes;
        _present = [.. _present.Select(m => m with { ExpectedVotes = votes })];
        Recompute(mayFall: true);
    }

    /// <summary>
    /// New settings of a reloaded file. Only votes, expected_votes and two_node (with the wait_for_all it implies) change
    /// at run time, as votequorum(5) says.
    /// </summary>
    /// <param name="votes">Of this node.</param>
    /// <param name="listed">Votes by node id as the node list now has them.</param>
    public void Reload(QuorumSettings settings, int votes, IReadOnlyDictionary<uint, int> listed)
    {
        _settings = _settings with
        {
            ExpectedVotes = settings.ExpectedVotes, TwoNode = settings.TwoNode,
            WaitForAll = settings.TwoNode != _settings.TwoNode ? settings.WaitForAll : _settings.WaitForAll,
        };
        Votes = votes;
        _present = [.. _present.Where(m => m.NodeId == _myId || listed.Count == 0 || listed.ContainsKey(m.NodeId))
            .Select(m => m with
            {
                Votes = m.NodeId == _myId ? votes : listed.GetValueOrDefault(m.NodeId, m.Votes),
            })];
        SetExpected(settings.ExpectedVotes);
    }

    /// <summary>A member told of itself anew, between rings.</summary>
    public void OnRecord(QuorumRecord record)
    {
        if (record.NodeId != _myId && _present.Any(m => m.NodeId == record.NodeId))
        {
            _present = [.. _present.Select(m => m.NodeId == record.NodeId ? record : m)];
            Recompute(mayFall: false);
        }
    }

    /// <summary>The device's provider reports; the others are to be told with <see cref="MyRecord"/>.</summary>
    public void SetDevice(QuorumDevice device)
    {
        _device = device;
        _present = [.. _present.Select(m => m.NodeId == _myId ? MyRecord : m)];
        Recompute(mayFall: false);
    }

    /// <summary>corosync-cmapctl quorum.cancel_wait_for_all: do not wait for the others.</summary>
    public void CancelWaitForAll()
    {
        WaitForAllArmed = false;
        Recompute(mayFall: false);
    }

    private void Recompute(bool mayFall)
    {
        bool cast = _device.Counts && _settings.DeviceVotes > 0;
        TotalVotes = _present.Sum(m => m.Votes) + (cast ? _settings.DeviceVotes : 0);
        ExpectedVotes = Math.Max(ExpectedVotes, TotalVotes);
        HighestExpected = _present.Select(m => m.ExpectedVotes).Append(ExpectedVotes).Max();
        int quorum = (Math.Max(HighestExpected, TotalVotes) / 2) + 1;
        HighestEver = Math.Max(HighestEver, HighestExpected);
        if (!mayFall && !_settings.TwoNode)
        {
            quorum = Math.Max(quorum, Quorum);
        }

        Quorum = _settings.TwoNode && _present.Count + (cast ? 1 : 0) <= 2 ? 1 : quorum;
        bool was = Quorate;
        bool masterWins = _present.Any(m => m.DeviceVotes > 0 && m.MasterWins);
        bool enough = (TotalVotes >= Quorum || TieIsMine() || masterWins) && !(WaitForAllArmed && TotalVotes != ExpectedVotes);
        Quorate = !_settings.Enabled || (enough && !_held);
        if (Quorate)
        {
            WaitForAllArmed = false;
            _lastQuorate = [.. _present.Select(m => m.NodeId)];
        }
        else if (was)
        {
            WaitForAllArmed = _settings.WaitForAll;
        }
    }
}
