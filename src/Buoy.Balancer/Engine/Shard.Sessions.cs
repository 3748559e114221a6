using Buoy.Balancer.State;

namespace Buoy.Balancer.Engine;

/// <content>The streams as the runtime API lists and ends them.</content>
internal sealed unsafe partial class Shard<TPoller>
{
    private const int GenerationShift = 24;
    private const int ShardShift = 48;
    private const long Low24 = (1L << GenerationShift) - 1;

    /// <summary>Adds all streams of this shard; the list is the asker's, guarded by itself.</summary>
    private void ListSessions(List<SessionInfo> into)
    {
        lock (into)
        {
            for (int i = 0; i < _slab.Capacity; i++)
            {
                var c = _slab[i];
                if (c->Kind == ConnKind.Client && !c->Has(ConnFlags.Dead) && c->State != StreamState.Request)
                {
                    into.Add(Describe(c));
                }
            }
        }
    }

    private SessionInfo Describe(Conn* c)
    {
        var s = c->Peer;
        long due = Deadline(c, out _);
        return new SessionInfo(
            NameOf(c), c->Frontend, c->Bind, c->Backend, c->Server, Sockets.Read(&c->Address), Sockets.Local(c->Fd),
            s != null ? Sockets.Local(s->Fd) : null, c->State.ToString(), _now - c->Begin,
            due == Never ? -1 : Math.Max(0, due - _now),
            (_now - c->LastActivity, s != null ? _now - s->LastActivity : -1), c->Fd, s != null ? s->Fd : -1, c->Retries,
            c->BytesIn, c->BytesOut);
    }

    /// <summary>Shard, generation and index in one number.</summary>
    private long NameOf(Conn* c) =>
        ((long)(_id + 1) << ShardShift) | ((c->Generation & Low24) << GenerationShift) | (uint)c->Index;

    /// <summary>Ends the stream of that name, if it is one of this shard's and still there.</summary>
    private bool KillSession(long id)
    {
        int index = (int)(id & Low24);
        if (id >> ShardShift != _id + 1 || index >= _slab.Capacity)
        {
            return false;
        }

        var c = _slab[index];
        if (c->Kind != ConnKind.Client || c->Has(ConnFlags.Dead) || NameOf(c) != id)
        {
            return false;
        }

        Fail(c, 503, 'K', c->State == StreamState.Joined ? 'D' : 'C');
        return true;
    }
}
