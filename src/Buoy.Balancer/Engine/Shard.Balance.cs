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
