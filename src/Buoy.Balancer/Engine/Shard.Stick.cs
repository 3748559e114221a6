using System.Buffers.Binary;
using System.Buffers.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules;
using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;
using Buoy.Balancer.StickTables;

namespace Buoy.Balancer.Engine;

/// <content>
/// Persistence by stick tables (configuration manual 4.2, stick match, stick store-request, stick store-response).
/// Rules on the client's address alone work on the connection; the keys of others are made where the scope of rules is
/// at hand, and kept with the stream.
/// </content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>Longest text of an address with port, in bytes.</summary>
    private const int LongestServerKey = 64;

    /// <summary>Longest text of an address, in bytes.</summary>
    private const int LongestAddress = 46;

    /// <summary>By proxy: its rules with their tables, null = none.</summary>
    private readonly (StickTable Table, StickRule Rule)[]?[] _sticks;

    /// <summary>By proxy: server index by HAProxy's id, and by name.</summary>
    private readonly Dictionary<int, int>?[] _serverIds;
    private readonly Dictionary<string, int>?[] _serverNames;

    /// <summary>By server: its address as text, as it was stored last.</summary>
    private readonly string?[] _serverAddresses;

    private (StickTable Table, StickRule Rule)[]? SticksOf(ProxyConfig p) => p.StickRules.Count == 0 ? null
        : [.. p.StickRules.Select(r => (_plane.State.Tables.Find(r.Table ?? p.Name)!, r))];

    private static Dictionary<int, int>? ServerIdsOf(ProxyConfig p) =>
        p.StickRules.Count == 0 ? null : p.Servers.ToDictionary(s => s.Id, s => s.Index);

    private static Dictionary<string, int>? ServerNamesOf(ProxyConfig p) =>
        p.StickRules.Count == 0 ? null : p.Servers.ToDictionary(s => s.Name, s => s.Index, StringComparer.Ordinal);

    /// <summary>The backend is known and the request at hand: keys of rules on more than the address.</summary>
    private void NoteSticks(RuleRun run, StreamRules st, int backend)
    {
        st.StickKeys.Reset(0);
        if (backend < 0 || _sticks[backend] is not { } rules)
        {
            return;
        }

        st.StickKeys.Reset(rules.Length);
        run.Scope.Final = true;
        run.Scope.CurrentProxy = backend;
        for (int i = 0; i < rules.Length; i++)
        {
            if (rules[i].Rule is { Plain: false, OnResponse: false })
            {
                NoteStick(run, st, rules[i].Table, rules[i].Rule, i);
            }
        }
    }

    /// <summary>A response is here (its head is loaded): keys of store-response.</summary>
    private void NoteResponseSticks(Conn* c, RuleRun run, StreamRules st)
    {
        if (_sticks[c->Backend] is not { } rules)
        {
            return;
        }

        run.Scope.CurrentProxy = c->Backend;
        for (int i = 0; i < rules.Length; i++)
        {
            if (rules[i].Rule.OnResponse)
            {
                NoteStick(run, st, rules[i].Table, rules[i].Rule, i);
            }
        }
    }

    private static void NoteStick(RuleRun run, StreamRules st, StickTable table, StickRule rule, int index)
    {
        if ((rule.Condition is null || rule.Condition.Evaluate(run.Scope) == Verdict.True)
            && rule.Key.Evaluate(run.Scope, out var sample)
            && StickKeys.Make(run.Scope, table.Config, ref sample, out var key))
        {
            st.StickKeys.Set(index, key);
        }
    }

    /// <summary>A backend was found: the server that a table knows for this stream, unless a cookie has chosen
    /// one.</summary>
    private void MatchStick(Conn* c)
    {
        if (_sticks[c->Backend] is not { } rules || c->Persist >= 0)
        {
            return;
        }

        Span<byte> own = stackalloc byte[LongestAddress];
        var st = StreamOf(c);
        for (int i = 0; i < rules.Length; i++)
        {
            var (table, rule) = rules[i];
            if (!rule.Match || !StickKeyOf(c, st, i, own, out var key)
                || FindStuck(c, table, key) is not (>= 0 and var server))
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

    /// <summary>The server stored for a key: by its name or address, else by its id; -1 = none of this
    /// backend.</summary>
    private int FindStuck(Conn* c, StickTable table, ReadOnlySpan<byte> key)
    {
        int id = table.FindServer(key, _now, out string? name);
        if (name is not null && table.Config.KeyIsAddress)
        {
            var servers = _config.Proxies[c->Backend].Servers;
            for (int i = 0; i < servers.Count; i++)
            {
                if (ServerAddress(servers[i].Index) == name)
                {
                    return servers[i].Index;
                }
            }
        }
        else if (name is not null && _serverNames[c->Backend]!.TryGetValue(name, out int named))
        {
            return named;
        }

        return id > 0 && _serverIds[c->Backend]!.TryGetValue(id, out int server) ? server : -1;
    }

    /// <summary>A server answers the stream: tables remember it.</summary>
    private void StoreStick(Conn* c)
    {
        if (_sticks[c->Backend] is not { } rules)
        {
            return;
        }

        Span<byte> own = stackalloc byte[LongestAddress];
        var st = StreamOf(c);
        var server = _config.Servers[c->Server];
        Span<int> stored = stackalloc int[StickRule.MaxStores];
        int stores = 0;
        for (int i = 0; i < rules.Length && stores < StickRule.MaxStores; i++)
        {
            var (table, rule) = rules[i];
            if (rule.Store && !IsStored(rules, stored[..stores], table, rule) && StickKeyOf(c, st, i, own, out var key))
            {
                table.StoreServer(
                    key, server.Id, table.Config.KeyIsAddress ? ServerAddress(c->Server) : server.Name, _now);
                stored[stores++] = i;
            }
        }
    }

    /// <summary>
    /// Only the first rule of a table that gives a key stores it, of those on the request and of those on the
    /// response: the others are for where it gives none.
    /// </summary>
    private static bool IsStored(
        (StickTable Table, StickRule Rule)[] rules, ReadOnlySpan<int> stored, StickTable table, StickRule rule)
    {
        foreach (int other in stored)
        {
            if (rules[other].Table == table && rules[other].Rule.OnResponse == rule.OnResponse)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A server took a TCP stream: there is no head to wait for.</summary>
    private void StoreStickOfTcp(Conn* c)
    {
        if (StreamOf(c) is { } st && _sticks[c->Backend] is not null)
        {
            var run = FillScope(c, st);
            run.Scope.IsResponse = true;
            NoteResponseSticks(c, run, st);
        }

        StoreStick(c);
    }

    /// <summary>The key of a rule, false where it has none for this stream.</summary>
    private bool StickKeyOf(Conn* c, StreamRules? st, int index, Span<byte> own, out ReadOnlySpan<byte> key)
    {
        var (table, rule) = _sticks[c->Backend]![index];
        key = default;
        return rule.Plain ? SourceKey(c, table, own, out key) : st is not null && st.StickKeys.TryGet(index, out key);
    }

    /// <summary>The client's address in the form of the table's keys; false where it has none.</summary>
    private static bool SourceKey(Conn* c, StickTable table, Span<byte> own, out ReadOnlySpan<byte> key)
    {
        var address = Sockets.Bytes(&c->Address);
        bool mapped = address.Length == 16 && address[..10].IndexOfAnyExcept((byte)0) < 0
            && address[10] == 0xff && address[11] == 0xff;
        var v4 = mapped ? address[12..] : address.Length == 4 ? address : default;
        key = default;
        switch (table.Config.Type)
        {
            case StickKeyType.Ip:
                key = own[..4];
                return v4.Length == 4 && v4.TryCopyTo(own);
            case StickKeyType.Integer:
                key = own[..4];
                BinaryPrimitives.WriteUInt32LittleEndian(
                    own, v4.Length == 4 ? BinaryPrimitives.ReadUInt32BigEndian(v4) : 0);
                return v4.Length == 4;
            case StickKeyType.String:
                bool good = SampleCasts.FormatAddress(v4.Length == 4 ? v4 : address, own, out int length);
                key = own[..Math.Min(length, table.Config.Length)];
                return good && address.Length > 0;
            default:
                own = own[..16];
                own.Clear();
                key = own;
                if (v4.Length != 4)
                {
                    return address.Length == 16 && address.TryCopyTo(own);
                }

                own[10] = own[11] = 0xff;
                v4.CopyTo(own[12..]);
                return true;
        }
    }

    /// <summary>A server's present address and port; the text is made when they have changed.</summary>
    private string ServerAddress(int server)
    {
        Span<byte> text = stackalloc byte[LongestServerKey];
        ref var slot = ref _servers[server];
        int size = slot.Family == Linux.DataSyscalls.AF_INET6 ? 16 : 4;
        int length = 0;
        fixed (byte* a = slot.Address)
        {
            _ = SampleCasts.FormatAddress(new ReadOnlySpan<byte>(a, size), text, out length);
        }

        text[length++] = (byte)':';
        _ = Utf8Formatter.TryFormat(slot.Port, text[length..], out int digits);
        text = text[..(length + digits)];
        string? known = _serverAddresses[server];
        return known is not null && System.Text.Ascii.Equals(text, known)
            ? known : _serverAddresses[server] = System.Text.Encoding.ASCII.GetString(text);
    }
}
