namespace Buoy.Membership.Services;

/// <summary>What somebody who tracks quorum is told (quorum_trackstart(3)).</summary>
/// <param name="RingId">Of the view the verdict is about.</param>
/// <param name="Members">Of that view, ascending.</param>
public sealed record QuorumNotice(bool Quorate, RingId RingId, IReadOnlyList<uint> Members);

/// <summary>
/// Pure core of the quorum notifications: who tracks is told the verdict at once where there is one, then at every view
/// and at every other verdict on it, in that order.
/// </summary>
/// <param name="tell">Hands a notice to a client.</param>
public sealed class QuorumNotices(Action<long, QuorumNotice> tell)
{
    private readonly SortedSet<long> _clients = [];
    private QuorumNotice? _last;

    /// <summary>The newest verdict; null before the first view.</summary>
    public QuorumNotice? Last => _last;

    /// <summary>A client wants to be told from now on.</summary>
    public void Track(long client)
    {
        _clients.Add(client);
        if (_last is { } notice)
        {
            tell(client, notice);
        }
    }

    /// <summary>A client has ended, or does not want to be told any more.</summary>
    public void Forget(long client) => _clients.Remove(client);

    /// <summary>A new view with its verdict.</summary>
    public void OnView(ClusterView view) =>
        Tell(new QuorumNotice(view.Quorate, view.RingId, [.. view.Members.Select(m => m.NodeId)]));

    /// <summary>Another verdict on the same view.</summary>
    public void OnQuorum(bool quorate)
    {
        if (_last is { } last)
        {
            Tell(last with { Quorate = quorate });
        }
    }

    private void Tell(QuorumNotice notice)
    {
        _last = notice;
        foreach (long client in _clients)
        {
            tell(client, notice);
        }
    }
}
