using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Balance;
using Buoy.Balancer.Engine.Http;

namespace Buoy.Balancer.Engine;

/// <content>The key by which a server is chosen.</content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>What a backend's choice looks at.</summary>
    private enum KeyKind : byte
    {
        None,
        Address,
        RdpCookie,
        Request,

        /// <summary>The request, perhaps with its body (url_param check_post).</summary>
        RequestAndBody,
    }

    /// <summary>By proxy.</summary>
    private readonly KeyKind[] _keyKinds;

    private static KeyKind KeyKindOf(ProxyConfig proxy) => !proxy.HasBackend ? KeyKind.None : proxy.Balance.Algorithm switch
    {
        "source" => KeyKind.Address,
        "rdp-cookie" => KeyKind.RdpCookie,
        "uri" or "url_param" or "hdr" when proxy.Mode == ProxyMode.Http =>
            proxy.Balance.CheckPost ? KeyKind.RequestAndBody : KeyKind.Request,
        _ => KeyKind.None,
    };

    /// <summary>The choice's key of a stream whose backend is known.</summary>
    private PickKey Key(Conn* c)
    {
        if (_keyKinds[c->Backend] is KeyKind.Address or KeyKind.RdpCookie)
        {
            return KeyOfConnection(c);
        }

        return new PickKey(c->HasKey, c->KeyHash, c->Avoid);
    }

    private PickKey KeyOfConnection(Conn* c)
    {
        var backend = _config.Proxies[c->Backend];
        if (_keyKinds[c->Backend] == KeyKind.Address)
        {
            return new PickKey(true, Hashes.OfAddress(backend.HashType, Sockets.Bytes(&c->Address)), c->Avoid);
        }

        bool found = HashKeys.RdpCookie(
            new ReadOnlySpan<byte>(c->In, c->InLength), backend.Balance.Argument!, out var cookie);
        return new PickKey(found, found ? Hashes.Of(backend.HashType, cookie) : 0, c->Avoid);
    }

    /// <summary>
    /// The server for a stream: persistence's, the last one's, or the algorithm's. What it says is as
    /// <see cref="ServerPicker.Pick"/>.
    /// </summary>
    private int ChooseServer(Conn* c)
    {
        var picker = _pickers[c->Backend]!;
        if (c->Persist >= 0 && c->Avoid < 0 && Ask(c, c->Persist) is var server && server != ServerPicker.None)
        {
            return server;
        }

        if (c->LastServer > 0 && c->Avoid < 0 && PrefersLast(c))
        {
            return c->LastServer - 1;
        }

        if (c->Persist >= 0 && c->Avoid < 0 && _config.Proxies[c->Backend].Redispatch == 0)
        {
            return Refused;
        }

        server = picker.Pick(_plane, Key(c));
        return server < ServerPicker.None && IsWaitedForTooMuch(ServerPicker.WaitFor(server), c)
            ? picker.Pick(_plane, new PickKey(false, 0, ServerPicker.WaitFor(server))) : server;
    }

    /// <summary>The only server that may take the stream has a full queue (maxqueue without option redispatch).</summary>
    private const int Refused = int.MinValue;

    /// <summary>Room at a server that persistence wants: itself, a wait, or none where too many wait already.</summary>
    private int Ask(Conn* c, int server)
    {
        int max = _plane.Limit(server);
        return max <= 0 || _plane.Connections(server) < max ? server
            : IsWaitedForTooMuch(server, c) ? ServerPicker.None : ServerPicker.WaitFor(server);
    }

    /// <summary>maxqueue; who waits already is not turned away.</summary>
    private bool IsWaitedForTooMuch(int server, Conn* c) =>
        c->State != StreamState.Queued && _config.Servers[server].MaxQueue is > 0 and var most
        && Volatile.Read(ref _plane.ServerQueue(server)) >= most;

    /// <summary>
    /// option prefer-last-server: the server of the request before. As in the original only with http-reuse never: else
    /// the connection goes back to the pool and no session holds it.
    /// </summary>
    private bool PrefersLast(Conn* c)
    {
        int server = c->LastServer - 1;
        return _config.Proxies[c->Backend] is { PreferLastServer: true, HttpReuse: HttpReuse.Never } && !c->HasKey
            && _config.Servers[server].Proxy == c->Backend
            && Volatile.Read(ref _servers[server].Eligible) == 1
            && (_plane.Limit(server) is 0 || _plane.Connections(server) < _plane.Limit(server));
    }

    /// <summary>Takes the key from the request head in the scratch buffer, before it is rewritten.</summary>
    private void TakeKey(Conn* c, int backend, int have)
    {
        c->HasKey = _keyKinds[backend] >= KeyKind.Request
            && HashKeys.FromRequest(_config.Proxies[backend], _head, _scratch, have, out c->KeyHash);
    }

    /// <summary>
    /// Must more of the body come before this request can go on? Not beyond what the buffer holds.
    /// </summary>
    private bool WaitForBody(Conn* c, int have)
    {
        int backend = _config.Proxies[c->Frontend].DefaultBackend ?? c->Frontend;
        if (_config.Proxies[c->Frontend].BufferRequest || _config.Proxies[backend].BufferRequest)
        {
            return have < _headLimit && !BodyIsHere(have);
        }

        return _keyKinds[backend] == KeyKind.RequestAndBody && have < _headLimit && !BodyIsHere(have)
            && HashKeys.WantsBody(_config.Proxies[backend], _head, _scratch);
    }

    private bool BodyIsHere(int have)
    {
        if (!_head.Chunked)
        {
            return have - _head.Length >= _head.ContentLength;
        }

        var body = BodyTracker.Chunks;
        return body.Advance(_scratch + _head.Length, have - _head.Length) < 0 || body.Done;
    }
}
