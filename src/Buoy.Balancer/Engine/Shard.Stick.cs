using Buoy.Balancer.Configuration;
using Buoy.Balancer.StickTables;

namespace Buoy.Balancer.Engine;

/// <content>Persistence by stick tables: stick match, stick store-request, stick on (configuration manual 4.2).</content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>By proxy: its rules with their tables, null = none.</summary>
    private readonly (StickTable Table, bool Match, bool Store)[]?[] _sticks;

    /// <summary>By proxy: server index by HAProxy's id.</summary>
    private readonly Dictionary<int, int>?[] _serverIds;

    private (StickTable Table, bool Match, bool Store)[]? SticksOf(ProxyConfig p) => p.StickRules.Count == 0 ? null
        : [.. p.StickRules.Select(r => (_plane.State.Tables.Find(r.Table ?? p.Name)!, r.Match, r.Store))];

    private static Dictionary<int, int>? ServerIdsOf(ProxyConfig p) =>
        p.StickRules.Count == 0 ? null : p.Servers.ToDictionary(s => s.Id, s => s.Index);

    /// <summary>A backend was found: the server that a table knows for this client, unless a cookie has chosen one.</summary>
    private void MatchStick(Conn* c)
    {
        if (_sticks[c->Backend] is not { } rules || c->Persist >= 0)
        {
            return;
        }

        Span<byte> key = stackalloc byte[16];
        foreach (var (table, match, _) in rules)
        {
            if (!match || !StickKey(c, table, key, out int length)
                || table.FindServer(key[..length], _now) is not (> 0 and var id)
                || !_serverIds[c->Backend]!.TryGetValue(id, out int server))
            {
                continue;
            }

            if ((Volatile.Read(ref _servers[server].Eligible) == 1 || _config.Proxies[c->Backend].Persist)
                && _servers[server].Family != 0)
            {
                c->Persist = server;
                return;
            }
        }
    }

    /// <summary>A server took the stream: tables remember it.</summary>
    private void StoreStick(Conn* c)
    {
        if (_sticks[c->Backend] is not { } rules)
        {
            return;
        }

        Span<byte> key = stackalloc byte[16];
        int id = _config.Servers[c->Server].Id;
        foreach (var (table, _, store) in rules)
        {
            if (store && StickKey(c, table, key, out int length))
            {
                table.StoreServer(key[..length], id, _config.Servers[c->Server].Name, _now);
            }
        }
    }

    /// <summary>The client's address in the form of the table's keys; false where it has none.</summary>
    private static bool StickKey(Conn* c, StickTable table, Span<byte> key, out int length)
    {
        var address = Sockets.Bytes(&c->Address);
        bool mapped = address.Length == 16 && address[..10].IndexOfAnyExcept((byte)0) < 0
            && address[10] == 0xff && address[11] == 0xff;
        var v4 = mapped ? address[12..] : address.Length == 4 ? address : default;
        length = table.Config.Type == StickKeyType.Ipv6 ? 16 : 4;
        if (table.Config.Type == StickKeyType.Ipv6)
        {
            key[..16].Clear();
            if (v4.Length == 4)
            {
                key[10] = key[11] = 0xff;
                v4.CopyTo(key[12..]);
                return true;
            }

            return address.TryCopyTo(key);
        }

        return v4.Length == 4 && v4.TryCopyTo(key);
    }
}
