using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Logging;

/// <summary>
/// The logs of the balancer: a bounded queue that any thread fills without waiting, and one thread that formats and
/// sends. When
/// the queue is full a line is dropped and counted (<c>DroppedLogs</c> of <c>show info</c>).
/// </summary>
public sealed class LogSink : ILogSink, IDisposable
{
    /// <summary>Lines waiting at most: a second of 64k sessions; about 20 MB when full.</summary>
    private const int Capacity = 65536;

    private readonly BalancerConfig _config;
    private readonly LogTarget[][] _perProxy;
    private readonly LogTarget[] _global;
    private readonly LogTarget[] _all;
    private readonly LogTarget[][] _perForward;
    private readonly Dictionary<string, LogRing> _rings = [];
    private readonly Dictionary<string, LogRing> _hidden = [];
    private readonly LogForwarder? _forwarder;

    /// <summary>Bytes that wait for a TCP target.</summary>
    private const int HiddenRing = 1 << 20;
    private readonly bool[] _wants;
    private readonly LogContext _context;
    private readonly byte[] _buffer = new byte[SessionLine.Longest];

    /// <summary>Lines of sessions so far, by frontend (%lc).</summary>
    private readonly long[] _lines;
    private readonly ConcurrentQueue<Entry> _queue = new();
    private readonly SemaphoreSlim _filled = new(0);
    private readonly Thread _thread;
    private int _waiting;
    private int _sleeping;
    private long _dropped;
    private volatile bool _closing;
    private bool _started;

    private sealed record Entry(SessionLog? Session, int Proxy, int Level, string? Text, DateTimeOffset At)
    {
        /// <summary>Came in by a log-forward section, whose number is <see cref="Proxy"/>.</summary>
        public SyslogMessage? Forwarded { get; init; }
    }

    /// <summary>Prepares the targets of a configuration; equal targets share one socket.</summary>
    public LogSink(BalancerConfig config, LogIdentity identity)
    {
        _config = config;
        var known = new Dictionary<LogTargetConfig, LogTarget>();
        foreach (var r in config.Rings)
        {
            _rings[r.Name] = new LogRing(r);
        }

        // A TCP target is a ring nobody sees, with one server behind it.
        LogRing? Ring(string address)
        {
            if (address.StartsWith("tcp@", StringComparison.Ordinal) && IPEndPoint.TryParse(address[4..], out var to))
            {
                if (!_hidden.TryGetValue(address, out var hidden))
                {
                    hidden = _hidden[address] = new LogRing(new RingConfig
                    {
                        Name = address, Size = HiddenRing, MaxLength = SessionLine.Longest,
                        Servers = [new RingServer(address, to, null, OctetCount: false)],
                    });
                }

                return hidden;
            }

            return address.StartsWith("ring@", StringComparison.Ordinal) ? _rings.GetValueOrDefault(address[5..]) : null;
        }

        LogTarget[] Of(IEnumerable<LogTargetConfig> lines) => [.. lines.Select(l =>
        {
            var key = l with { Place = default };
            return known.TryGetValue(key, out var t) ? t : known[key] = new LogTarget(l, identity, Ring(l.Address));
        })];
        _global = Of(config.Global.Logs);
        _perProxy = [.. config.Proxies.Select(p => Of(p.Logs))];
        _wants = [.. config.Proxies.Select(p => p.Logs.Any(l =>
            p.Rules is not null || l.MaxLevel >= (p.LogSeparateErrors ? SessionLine.ErrorLevel : SessionLine.Level)))];
        _context = new LogContext(config, Environment.MachineName, identity.Pid);
        _lines = new long[config.Proxies.Count];
        _perForward = [.. config.LogForwards.Select(f => Of(f.Logs))];
        _forwarder = config.LogForwards.Count > 0 ? new LogForwarder(config, Forward) : null;
        _all = [.. known.Values];
        _thread = new Thread(Work) { IsBackground = true, Name = "buoy-log" };
    }

    /// <summary>Lines lost: a full queue, or a target that was not ready.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Opens all targets, before chroot. Returns what can never work.</summary>
    public IReadOnlyList<string> Open()
    {
        _ = TimeZoneInfo.Local.BaseUtcOffset;
        return [.. _all.Select(t => t.Connect()).OfType<string>(), .. _forwarder?.Open() ?? []];
    }

    /// <summary>Starts the logging thread.</summary>
    public void Start()
    {
        _started = true;
        _thread.Start();
        foreach (var ring in _rings.Values.Concat(_hidden.Values))
        {
            ring.Start();
        }

        _forwarder?.Start();
    }

    /// <summary>The rings by name, for <c>show events</c>.</summary>
    public IReadOnlyDictionary<string, LogRing> Rings => _rings;

    /// <summary>A message of a log-forward section; any thread.</summary>
    private void Forward(int section, SyslogMessage message) =>
        Put(new Entry(null, section, message.Level, null, DateTimeOffset.UtcNow) { Forwarded = message });

    /// <inheritdoc/>
    public bool Wants(int frontend) => _wants[frontend];

    /// <inheritdoc/>
    public void Session(in SessionLog log)
    {
        var fe = _config.Proxies[log.Frontend];
        if ((fe.DontLogNull && SessionLine.IsNull(log)) || (fe.DontLogNormal && SessionLine.IsNormal(log)))
        {
            return;
        }

        int level = log.Level >= 0 ? log.Level : fe.LogSeparateErrors && !SessionLine.IsNormal(log) ? SessionLine.ErrorLevel : SessionLine.Level;
        Put(new Entry(log, log.Frontend, level, null, DateTimeOffset.UtcNow));
    }

    /// <inheritdoc/>
    public void Message(int proxy, int level, string text) =>
        Put(new Entry(null, proxy, level, text, DateTimeOffset.UtcNow));

    /// <summary>Sends what waits, then ends the thread and closes the targets.</summary>
    public void Dispose()
    {
        if (!_closing)
        {
            _closing = true;
            _filled.Release();
            if (_started)
            {
                _thread.Join();
            }

            _forwarder?.Dispose();
            foreach (var ring in _rings.Values.Concat(_hidden.Values))
            {
                ring.Dispose();
            }

            foreach (var t in _all)
            {
                t.Dispose();
            }
        }
    }

    private void Put(Entry e)
    {
        if (Interlocked.Increment(ref _waiting) > Capacity)
        {
            Interlocked.Decrement(ref _waiting);
            Interlocked.Increment(ref _dropped);
            return;
        }

        _queue.Enqueue(e);
        if (Interlocked.Exchange(ref _sleeping, 0) == 1)
        {
            _filled.Release();
        }
    }

    private void Work()
    {
        while (true)
        {
            if (_queue.TryDequeue(out var e))
            {
                Interlocked.Decrement(ref _waiting);
                Send(e);
                continue;
            }

            if (_closing)
            {
                return;
            }

            Interlocked.Exchange(ref _sleeping, 1);
            if (_queue.IsEmpty && !_closing)
            {
                _filled.Wait();
            }
        }
    }

    private void Send(Entry e)
    {
        if (e.Forwarded is { } message)
        {
            Send(e, message);
            return;
        }

        var targets = e.Proxy < 0 ? _global : _perProxy[e.Proxy];
        string? text = e.Text;
        string? data = null;
        foreach (var t in targets)
        {
            if (e.Level > t.Config.MaxLevel || !t.Samples())
            {
                continue;
            }

            if (text is null)
            {
                var proxy = _config.Proxies[e.Proxy];
                long number = _lines[e.Proxy]++;
                data = proxy.Formats?.Structured is { } structured ? Write(
                    structured, e.Session!.Value with { Samples = e.Session!.Value.StructuredSamples }, number) : null;
                text = Write(SessionLine.Of(proxy), e.Session!.Value, number);
            }

            if (!t.Send(e.Level, e.At, text, EventLoop.Now, e.Proxy < 0 ? null : _config.Proxies[e.Proxy].LogTag, data))
            {
                Interlocked.Increment(ref _dropped);
            }
        }
    }

    private void Send(Entry e, SyslogMessage message)
    {
        foreach (var t in _perForward[e.Proxy])
        {
            if (e.Level > t.Config.MaxLevel || !t.Samples())
            {
                continue;
            }

            int level = Math.Max(e.Level, t.Config.MinLevel);
            if (!t.Send(message.Write(t.Format, t.Config.Facility, level, e.At), EventLoop.Now))
            {
                Interlocked.Increment(ref _dropped);
            }
        }
    }

    private string Write(LogFormat format, in SessionLog log, long number)
    {
        var text = new LogText(_buffer);
        format.Write(ref text, _context, log, number);
        return Encoding.Latin1.GetString(text.Written);
    }
}
