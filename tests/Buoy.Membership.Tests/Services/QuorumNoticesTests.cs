using Buoy.Membership;
using Buoy.Membership.Services;

namespace Buoy.Tests.Services;

/// <summary>Who tracks quorum is told of every view and every verdict, with the view it is about.</summary>
public sealed class QuorumNoticesTests
{
    private readonly List<string> _told = [];
    private readonly QuorumNotices _notices;

    public QuorumNoticesTests() => _notices = new QuorumNotices((client, n) =>
        _told.Add($"{client}: {n.RingId} {string.Join(',', n.Members)} {(n.Quorate ? "quorate" : "not quorate")}"));

    [Fact]
    public void Track_BeforeAndAfterAView_ToldAtOnceWhereThereIsAVerdict()
    {
        _notices.Track(1);
        _notices.OnQuorum(true);
        Assert.Empty(_told);
        _notices.OnView(View(5, quorate: false, 1, 2));
        _notices.Track(2);
        Assert.Equal(["1: 1.5 1,2 not quorate", "2: 1.5 1,2 not quorate"], _told);
    }

    [Fact]
    public void OnQuorum_BetweenViews_ToldWithTheSameView()
    {
        _notices.Track(1);
        _notices.OnView(View(5, quorate: true, 1, 2, 3));
        _notices.OnQuorum(false);
        _notices.OnView(View(9, quorate: true, 1, 3));
        _notices.Forget(1);
        _notices.OnQuorum(false);
        Assert.Equal(["1: 1.5 1,2,3 quorate", "1: 1.5 1,2,3 not quorate", "1: 1.9 1,3 quorate"], _told);
        Assert.False(_notices.Last!.Quorate);
    }

    private static ClusterView View(ulong seq, bool quorate, params uint[] members) =>
        new(new RingId(seq, 1), [.. members.Select(m => new ViewMember(m, null, 1))], [], [], quorate, 0);
}
