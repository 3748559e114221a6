using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Engine;

/// <content>
/// Deadlines. A client's entry in the wheel stands for its whole stream; it is worked out from the state and the last
/// activity when its slot fires, so that traffic costs no timer operations.
/// </content>
internal sealed unsafe partial class Shard<TPoller>
{
    private const long Never = long.MaxValue;

    /// <summary>How long a client may keep its side open after our last byte where no time-out is set, ms.</summary>
    private const int LingerDefault = 10_000;

    private static long After(long from, int? timeout) => timeout is int t ? from + t : Never;

    private void Arm(Conn* c)
    {
        long due = Deadline(c, out _);
        if (due != Never)
        {
            _wheel.FileNoLaterThan(c, due);
        }
    }

    /// <summary>When the stream's patience ends, and whether the server is to blame then.</summary>
    private long Deadline(Conn* c, out bool server)
    {
        server = false;
        var client = _config.Proxies[c->Frontend].Timeouts;
        var backend = c->Backend >= 0 ? _config.Proxies[c->Backend].Timeouts : client;
        if (StreamOf(c) is { } ruled && (ruled.ServerTimeout ?? ruled.TunnelTimeout) is not null)
        {
            backend = backend with
            {
                Server = ruled.ServerTimeout ?? backend.Server, Tunnel = ruled.TunnelTimeout ?? backend.Tunnel,
            };
        }

        switch (c->State)
        {
            case StreamState.Request:
                return c->Has(ConnFlags.NotFirst) && c->InLength == 0
                    ? After(c->StateSince, client.HttpKeepAlive ?? client.HttpRequest ?? client.Client)
                    : After(c->StateSince, client.HttpRequest ?? client.Client);
            case StreamState.Handshake:
                return After(c->StateSince, client.Client);
            case StreamState.Queued:
                return After(c->StateSince, backend.Queue ?? backend.Connect);
            case StreamState.Connecting:
                return After(c->StateSince, backend.Connect);
            case StreamState.RetryWait:
                return c->StateSince + Math.Min(RetryDelay, backend.Connect ?? RetryDelay);
            case StreamState.Held:
                return StreamOf(c)!.WaitUntil;
            case StreamState.Closing:
                return c->LastActivity + Math.Min(client.ClientFin ?? client.Client ?? LingerDefault, LingerDefault);
            case StreamState.Joined when c->Has(ConnFlags.Http) && !c->Has(ConnFlags.Tunnel):
                return HttpDeadline(c, client, backend, out server);
            case StreamState.Joined when c->Peer->Mode == InMode.Inspect && StreamOf(c) is { ResponseUntil: > 0 and var until }:
                return Math.Min(until, TunnelDeadline(c, client, backend, out server));
            case StreamState.Joined:
                return TunnelDeadline(c, client, backend, out server);
            case StreamState.Local:
                return c->OutLength > 0 || c->Mode == InMode.Collect ? After(c->LastActivity, client.Client) : Never;
            default:
                return Never;
        }
    }

    private static long TunnelDeadline(Conn* c, TimeoutsConfig client, TimeoutsConfig backend, out bool server)
    {
        var s = c->Peer;
        bool half = (c->Flags & ConnFlags.OutEnd) != 0 || (s->Flags & ConnFlags.OutEnd) != 0;
        long clientDue;
        long serverDue;
        if (half)
        {
            clientDue = After(c->LastActivity, client.ClientFin ?? backend.Tunnel ?? client.Client);
            serverDue = After(s->LastActivity, backend.ServerFin ?? backend.Tunnel ?? backend.Server);
        }
        else
        {
            clientDue = After(c->LastActivity, backend.Tunnel ?? client.Client);
            serverDue = After(s->LastActivity, backend.Tunnel ?? backend.Server);
        }

        server = serverDue < clientDue;
        return Math.Min(clientDue, serverDue);
    }

    private static long HttpDeadline(Conn* c, TimeoutsConfig client, TimeoutsConfig backend, out bool server)
    {
        var s = c->Peer;
        bool toServer = s->OutLength > 0 || c->PipeBytes > 0;
        bool toClient = c->OutLength > 0 || s->PipeBytes > 0;
        bool requestDone = c->Mode != InMode.Body;
        server = !toClient && (toServer || requestDone);
        long clientDue = After(c->LastActivity, client.Client);
        long serverDue = After(s->LastActivity, backend.Server);
        if (!toClient && !server && serverDue < clientDue)
        {
            // A server that is silent while the client's body does not come, either.
            server = true;
        }

        return server ? serverDue : clientDue;
    }

    private void OnClientTimer(Conn* c)
    {
        long due = Deadline(c, out bool server);
        if (due > _now)
        {
            if (due != Never)
            {
                _wheel.FileNoLaterThan(c, due);
            }
            else
            {
                // Nothing to wait for in this state; a later state files itself.
                _wheel.Remove(c);
            }

            return;
        }

        switch (c->State)
        {
            case StreamState.Request:
                RequestTimedOut(c);
                break;
            case StreamState.Handshake:
                HandshakeFailed(c, ConnectionError.ProxyAbort);
                break;
            case StreamState.Queued:
                Fail(c, 503, 's', 'Q');
                break;
            case StreamState.Connecting:
                ConnectFailed(c, timedOut: true, resources: false);
                break;
            case StreamState.RetryWait:
                Connect(c);
                break;
            case StreamState.Joined when c->Peer->Mode == InMode.Inspect && StreamOf(c) is { ResponseUntil: > 0 and var until }
                && until <= _now:
                if (InspectResponse(c, c->Peer))
                {
                    Arm(c);
                }

                break;
            case StreamState.Joined:
                JoinedTimedOut(c, server);
                break;
            case StreamState.Held:
                OnHeldTimer(c);
                break;
            case StreamState.Local:
            case StreamState.Closing:
                EndTransaction(c);
                CloseClient(c);
                break;
            default:
                throw new InvalidOperationException($"unknown state {c->State}");
        }
    }

    private void JoinedTimedOut(Conn* c, bool server)
    {
        bool http = c->Has(ConnFlags.Http) && !c->Has(ConnFlags.Tunnel);
        if (server && http && Replay(c, RetryOn.ResponseTimeout))
        {
            return;
        }

        if (server)
        {
            CountServerAbort(c);
        }
        else
        {
            c->FrontendCounters[(int)Counter.ClientAborts]++;
            c->BackendCounters[(int)Counter.ClientAborts]++;
            c->ServerCounters[(int)Counter.ClientAborts]++;
        }

        if (!http || c->Has(ConnFlags.Answered))
        {
            Fail(c, 0, server ? 's' : 'c', 'D');
        }
        else if (server)
        {
            _plane.State.Observer?.NoAnswer(c->Server, "Read timeout (http)");
            c->BackendCounters[(int)Counter.ResponseErrors]++;
            c->ServerCounters[(int)Counter.ResponseErrors]++;
            StreamOf(c)?.Count(StickTables.StickEvents.Failure, _now);
            Fail(c, 504, 's', c->Mode == InMode.Body ? 'D' : 'H');
        }
        else
        {
            Fail(c, 408, 'c', 'D');
        }
    }
}
