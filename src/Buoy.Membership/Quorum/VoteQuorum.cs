namespace Buoy.Membership.Quorum;

/// <summary>What a member tells the others of itself on each new ring.</summary>
public sealed record QuorumRecord(uint NodeId, int Votes, int ExpectedVotes, bool Quorate, bool WaitForAllArmed);

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
/// </list>
/// allow_downscale and a device are refused by the configuration.
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

    /// <summary>A node that has seen nobody yet.</summary>
    /// <param name="holdAloneUntil">
    /// A node that just started and is alone is not quorate before this moment (ms), even where the settings allow it:
    /// the others
    /// may be starting too, and nodes that meet a moment later must not have begun to serve on their own.
    /// </param>
    public VoteQuorum(QuorumSettings settings, uint myId, int votes, long holdAloneUntil = 0)
    {
        _holdAloneUntil = holdAloneUntil;
        _settings = settings;
        _myId = myId;
        Votes = votes;
        ExpectedVotes = HighestExpected = settings.ExpectedVotes;
        WaitForAllArmed = settings.WaitForAll;
        Quorum = (ExpectedVotes / 2) + 1;
    }

    /// <summary>Votes of this node.</summary>
    public int Votes { get; }

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
    ];

    /// <summary>What this node tells the others.</summary>
    public QuorumRecord MyRecord => new(_myId, Votes, ExpectedVotes, Quorate, WaitForAllArmed);

    /// <summary>A new ring whose members' records (this node's included) have all come.</summary>
    public void OnMembers(long now, IReadOnlyList<QuorumRecord> members)
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

        if (members.Any(m => m.NodeId != _myId && m.Quorate && !m.WaitForAllArmed))
        {
            WaitForAllArmed = false;
        }

        Recompute(mayFall: false);
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

    /// <summary>New settings of a reloaded file; votes and expected may change at run time, features not.</summary>
    public void Reload(QuorumSettings settings)
    {
        _settings = _settings with { ExpectedVotes = settings.ExpectedVotes };
        SetExpected(settings.ExpectedVotes);
    }

    private void Recompute(bool mayFall)
    {
        TotalVotes = _present.Sum(m => m.Votes);
        ExpectedVotes = Math.Max(ExpectedVotes, TotalVotes);
        HighestExpected = _present.Select(m => m.ExpectedVotes).Append(ExpectedVotes).Max();
        int quorum = (Math.Max(HighestExpected, TotalVotes) / 2) + 1;
        if (!mayFall && !_settings.TwoNode)
        {
            quorum = Math.Max(quorum, Quorum);
        }

        Quorum = _settings.TwoNode && _present.Count <= 2 ? 1 : quorum;
        bool was = Quorate;
        bool enough = (TotalVotes >= Quorum || TieIsMine()) && !(WaitForAllArmed && TotalVotes != ExpectedVotes);
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
