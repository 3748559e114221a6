using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Engine;

/// <summary>A backend's persistence cookie, ready for use: names and values as bytes.</summary>
internal sealed class CookiePlan
{
    private readonly Dictionary<string, int> _servers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly Dictionary<int, byte[]> _values = [];

    public CookiePlan(ProxyConfig backend)
    {
        Config = backend.Cookie!;
        Name = Encoding.Latin1.GetBytes(Config.Name);
        Attributes = Encoding.Latin1.GetBytes(Config.Attributes + "\r\n");
        Persist = backend.Persist;
        foreach (var s in backend.Servers.Where(s => s.Cookie is not null))
        {
            _servers.TryAdd(s.Cookie!, s.Index);
            _values[s.Index] = Encoding.Latin1.GetBytes(s.Cookie!);
        }

        _lookup = _servers.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public CookieConfig Config { get; }
    public byte[] Name { get; }

    /// <summary>From the path to the line's end.</summary>
    public byte[] Attributes { get; }

    /// <summary>option persist: servers that are down are tried too.</summary>
    public bool Persist { get; }

    public bool HasDates => Config.MaxIdle > 0 || Config.MaxLife > 0;

    /// <summary>The server of that value, -1 = none.</summary>
    public int Find(ReadOnlySpan<byte> value)
    {
        Span<char> text = stackalloc char[256];
        if (value.Length > text.Length)
        {
            return -1;
        }

        Encoding.Latin1.GetChars(value, text);
        return _lookup.TryGetValue(text[..value.Length], out int server) ? server : -1;
    }

    /// <summary>A server's value, null = it has none.</summary>
    public byte[]? Of(int server) => _values.GetValueOrDefault(server);
}

/// <content>Cookie persistence (configuration manual 4.2 "cookie", log flags 8.5).</content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>Cookies with a date further in the future are ignored, seconds.</summary>
    private const long MaxFuture = 86400;

    /// <summary>By proxy, null = no persistence cookie.</summary>
    private readonly CookiePlan?[] _cookies;

    private static CookiePlan? CookieOf(ProxyConfig p) =>
        p is { HasBackend: true, Mode: ProxyMode.Http, Cookie: not null } ? new CookiePlan(p) : null;

    private static long UnixSeconds => DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>
    /// Looks for the cookie in the request head in the scratch buffer, chooses the server it names, and takes out what
    /// the server must not see.
    /// </summary>
    private void TakeCookie(Conn* c, int backend)
    {
        c->Persist = -1;
        c->RequestCookie = c->ResponseCookie = 0;
        if (_cookies[backend] is not { } plan)
        {
            return;
        }

        c->RequestCookie = (byte)'N';
        c->ResponseCookie = (byte)'N';
        c->CookieFirst = c->CookieLast = 0;
        for (int i = 0; i < _head.Count; i++)
        {
            ref var f = ref _head.Fields[i];
            if (f.NameLength == 6 && HttpHead.Name(_scratch, f).SequenceEqual("cookie"u8))
            {
                ReadCookies(c, plan, ref f);
            }
        }

        if (plan.Config is { Mode: CookieMode.Passive, Indirect: false })
        {
            c->RequestCookie = 0;
        }
    }

    private void ReadCookies(Conn* c, CookiePlan plan, ref HeaderField f)
    {
        for (int from = 0; CookiePairs.Find(HttpHead.Value(_scratch, f), plan.Name, from, out var pair);)
        {
            int plain = pair.Start + plan.Name.Length;
            if (pair.Value > plain + 1)
            {
                // Spaces around the equals sign are not passed on.
                Cut(ref f, plain + 1, pair.Value - plain - 1);
                _scratch[f.Value + plain] = (byte)'=';
                pair = new CookiePair(pair.Start, plain + 1, pair.End - (pair.Value - plain - 1));
            }

            var value = HttpHead.Value(_scratch, f)[pair.Value..pair.End];
            bool prefix = plan.Config.Mode == CookieMode.Prefix;
            int delimiter = value.IndexOf(prefix ? (byte)'~' : (byte)'|');
            var id = delimiter >= 0 ? value[..delimiter] : value;
            if (c->Persist < 0)
            {
                JudgeCookie(c, plan, id, delimiter < 0 ? default : value[(delimiter + 1)..]);
            }

            from = pair.End;
            if (prefix && delimiter >= 0)
            {
                Cut(ref f, pair.Value, delimiter + 1);
                from = pair.End - delimiter - 1;
            }
            else if (plan.Config is { Mode: CookieMode.Insert, Indirect: true })
            {
                from = CutPair(ref f, pair);
            }
        }

        if (f.ValueLength == 0)
        {
            f.Known = KnownField.Dropped;
        }
    }

    private void JudgeCookie(Conn* c, CookiePlan plan, ReadOnlySpan<byte> id, ReadOnlySpan<byte> dates)
    {
        if (plan.Config.Mode != CookieMode.Prefix && !DatesAreGood(c, plan, dates))
        {
            return;
        }

        int server = plan.Find(id);
        if (server < 0)
        {
            c->RequestCookie = (byte)'I';
        }
        else if (Volatile.Read(ref _servers[server].Eligible) == 1 && _servers[server].Family != 0)
        {
            c->RequestCookie = (byte)'V';
            c->Persist = server;
        }
        else
        {
            c->RequestCookie = (byte)'D';
            c->Persist = plan.Persist && _servers[server].Family != 0 ? server : -1;
        }
    }

    private static bool DatesAreGood(Conn* c, CookiePlan plan, ReadOnlySpan<byte> dates)
    {
        long now = UnixSeconds;
        long last = CookieDate.Read(dates);
        int second = dates.IndexOf((byte)'|');
        long first = second >= 0 ? CookieDate.Read(dates[(second + 1)..]) : 0;
        if (plan.Config.MaxLife > 0 && first != 0 && (now - first > plan.Config.MaxLife || first - now > MaxFuture))
        {
            c->RequestCookie = (byte)'O';
            return false;
        }

        if (plan.Config.MaxIdle > 0 && last != 0 && (now - last > plan.Config.MaxIdle || last - now > MaxFuture))
        {
            c->RequestCookie = (byte)'E';
            return false;
        }

        c->CookieLast = last - now > MaxFuture ? 0 : last;
        c->CookieFirst = first - now > MaxFuture ? 0 : first;
        return true;
    }

    /// <summary>Takes bytes out of a field's value, in place.</summary>
    private void Cut(ref HeaderField f, int at, int count)
    {
        var value = new Span<byte>(_scratch + f.Value, f.ValueLength);
        value[(at + count)..].CopyTo(value[at..]);
        f.ValueLength -= count;
    }

    /// <summary>Takes a pair with one of its delimiters out; returns where to go on.</summary>
    private int CutPair(ref HeaderField f, CookiePair pair)
    {
        var value = HttpHead.Value(_scratch, f);
        int end = pair.End;
        while (end < value.Length && value[end] is (byte)' ' or (byte)'\t')
        {
            end++;
        }

        if (end < value.Length)
        {
            // The delimiter behind it goes with it, and the spaces after that.
            end++;
            while (end < value.Length && value[end] is (byte)' ' or (byte)'\t')
            {
                end++;
            }

            Cut(ref f, pair.Start, end - pair.Start);
            return pair.Start;
        }

        int start = pair.Start;
        while (start > 0 && value[start - 1] is (byte)' ' or (byte)'\t' or (byte)';' or (byte)',')
        {
            start--;
        }

        Cut(ref f, start, end - start);
        return start;
    }

    /// <summary>
    /// The response's head stands parsed in the scratch buffer: what the server set is judged, and what is to be written
    /// differently is noted in <see cref="_setCookies"/>.
    /// </summary>
    private void TakeSetCookie(Conn* c)
    {
        _setCookies.Clear();
        if (_cookies[c->Backend] is not { } plan || c->Server < 0)
        {
            return;
        }

        var mine = plan.Of(c->Server);
        for (int i = 0; i < _head.Count; i++)
        {
            ref var f = ref _head.Fields[i];
            if (f.NameLength != 10 || !HttpHead.Name(_scratch, f).SequenceEqual("set-cookie"u8)
                || !CookiePairs.OfSetCookie(HttpHead.Value(_scratch, f), plan.Name, out var pair))
            {
                continue;
            }

            c->ResponseCookie = (byte)'P';
            if (plan.Config.Preserve)
            {
                continue;
            }

            if (plan.Config.Mode == CookieMode.Insert || (plan.Config.Indirect && c->RequestCookie == 'V'))
            {
                f.Known = KnownField.Dropped;
                c->ResponseCookie = (byte)'D';
            }
            else if (plan.Config.Mode == CookieMode.Rewrite && mine is not null)
            {
                _setCookies.Add((i, pair.Value, pair.Length, mine));
                c->ResponseCookie = (byte)'R';
            }
            else if (plan.Config.Mode == CookieMode.Prefix && mine is not null)
            {
                _setCookies.Add((i, pair.Value, 0, [.. mine, (byte)'~']));
                c->ResponseCookie = (byte)'R';
            }
        }
    }

    /// <summary>Edits of Set-Cookie fields: field, offset and length in its value, what stands there instead.</summary>
    private readonly List<(int Field, int From, int Length, byte[] With)> _setCookies = [];

    /// <summary>Adds the persistence cookie to the response where it is due.</summary>
    private void InsertCookie(ref HeadWriter w, Conn* c)
    {
        if (_cookies[c->Backend] is not { Config.Mode: CookieMode.Insert } plan || c->ResponseCookie == 'P'
            || c->Server < 0 || (plan.Config.PostOnly && !c->Has(ConnFlags.PostRequest)))
        {
            return;
        }

        if (plan.Of(c->Server) is not { } value)
        {
            // This server has no cookie: one that the client may have for another is taken from it.
            w.Raw("set-cookie: "u8);
            w.Raw(plan.Name);
            w.Raw("=; Expires=Thu, 01-Jan-1970 00:00:01 GMT"u8);
            w.Raw(plan.Attributes);
            c->ResponseCookie = (byte)'I';
            KeepFromCaches(ref w, c, plan);
            return;
        }

        bool stays = c->RequestCookie is (byte)'V' or (byte)'D' && c->Persist == c->Server;
        long now = UnixSeconds;
        bool update = stays
            && (((plan.Config.MaxIdle > 0 || c->CookieLast != 0) && c->CookieLast >> 2 != now >> 2)
                || (plan.Config.MaxLife > 0 ? c->CookieFirst == 0 : c->CookieFirst != 0));
        if (stays && !update)
        {
            return;
        }

        w.Raw("set-cookie: "u8);
        w.Raw(plan.Name);
        w.Raw("="u8);
        w.Raw(value);
        if (plan.HasDates)
        {
            Span<byte> date = stackalloc byte[CookieDate.Length + 1];
            date[0] = (byte)'|';
            CookieDate.Write(now, date[1..]);
            w.Raw(date);
            if (plan.Config.MaxLife > 0)
            {
                CookieDate.Write(stays && c->CookieFirst != 0 ? c->CookieFirst : now, date[1..]);
                w.Raw(date);
            }
        }

        w.Raw(plan.Attributes);
        c->ResponseCookie = stays ? (byte)'U' : (byte)'I';
        KeepFromCaches(ref w, c, plan);
    }

    private void KeepFromCaches(ref HeadWriter w, Conn* c, CookiePlan plan)
    {
        if (plan.Config.NoCache && !c->Has(ConnFlags.PostRequest) && Cacheable())
        {
            w.Raw("cache-control: private\r\n"u8);
        }
    }

    /// <summary>Does the response say that it may be kept and for how long, or how to validate it?</summary>
    private bool Cacheable()
    {
        bool fresh = false;
        for (int i = 0; i < _head.Count; i++)
        {
            ref var f = ref _head.Fields[i];
            var name = HttpHead.Name(_scratch, f);
            if (name.SequenceEqual("etag"u8) || name.SequenceEqual("last-modified"u8)
                || name.SequenceEqual("expires"u8))
            {
                fresh = true;
            }
            else if (name.SequenceEqual("pragma"u8) && HttpHead.Value(_scratch, f).SequenceEqual("no-cache"u8))
            {
                return false;
            }
            else if (name.SequenceEqual("cache-control"u8))
            {
                string value = Encoding.Latin1.GetString(HttpHead.Value(_scratch, f));
                foreach (string directive in value.Split(',', StringSplitOptions.TrimEntries))
                {
                    if (directive is "private" or "no-cache" or "no-store" or "max-age=0" or "s-maxage=0")
                    {
                        return false;
                    }

                    fresh |= directive.StartsWith("max-age=", StringComparison.Ordinal)
                        || directive.StartsWith("s-maxage=", StringComparison.Ordinal);
                }
            }
        }

        return fresh && _head.Status is 200 or 203 or 204 or 206 or 300 or 301 or 404 or 405 or 410 or 414 or 501;
    }
}
