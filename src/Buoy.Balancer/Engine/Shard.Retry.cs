using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Engine;

/// <content>Requests that are kept until the response has begun, and sent once more (retry-on).</content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>Is this request to be kept for another attempt? Only one that is here to the end.</summary>
    private bool MayReplay(Conn* c) =>
        c->Has(ConnFlags.Http) && (_config.Proxies[c->Backend].RetryOn & RetryOn.NeedsRequest) != 0
        && c->Mode == InMode.Done && StreamOf(c) is not { NoReplay: true };

    /// <summary>The request was sent to the server: it is kept where another attempt may need it.</summary>
    private void RequestSent(Conn* c)
    {
        if (!MayReplay(c))
        {
            ReleaseHold(c);
        }
    }

    /// <summary>
    /// After a failure behind the connection: tries again, on the same server or on another, where the configuration
    /// and the number of retries allow it. False = the failure stands.
    /// </summary>
    private bool Replay(Conn* c, RetryOn failure)
    {
        var proxy = _config.Proxies[c->Backend];
        if ((proxy.RetryOn & failure) == 0 || c->HoldLength == 0 || !MayReplay(c) || c->Has(ConnFlags.Answered)
            || c->Retries >= proxy.Retries || c->Has(ConnFlags.InEnd))
        {
            return false;
        }

        var s = c->Peer;
        c->Peer = null;
        if (s != null)
        {
            s->Peer = null;
            CloseConn(s);
        }

        c->Retries++;
        c->Status = 0;
        if (Redispatches(proxy, c->Retries))
        {
            Redispatch(c);
            return true;
        }

        c->ServerCounters[(int)Counter.Retries]++;
        c->BackendCounters[(int)Counter.Retries]++;
        Connect(c);
        return true;
    }

    private static bool Redispatches(ProxyConfig proxy, int retries) => proxy.Redispatch < 0
        ? retries == proxy.Retries
        : proxy.Redispatch > 0 && retries % proxy.Redispatch == 0;

    private void Redispatch(Conn* c)
    {
        c->ServerCounters[(int)Counter.Redispatches]++;
        c->BackendCounters[(int)Counter.Redispatches]++;
        c->Flags |= ConnFlags.Redispatched;
        c->Avoid = c->Server;
        LeaveServer(c);
        Dispatch(c, null, 0);
    }
}
