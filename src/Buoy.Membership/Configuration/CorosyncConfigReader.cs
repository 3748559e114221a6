using System.Globalization;
using Buoy.Linux;
using Buoy.Membership.Quorum;
using Buoy.Membership.Totem;

namespace Buoy.Membership.Configuration;

/// <summary>From sections and keys to the model: every key is used, warned of by name, or refused by name.</summary>
internal sealed partial class CorosyncConfigReader(string text, string file)
{
    private readonly List<string> _warnings = [];

    private static readonly HashSet<string> TotemKeys =
    [
        "version", "cluster_name", "config_version", "clear_node_high_bit", "crypto_model", "crypto_cipher",
            "crypto_hash",
        "secauth", "keyfile", "link_mode", "netmtu", "transport", "ip_version", "token", "token_warning",
            "token_coefficient",
        "token_retransmit", "token_retransmits_before_loss_const", "hold", "join", "send_join", "consensus", "merge",
        "downcheck", "fail_recv_const", "seqno_unchanged_const", "heartbeat_failures_allowed", "max_network_delay",
        "window_size", "max_messages", "miss_count_const", "cancel_token_hold_on_retransmit", "block_unlisted_ips",
        "knet_pmtud_interval", "knet_mtu", "knet_compression_model", "knet_compression_threshold",
            "knet_compression_level",
        "nodeid", "rrp_mode", "threads", "key",
    ];

    private static readonly Dictionary<string, string> TotemWithoutEffect = new()
    {
        ["crypto_model"] = "the one library is OpenSSL",
        ["heartbeat_failures_allowed"] = "token loss alone decides",
        ["max_network_delay"] = "token loss alone decides",
        ["rrp_mode"] = "there is one ring; Corosync 3 ignores it too",
        ["threads"] = "there is one thread",
        ["knet_compression_model"] = "nothing is compressed",
        ["knet_compression_threshold"] = "nothing is compressed",
        ["knet_compression_level"] = "nothing is compressed",
    };

    public CorosyncConfig Read()
    {
        var root = ConfigSection.Parse(text, file);
        if (root.Entries is [var stray, ..])
        {
            throw Error(stray.Line, $"key '{stray.Key}' outside of any section",
                "totem, nodelist, quorum, logging or system");
        }

        foreach (var section in root.Sections)
        {
            switch (section.Name)
            {
                case "totem" or "nodelist" or "quorum" or "logging":
                    break;
                case "system" or "resources" or "uidgid":
                    Warn(section.Line, $"section '{section.Name}' has no effect here");
                    break;
                default:
                    throw Error(section.Line, $"section '{section.Name}'",
                        "totem, nodelist, quorum, logging, system, resources or uidgid (nozzle is not supported)");
            }
        }

        var totem = One(root, "totem") ?? throw Error(0, "no section 'totem'", "totem { version: 2 ... }");
        var nodes = ReadNodes(One(root, "nodelist"));
        Known(totem, TotemKeys, ["interface"]);
        foreach (var entry in totem.Entries)
        {
            if (TotemWithoutEffect.TryGetValue(entry.Key, out string? why))
            {
                Warn(entry.Line, $"{entry.Key} has no effect here: {why}");
            }
        }

        if (totem.Find("version") is not { Value: "2" })
        {
            throw Error(totem.Find("version")?.Line ?? totem.Line, $"totem.version '{totem.Find("version")?.Value}'",
                "2");
        }

        var given = ReadInterfaces(totem);
        var transport = ReadTransport(totem, given.GetValueOrDefault(0), nodes);
        int netMtu = Number(totem, "netmtu", transport is TransportKind.Knet ? 65536 : 1500, 576, 65536);
        var parameters = ReadParameters(totem, nodes.Count, netMtu);
        var links = ReadLinks(totem, given, transport, nodes, parameters.Token);
        return new CorosyncConfig
        {
            File = file,
            ClusterName = totem.Find("cluster_name")?.Value ?? "",
            Transport = transport,
            Crypto = ReadCrypto(totem),
            KeyFile = totem.Find("keyfile")?.Value,
            Key = ReadKey(totem),
            Links = links,
            LinkMode = ReadLinkMode(totem),
            ConfigVersion = ReadVersion(totem),
            IpVersion = ReadIpVersion(totem, transport),
            KnetMtu = Number(totem, "knet_mtu", 0, 0, 65535),
            PmtudInterval = 1000 * Number(totem, "knet_pmtud_interval", 30, 1, 1_000_000),
            Nodes = nodes,
            Totem = parameters,
            DownCheck = Number(totem, "downcheck", 1000, 30),
            NetMtu = netMtu,
            ClearNodeHighBit = Flag(totem, "clear_node_high_bit", false),
            BlockUnlistedIps = Flag(totem, "block_unlisted_ips", true),
            Quorum = ReadQuorum(One(root, "quorum"), nodes),
            Logging = ReadLogging(One(root, "logging")),
            Warnings = _warnings,
        };
    }

    private TransportKind ReadTransport(ConfigSection totem, InterfaceSettings? iface, IReadOnlyList<NodeSettings> nodes)
    {
        var entry = totem.Find("transport");
        var kind = entry is null
            ? (iface?.McastAddr is not null ? TransportKind.Multicast : TransportKind.Knet)
            : OneOf(entry, "udp", "udpu", "knet") switch
            {
                "udp" => TransportKind.Multicast,
                "udpu" => TransportKind.Unicast,
                _ => TransportKind.Knet,
            };
        int line = entry?.Line ?? totem.Line;
        if (kind is TransportKind.Multicast)
        {
            if (iface?.BindNetAddr is null && nodes.Count == 0)
            {
                throw Error(line, "multicast without bindnetaddr and without a node list",
                    "totem.interface.bindnetaddr");
            }

            if (iface?.McastAddr is null && totem.Find("cluster_name") is null)
            {
                throw Error(line, "multicast without mcastaddr and without cluster_name", "totem.interface.mcastaddr");
            }
        }
        else if (nodes.Count == 0)
        {
            throw Error(line, "no node list",
                "nodelist { node { ring0_addr: ... nodeid: ... } }, or an interface with mcastaddr");
        }
        else if (nodes.FirstOrDefault(n => n.NodeId == 0) is { } without)
        {
            throw Error(without.Line, "a node without nodeid", "nodeid in each node, unless transport is udp");
        }

        return kind;
    }

    private TotemParameters ReadParameters(ConfigSection totem, int nodes, int netMtu)
    {
        int token = Number(totem, "token", 3000, 30);
        if (nodes >= 3)
        {
            token += (nodes - 2) * Number(totem, "token_coefficient", 650, 0);
        }

        int before = Number(totem, "token_retransmits_before_loss_const", 4, 1);
        int retransmit = Number(totem, "token_retransmit", (int)(token / (before + 0.2)), 0);
        if (retransmit < 30)
        {
            throw Error(
                (totem.Find("token_retransmit") ?? totem.Find("token_retransmits_before_loss_const") ?? totem.Find("token"))!.Line,
                $"token_retransmit of {retransmit} ms",
                    "30 or more: a larger token or fewer token_retransmits_before_loss_const");
        }

        int hold = Number(totem, "hold", (int)((retransmit * 0.8) - 10), 0);
        if (hold < 14)
        {
            throw Error(totem.Find("hold")?.Line ?? totem.Line, $"hold of {hold} ms", "14 or more");
        }

        int join = Number(totem, "join", 50, 30);
        int consensus = Number(totem, "consensus", (int)(token * 12L / 10), 30);
        if (consensus < join)
        {
            throw Error(totem.Find("consensus")!.Line, $"consensus of {consensus} ms", $"at least join, {join} ms");
        }

        if (consensus < token * 12L / 10)
        {
            Warn(totem.Find("consensus")!.Line,
                $"consensus of {consensus} ms is less than 1.2 times token, {token * 12L / 10} ms");
        }

        int maxMessages = Number(totem, "max_messages", 17, 1, 16384);
        return new TotemParameters
        {
            Token = token,
            TokenRetransmit = retransmit,
            Hold = hold,
            Join = join,
            Consensus = consensus,
            TokenWarningPercent = Number(totem, "token_warning", 75, 0, 100),
            SendJoin = Number(totem, "send_join", 0, 0),
            Merge = Number(totem, "merge", 200, 30),
            FailRecvConst = Number(totem, "fail_recv_const", 2500, 1),
            SeqnoUnchangedConst = Number(totem, "seqno_unchanged_const", 30, 1),
            WindowSize = Number(totem, "window_size", 50, 1, 16384),
            MaxMessages = maxMessages,
            MessageUnits = Math.Max(1, Math.Min(netMtu, TotemLimits.VisitBytes / maxMessages) / TotemLimits.FlowUnit),
            MissCountConst = Number(totem, "miss_count_const", 5, 1),
            CancelTokenHoldOnRetransmit = Flag(totem, "cancel_token_hold_on_retransmit", false),
        };
    }

    private CryptoSettings ReadCrypto(ConfigSection totem)
    {
        bool secauth = totem.Find("secauth") is { } s && OneOf(s, "on", "off", "yes", "no") is "on" or "yes";
        string cipher = totem.Find("crypto_cipher") is { } c
            ? OneOf(c, "none", "aes128", "aes192", "aes256") : secauth ? "aes256" : "none";
        string hash = totem.Find("crypto_hash") is { } h
            ? OneOf(h, "none", "md5", "sha1", "sha256", "sha384", "sha512") : secauth ? "sha256" : "none";
        if (cipher != "none" && hash == "none")
        {
            throw Error(totem.Find("crypto_cipher")?.Line ?? totem.Line, $"crypto_cipher {cipher} without crypto_hash",
                "crypto_hash: sha256 (encryption without authentication protects nothing)");
        }

        return new CryptoSettings(cipher == "none" ? 0 : int.Parse(cipher[3..], CultureInfo.InvariantCulture), hash);
    }

    private List<NodeSettings> ReadNodes(ConfigSection? list)
    {
        var nodes = new List<NodeSettings>();
        if (list is null)
        {
            return nodes;
        }

        Known(list, [], ["node"]);
        foreach (var s in list.Sections)
        {
            foreach (var entry in s.Entries)
            {
                bool address = entry.Key is ['r', 'i', 'n', 'g', >= '0' and <= '7', '_', 'a', 'd', 'd', 'r'];
                if (!address && entry.Key is not ("nodeid" or "name" or "quorum_votes"))
                {
                    throw Error(entry.Line, $"key '{entry.Key}' in node",
                        "ring0_addr to ring7_addr, nodeid, name, quorum_votes");
                }
            }

            if (s.Sections is [var inner, ..])
            {
                throw Error(inner.Line, $"section '{inner.Name}' in node", "keys only");
            }

            string ring0 = s.Find("ring0_addr")?.Value ?? throw Error(s.Line, "a node without ring0_addr",
                "ring0_addr");
            int missing = Enumerable.Range(1, 7).FirstOrDefault(i => s.Find($"ring{i}_addr") is null, 8);
            if (Enumerable.Range(missing, 8 - missing).Any(i => s.Find($"ring{i}_addr") is not null))
            {
                throw Error(s.Line, $"a node without ring{missing}_addr but with a later one", "links without a gap");
            }

            var node = new NodeSettings
            {
                NodeId = s.Find("nodeid") is null ? 0 : (uint)Number(s, "nodeid", 0, 1),
                Name = s.Find("name")?.Value ?? ring0,
                Addresses = [.. Enumerable.Range(0, 8).Select(i => s.Find($"ring{i}_addr")?.Value).OfType<string>()],
                Votes = Number(s, "quorum_votes", 1, 0, 1000),
                Line = s.Line,
            };
            if (node.NodeId != 0 && nodes.Exists(n => n.NodeId == node.NodeId))
            {
                throw Error(s.Find("nodeid")!.Line, $"nodeid {node.NodeId} a second time", "an id per node");
            }

            if (nodes.Exists(n => n.Name == node.Name))
            {
                throw Error(s.Line, $"node '{node.Name}' a second time", "a name per node");
            }

            nodes.Add(node);
        }

        return nodes.Count <= TotemLimits.Members ? nodes
            : throw Error(list.Line, $"{nodes.Count} nodes", $"at most {TotemLimits.Members}");
    }

    private QuorumSettings ReadQuorum(ConfigSection? s, List<NodeSettings> nodes)
    {
        int listed = nodes.Sum(n => n.Votes);
        if (s is null)
        {
            return new QuorumSettings { ExpectedVotes = listed, Enabled = false };
        }

        if (s.Sections is [var inner, ..])
        {
            throw Error(inner.Line, $"section '{inner.Name}' in quorum", inner.Name == "device"
                ? "no device: a quorum device is not supported yet" : "keys only");
        }

        Known(s, ["provider", "expected_votes", "votes", "two_node", "wait_for_all", "last_man_standing",
            "last_man_standing_window", "auto_tie_breaker", "auto_tie_breaker_node", "allow_downscale",
            "expected_votes_tracking"], []);
        if (s.Find("provider") is not { } provider)
        {
            Warn(s.Line, "no quorum provider: every partition counts as quorate");
            return new QuorumSettings { ExpectedVotes = listed, Enabled = false };
        }

        _ = OneOf(provider, "corosync_votequorum");
        bool downscale = Flag(s, "allow_downscale", false);
        if (downscale)
        {
            Warn(s.Find("allow_downscale")!.Line, "allow_downscale is, as votequorum(5) says, incomplete and unsupported");
        }

        bool twoNode = Flag(s, "two_node", false);
        int expected = Number(s, "expected_votes", 0, 1);
        bool given = s.Find("expected_votes") is not null;
        int line = s.Find("expected_votes")?.Line ?? s.Line;
        if (!given && nodes.Count == 0)
        {
            throw Error(line, "neither expected_votes nor a node list", "quorum.expected_votes");
        }

        if (given && nodes.Count > 0 && expected < listed)
        {
            Warn(line, $"expected_votes: {expected} is less than the node list's {listed} votes: "
                + "it rises when they are seen, before that fewer nodes may have quorum");
        }

        expected = given ? expected : listed;
        var tie = ReadTieBreaker(s);
        if (twoNode && tie is not null)
        {
            Warn(s.Find("two_node")!.Line, "two_node has no effect beside auto_tie_breaker");
            twoNode = false;
        }

        if (twoNode && Math.Max(expected, listed) != 2)
        {
            throw Error(s.Find("two_node")!.Line, $"two_node with {expected} expected votes",
                "two_node only with 2 expected votes");
        }

        bool waitForAll = Flag(s, "wait_for_all", twoNode);
        bool lastMan = Flag(s, "last_man_standing", false);
        if (lastMan && (nodes.Exists(n => n.Votes != 1) || twoNode))
        {
            Warn(s.Find("last_man_standing")!.Line,
                "last_man_standing is off: it needs one vote per node and no two_node");
            lastMan = false;
        }

        if (tie is not null && expected % 2 == 1 && !waitForAll)
        {
            if (lastMan)
            {
                throw Error(s.Find("auto_tie_breaker")!.Line,
                    "auto_tie_breaker and last_man_standing with odd expected votes",
                    "wait_for_all: 1 with them");
            }

            Warn(s.Find("auto_tie_breaker")!.Line,
                "auto_tie_breaker is off: expected votes are odd and wait_for_all is off");
            tie = null;
        }

        return new QuorumSettings
        {
            ExpectedVotes = expected,
            DefaultVotes = Number(s, "votes", 1, 0),
            TwoNode = twoNode,
            WaitForAll = waitForAll,
            LastManStanding = lastMan,
            LastManStandingWindow = Number(s, "last_man_standing_window", 10_000, 1),
            AutoTieBreaker = tie,
            AllowDownscale = downscale,
            ExpectedVotesTracking = downscale || Flag(s, "expected_votes_tracking", false),
        };
    }

    private TieBreaker? ReadTieBreaker(ConfigSection s)
    {
        string node = s.Find("auto_tie_breaker_node")?.Value ?? "lowest";
        if (!Flag(s, "auto_tie_breaker", false))
        {
            return null;
        }

        if (node is "lowest" or "highest")
        {
            return new TieBreaker(node == "highest", []);
        }

        var ids = node.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(t => uint.TryParse(t, out uint id)
            ? id : 0).ToList();
        return ids.Count > 0 && !ids.Contains(0) ? new TieBreaker(false, ids) : throw Error(
            s.Find("auto_tie_breaker_node")!.Line, $"auto_tie_breaker_node: {node}",
                "lowest, highest or a list of node ids");
    }

    private LoggingSettings ReadLogging(ConfigSection? s)
    {
        if (s is null)
        {
            return new LoggingSettings();
        }

        Known(s, ["timestamp", "fileline", "function_name", "blackbox", "to_stderr", "to_logfile", "to_syslog",
            "logfile",
            "logfile_priority", "syslog_facility", "syslog_priority", "debug"], ["logger_subsys"]);
        var subsystems = new Dictionary<string, bool>(StringComparer.OrdinalIgnoreCase);
        foreach (var sub in s.Sections)
        {
            string name = sub.Find("subsys")?.Value ?? throw Error(sub.Line, "logger_subsys without subsys",
                "subsys: NAME");
            subsystems[name] = Flag(sub, "debug", false);
        }

        string logfile = s.Find("logfile")?.Value ?? "";
        bool toLogfile = Flag(s, "to_logfile", false);
        if (toLogfile && logfile.Length == 0)
        {
            throw Error(s.Find("to_logfile")!.Line, "to_logfile without logfile", "logfile: PATH");
        }

        return new LoggingSettings
        {
            ToStderr = Flag(s, "to_stderr", true),
            ToLogfile = toLogfile,
            Logfile = logfile.Length == 0 ? null : logfile,
            ToSyslog = Flag(s, "to_syslog", true),
            SyslogFacility = s.Find("syslog_facility")?.Value ?? "daemon",
            SyslogPriority = s.Find("syslog_priority")?.Value ?? "info",
            LogfilePriority = s.Find("logfile_priority")?.Value ?? "info",
            Debug = s.Find("debug") is { Value: "trace" } || Flag(s, "debug", false),
            Timestamp = s.Find("timestamp") is { } t ? OneOf(t, "off", "on", "hires") : "hires",
            FileLine = Flag(s, "fileline", false),
            SubsystemDebug = subsystems,
        };
    }

    // ── Helpers ──────────────────────────────────────────────────────────────────────────────────────────────────

    private ConfigSection? One(ConfigSection root, string name)
    {
        var all = root.Sections.FindAll(s => s.Name == name);
        return all.Count <= 1 ? all.FirstOrDefault() : throw Error(all[1].Line, $"section '{name}' a second time",
            "one");
    }

    private void Known(ConfigSection section, IReadOnlyCollection<string> keys, IReadOnlyCollection<string> sections)
    {
        if (section.Entries.Find(e => !keys.Contains(e.Key)) is { } entry)
        {
            string near = keys.OrderBy(k => Distance(k, entry.Key)).FirstOrDefault() ?? "no keys";
            throw Error(entry.Line, $"key '{entry.Key}' in {section.Name}",
                $"a key of corosync.conf(5), such as {near}");
        }

        if (section.Sections.Find(s => !sections.Contains(s.Name)) is { } inner)
        {
            throw Error(inner.Line, $"section '{inner.Name}' in {section.Name}",
                sections.Count == 0 ? "keys only" : string.Join(" or ", sections));
        }
    }

    private static int Distance(string a, string b) =>
        a.Zip(b).TakeWhile(p => p.First == p.Second).Count() * -2 + Math.Abs(a.Length - b.Length);

    private int Number(ConfigSection s, string key, int fallback, int min, int max = int.MaxValue)
    {
        if (s.Find(key) is not { } entry)
        {
            return fallback;
        }

        return int.TryParse(entry.Value, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            && value >= min && value <= max
            ? value
            : throw Error(entry.Line, $"{key}: {entry.Value}",
                max == int.MaxValue ? $"a number of {min} or more" : $"a number of {min} to {max}");
    }

    private bool Flag(ConfigSection s, string key, bool fallback) => s.Find(key) is { } entry
        ? OneOf(entry, "yes", "no", "on", "off", "1", "0") is "yes" or "on" or "1" : fallback;

    private string? Address(ConfigSection s, string key, bool multicast)
    {
        if (s.Find(key) is not { } entry)
        {
            return null;
        }

        return UdpAddress.Parse(entry.Value) is { } ip && ip.IsMulticast == multicast ? entry.Value : throw Error(
            entry.Line, $"{key}: {entry.Value}", multicast ? "a multicast address" : "an address or network");
    }

    private string OneOf(ConfigEntry entry, params string[] allowed) => allowed.Contains(entry.Value) ? entry.Value
        : throw Error(entry.Line, $"{entry.Key}: {entry.Value}", string.Join(", ", allowed));

    private void Warn(int line, string what) => _warnings.Add($"{file}:{line}: {what}");

    private CorosyncConfigException Error(int line, string found, string expected) => new(file, line, found, expected);
}
