using System.Globalization;
using Buoy.Membership.Configuration;

namespace Buoy.Membership.Services;

/// <summary>The daemon's own keys of cmap (cmap_keys(7)): corosync.conf as written, what is in effect, and what
/// runs.</summary>
public static class ConfigurationKeys
{
    /// <summary>Keys whose values Corosync keeps as numbers; all others of the file are strings.</summary>
    private static readonly Dictionary<string, string> s_types = new(StringComparer.Ordinal)
    {
        ["nodeid"] = "u32", ["quorum_votes"] = "u32", ["expected_votes"] = "u32", ["votes"] = "u32",
        ["version"] = "u32", ["token"] = "u32", ["token_warning"] = "u32", ["token_coefficient"] = "u32",
        ["token_retransmit"] = "u32", ["token_retransmits_before_loss_const"] = "u32", ["hold"] = "u32",
        ["join"] = "u32", ["send_join"] = "u32", ["consensus"] = "u32", ["merge"] = "u32", ["downcheck"] = "u32",
        ["fail_recv_const"] = "u32", ["seqno_unchanged_const"] = "u32", ["window_size"] = "u32",
        ["max_messages"] = "u32", ["miss_count_const"] = "u32", ["netmtu"] = "u32",
        ["heartbeat_failures_allowed"] = "u32", ["max_network_delay"] = "u32", ["config_version"] = "u64",
        ["mcastport"] = "u16", ["ttl"] = "u8", ["two_node"] = "u8", ["wait_for_all"] = "u8",
        ["last_man_standing"] = "u8", ["last_man_standing_window"] = "u32", ["auto_tie_breaker"] = "u8",
        ["allow_downscale"] = "u8", ["timeout"] = "u32", ["sync_timeout"] = "u32",
    };

    /// <summary>The keys of a corosync.conf, by its sections. Of a text that cannot be read, none.</summary>
    public static IReadOnlyDictionary<string, MapValue> OfFile(string text)
    {
        var keys = new Dictionary<string, MapValue>(StringComparer.Ordinal);
        ConfigSection root;
        try
        {
            root = ConfigSection.Parse(text, "");
        }
        catch (CorosyncConfigException)
        {
            return keys;
        }

        int node = 0;
        foreach (var section in root.Sections)
        {
            foreach (var entry in section.Entries)
            {
                Add(section.Name + ".", entry);
            }

            foreach (var inner in section.Sections)
            {
                string at = (section.Name, inner.Name) switch
                {
                    ("nodelist", "node") => $"nodelist.node.{node++}.",
                    ("totem", "interface") =>
                        $"totem.interface.{(inner.Find("linknumber") ?? inner.Find("ringnumber"))?.Value ?? "0"}.",
                    ("logging", "logger_subsys") => $"logging.logger_subsys.{inner.Find("subsys")?.Value}.",
                    _ => $"{section.Name}.{inner.Name}.",
                };
                foreach (var entry in inner.Entries.Where(e => e.Key is not ("linknumber" or "ringnumber")))
                {
                    Add(at, entry);
                }
            }
        }

        return keys;

        void Add(string at, ConfigEntry entry)
        {
            // The first node's ring0_addr is ring0_addr; numbers keep the type that Corosync gives them.
            string type = at.StartsWith("logging.", StringComparison.Ordinal)
                ? "str" : s_types.GetValueOrDefault(entry.Key, "str");
            keys[at + entry.Key] = new MapValue(type, entry.Value);
        }
    }

    /// <summary>runtime.config.totem.*: what is in effect.</summary>
    /// <param name="file">Keys of the file, for what the parameters no longer tell.</param>
    public static IEnumerable<KeyValuePair<string, MapValue>> OfParameters(
        CorosyncConfig config, IReadOnlyDictionary<string, MapValue> file)
    {
        const string Retransmits = "token_retransmits_before_loss_const", DefaultRetransmits = "4";
        string retransmits = file.TryGetValue("totem." + Retransmits, out var given) ? given.Text : DefaultRetransmits;
        var t = config.Totem;
        (string, long)[] numbers =
        [
            ("block_unlisted_ips", config.BlockUnlistedIps ? 1 : 0),
            ("cancel_token_hold_on_retransmit", t.CancelTokenHoldOnRetransmit ? 1 : 0), ("consensus", t.Consensus),
            ("downcheck", config.DownCheck), ("fail_recv_const", t.FailRecvConst), ("hold", t.Hold), ("join", t.Join),
            ("max_messages", t.MaxMessages), ("merge", t.Merge), ("miss_count_const", t.MissCountConst),
            ("send_join", t.SendJoin), ("seqno_unchanged_const", t.SeqnoUnchangedConst), ("token", t.Token),
            ("token_retransmit", t.TokenRetransmit), ("token_warning", t.TokenWarningPercent),
            ("window_size", t.WindowSize),
        ];
        return numbers.Select(n => Pair("runtime.config.totem." + n.Item1, "u32", n.Item2))
            .Append(new("runtime.config.totem." + Retransmits, new MapValue("u32", retransmits)));
    }

    /// <summary>runtime.members.*, runtime.votequorum.*, nodelist.local_node_pos and the services.</summary>
    /// <param name="joins">How often each member has come, as this node saw it.</param>
    public static IEnumerable<KeyValuePair<string, MapValue>> OfStatus(
        EngineStatus status, uint self, IReadOnlyDictionary<uint, int> joins)
    {
        string[] services = ["cmap", "cfg", "cpg", "quorum", "votequorum"];
        foreach (var (name, i) in services.Select((s, i) => (s, i)))
        {
            yield return Pair($"internal_configuration.service.{i}.name", "corosync_" + name);
            yield return Pair($"internal_configuration.service.{i}.ver", "u32", 0);
        }

        int position = 0;
        foreach (var node in status.Nodes)
        {
            if (node.NodeId == self)
            {
                yield return Pair("nodelist.local_node_pos", "u32", position);
            }

            position++;
            if (!node.Present && !joins.ContainsKey(node.NodeId))
            {
                continue;
            }

            string member = $"runtime.members.{node.NodeId}.";
            yield return Pair(member + "config_version", "u64", 0);
            yield return Pair(
                member + "ip", string.Concat(node.Addresses.Select((a, link) => $"r({link}) ip({a}) ")));
            yield return Pair(member + "join_count", "u32", joins.GetValueOrDefault(node.NodeId));
            yield return Pair(member + "status", node.Present ? "joined" : "left");
        }

        var present = status.Nodes.Where(n => n.Present).Select(n => n.NodeId).Append(self).ToList();
        yield return Pair("runtime.votequorum.ev_barrier", "u32", status.ExpectedVotes);
        yield return Pair("runtime.votequorum.highest_node_id", "u32", present.Max());
        yield return Pair("runtime.votequorum.lowest_node_id", "u32", present.Min());
        yield return Pair("runtime.votequorum.this_node_id", "u32", self);
        yield return Pair("runtime.votequorum.two_node", "u8", status.Flags.Contains("2Node") ? 1 : 0);
    }

    /// <summary>The stats map: the ring's counters as stats.srp.*, those of links and clients by their own
    /// names.</summary>
    /// <param name="cleared">The counters when an operator cleared them; what is shown is counted from there.</param>
    public static IEnumerable<KeyValuePair<string, MapValue>> OfCounters(
        EngineStatus status, IReadOnlyDictionary<string, long> cleared, int clients)
    {
        yield return Pair("stats.ipcs.global.active", "u64", clients);
        foreach (var (name, value) in status.Counters)
        {
            string key = name.StartsWith("stats.", StringComparison.Ordinal) ? name : "stats.srp." + name.Replace('-', '_');
            yield return Pair(key, "u64", value - cleared.GetValueOrDefault(name));
        }

        foreach (var link in status.Links)
        {
            foreach (var (node, state) in link.Peers)
            {
                yield return Pair(
                    $"stats.knet.node{node}.link{link.LinkId}.connected", "u8", state == "disconnected" ? 0 : 1);
            }
        }
    }

    private static KeyValuePair<string, MapValue> Pair(string key, string value) => new(key, new MapValue("str", value));

    private static KeyValuePair<string, MapValue> Pair(string key, string type, long value) =>
        new(key, new MapValue(type, value.ToString(CultureInfo.InvariantCulture)));
}
