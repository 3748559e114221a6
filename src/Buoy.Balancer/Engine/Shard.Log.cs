using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Logging;
using Buoy.Balancer.Rules.Samples;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Engine;

/// <content>
/// What only some log formats ask for: addresses of the server's connection, numbers and ids of requests. Nothing of it is
/// allocated where no format of the configuration needs it.
/// </content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>By frontend; null where no format asks for anything.</summary>
    private LogNeeds[]? _logNeeds;
    private string?[] _uniqueIds = [];
    private (IPEndPoint? Source, IPEndPoint? Server)[] _serverEnds = [];
    private bool _numbered;

    private void PrepareLogs()
    {
        var needs = new LogNeeds[_config.Proxies.Count];
        foreach (var p in _config.Proxies.Where(p => p.HasFrontend))
        {
            needs[p.Index] = SessionLine.Of(p).Needs | (p.Formats?.Structured?.Needs ?? LogNeeds.None)
                | (p.Formats?.UniqueId is { } id ? id.Needs | LogNeeds.UniqueId : LogNeeds.None);
            _numbered |= (needs[p.Index] & LogNeeds.RequestNumber) != 0;
        }

        _logNeeds = needs.Any(n => n != LogNeeds.None) ? needs : null;
    }

    private LogNeeds Needs(Conn* c) => _logNeeds is null ? LogNeeds.None : _logNeeds[c->Frontend];

    /// <summary>A session (TCP) or request (HTTP) begins.</summary>
    private void NumberRequest(Conn* c)
    {
        if (_numbered)
        {
            c->Number = _plane.NextRequestNumber();
        }

        if (_uniqueIds.Length > c->Index)
        {
            _uniqueIds[c->Index] = null;
        }
    }

    /// <summary>The connection to the server stands: notes its addresses where a format wants them.</summary>
    private void NoteServerEnds(Conn* c, Conn* s)
    {
        if ((Needs(c) & LogNeeds.ServerAddresses) == 0)
        {
            return;
        }

        if (_serverEnds.Length <= c->Index)
        {
            Array.Resize(ref _serverEnds, Math.Max(c->Index + 1, _slab.Capacity));
        }

        _serverEnds[c->Index] = (Sockets.Local(s->Fd), Sockets.Remote(s->Fd));
    }

    /// <summary>The id by <c>unique-id-format</c>, made when it is first asked for; null where there is no format.</summary>
    private string? UniqueId(Conn* c)
    {
        if ((Needs(c) & LogNeeds.UniqueId) == 0)
        {
            return null;
        }

        if (_uniqueIds.Length <= c->Index)
        {
            Array.Resize(ref _uniqueIds, Math.Max(c->Index + 1, _slab.Capacity));
        }

        return _uniqueIds[c->Index] ??= MakeUniqueId(c);
    }

    private string MakeUniqueId(Conn* c)
    {
        Span<byte> buffer = stackalloc byte[LongestUniqueId];
        var text = new LogText(buffer);
        var log = new SessionLog
        {
            Frontend = c->Frontend, Bind = c->Bind, Backend = c->Backend, Server = c->Server,
            Client = Sockets.Read(&c->Address), Local = Destination(c), Termination = c->Has(ConnFlags.Http) ? "----" : "--",
            Accepted = DateTimeOffset.UtcNow.AddMilliseconds(c->Begin - _now), RequestNumber = c->Number,
            IdleMs = (int)(c->Begin - c->IdleFrom), BindId = _config.Binds[c->Bind].Id,
            Request = c->Has(ConnFlags.Http) && c->Index < _requestLines.Length ? _requestLines[c->Index] : null,
            ActiveConnections = _plane.ActiveConnections,
            FrontendConnections = (int)_counters.Sum(_counters.Frontend(c->Frontend), Counter.SessionsCurrent),
            Samples = (Needs(c) & LogNeeds.Samples) != 0
                ? _config.Proxies[c->Frontend].Formats!.UniqueId!.Samples(LogScope(c)) : null,
        };
        var context = new LogContext(_config, Environment.MachineName, Environment.ProcessId);
        _config.Proxies[c->Frontend].Formats!.UniqueId!.Write(ref text, context, log, 0);
        return Encoding.Latin1.GetString(text.Written);
    }

    /// <summary>What the samples of a log format look at, made for the first line that has some.</summary>
    private SampleScope? _logScope;

    private SampleScope LogScope(Conn* c)
    {
        var scope = _logScope ??= new SampleScope { Config = _config, State = _plane.State, Shard = _id };
        scope.Temporary.Reset();
        scope.Now = _now;
        (scope.Frontend, scope.Backend, scope.Bind, scope.Server) = (c->Frontend, c->Backend, c->Bind, c->Server);
        scope.CurrentProxy = c->Frontend;
        scope.Source = scope.ConnectionSource = c->Address;
        scope.Destination = c->Index < _destinations.Length ? _destinations[c->Index] : default;
        scope.ConnectionDestination = default;
        scope.ClientFd = c->Fd;
        scope.Http = c->Has(ConnFlags.Http);
        scope.RequestNumber = c->Number;
        var st = StreamOf(c);
        scope.SessionVariables = st?.Session;
        scope.TransactionVariables = st?.Transaction;
        scope.RequestVariables = st?.Request;
        scope.ResponseVariables = st?.Response;
        scope.ProcessVariables = _plane.ProcessVariables;
        scope.Captures = st?.Captures;
        scope.SessionCounters = st?.SessionCounters;
        scope.StreamCounters = st?.Counters;
        return scope;
    }

    /// <summary>Bytes of an id at most, as the original's.</summary>
    private const int LongestUniqueId = 256;

    /// <summary>Adds <c>unique-id-header</c> to a request being written.</summary>
    private void WriteUniqueId(ref Http.HeadWriter w, Conn* c, ProxyConfig frontend)
    {
        if (frontend.UniqueIdHeader is { } name && UniqueId(c) is { } id)
        {
            w.Raw(Encoding.Latin1.GetBytes($"{name.ToLowerInvariant()}: {id}\r\n"));
        }
    }
}
