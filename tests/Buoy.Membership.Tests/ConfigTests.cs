using Buoy.Membership.Configuration;

namespace Buoy.Tests;

/// <summary>corosync.conf: the seed's files unchanged, formulas, errors with their place.</summary>
public sealed class ConfigTests
{
    private const string Nodes = "nodelist {\n node {\n ring0_addr: 10.0.0.1\n nodeid: 1\n }\n node {\n ring0_addr: 10.0.0.2\n nodeid: 2\n }\n}\n";

    private static CorosyncConfig Parse(string text) => CorosyncConfig.Parse(text, "c.conf");

    private static string Totem(string keys, string rest = Nodes) =>
        "totem {\n version: 2\n cluster_name: c\n " + keys + "\n}\n" + rest;

    [Fact]
    public void Load_OfTheSeedsMulticastFile_AsIntended()
    {
        var c = CorosyncConfig.Load(SharedData.Require("seed/corosync.conf"));
        Assert.Equal(TransportKind.Multicast, c.Transport);
        Assert.Equal(("haproxy-cluster", "192.168.4.0", "239.255.1.1", 5405, 1),
            (c.ClusterName, c.Interface.BindNetAddr, c.Interface.McastAddr, c.Interface.McastPort, c.Interface.Ttl));
        Assert.Equal(new CryptoSettings(256, "sha256"), c.Crypto);
        Assert.Equal((3000, 294, 225, 3600), (c.Totem.Token, c.Totem.TokenRetransmit, c.Totem.Hold, c.Totem.Consensus));
        Assert.Equal((2, true, true), (c.Quorum.ExpectedVotes, c.Quorum.TwoNode, c.Quorum.WaitForAll));
        Assert.True(c.ClearNodeHighBit);
        Assert.Equal(("/var/log/corosync/corosync.log", false, true, "on"),
            (c.Logging.Logfile, c.Logging.ToStderr, c.Logging.ToSyslog, c.Logging.Timestamp));
        Assert.False(c.Logging.SubsystemDebug["QUORUM"]);
    }

    [Fact]
    public void Load_OfTheSeedsNodeListFile_WorksAndWarns()
    {
        var c = CorosyncConfig.Load(SharedData.Require("seed/corosync-nodelist.conf"));
        Assert.Equal(TransportKind.Multicast, c.Transport);
        Assert.Equal([(1u, "hapx-node01"), (2u, "hapx-node02")], c.Nodes.Select(n => (n.NodeId, n.Name)));
        Assert.True(c.Quorum.TwoNode);
        Assert.Contains(c.Warnings, w => w.Contains("corosync-nodelist.conf:45: expected_votes: 1 is less",
            StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(2, "", 3000, 714, 561, 3600)]
    [InlineData(3, "", 3650, 869, 685, 4380)]
    [InlineData(5, "", 4950, 1178, 932, 5940)]
    [InlineData(2, "token_retransmits_before_loss_const: 10", 3000, 294, 225, 3600)]
    [InlineData(3, "token: 3000\n token_coefficient: 0\n token_retransmits_before_loss_const: 10", 3000, 294, 225,
        3600)]
    public void Parse_OfTimers_CorosyncsFormulas(int nodes, string keys, int token, int retransmit, int hold,
        int consensus)
    {
        string list = "nodelist {\n" + string.Concat(Enumerable.Range(1, nodes).Select(i =>
            $" node {{\n ring0_addr: 10.0.0.{i}\n nodeid: {i}\n }}\n")) + "}\n";
        var t = Parse(Totem(keys, list)).Totem;
        Assert.Equal((token, retransmit, hold, consensus), (t.Token, t.TokenRetransmit, t.Hold, t.Consensus));
    }

    [Theory]
    [InlineData("", 10)]
    [InlineData("transport: udpu", 1)]
    [InlineData("transport: udpu\n netmtu: 9000", 6)]
    [InlineData("max_messages: 256", 1)]
    [InlineData("max_messages: 4", 42)]
    [InlineData("netmtu: 1000", 1)]
    public void Parse_OfFlowControl_AVisitIsNoMoreThanTheKernelsBuffersTake(string keys, int units)
    {
        var t = Parse(Totem(keys)).Totem;
        Assert.Equal((units, units * 50L), (t.MessageUnits, t.Window));
        Assert.InRange(t.VisitWindow * 1500, 0, Math.Max(256_000 + 1500, t.MaxMessages * 1500));
    }

    [Theory]
    [InlineData("no transport is knet", "", TransportKind.Knet)]
    [InlineData("udpu", "transport: udpu", TransportKind.Unicast)]
    [InlineData("udp", "transport: udp", TransportKind.Multicast)]
    [InlineData("mcastaddr means multicast", "interface {\n bindnetaddr: 10.0.0.0\n mcastaddr: 239.1.1.1\n }",
        TransportKind.Multicast)]
    [InlineData("transport wins", "transport: udpu\n interface {\n mcastaddr: 239.1.1.1\n }", TransportKind.Unicast)]
    public void Parse_OfTransport_AsTheManual(string why, string keys, TransportKind expected)
    {
        Assert.Equal((why, expected), (why, Parse(Totem(keys)).Transport));
    }

    [Theory]
    [InlineData("token: 0", 4, "token: 0", "30 or more")]
    [InlineData("tokn: 3000", 4, "key 'tokn' in totem", "token")]
    [InlineData("token: 100", 4, "token_retransmit of 23 ms", "30 or more")]
    [InlineData("crypto_cipher: aes256", 4, "without crypto_hash", "sha256")]
    [InlineData("crypto_cipher: rot13", 4, "crypto_cipher: rot13", "aes256")]
    [InlineData("crypto_cipher: aes256-gcm\n crypto_hash: sha256", 4, "crypto_cipher: aes256-gcm", "aes256")]
    [InlineData("ip_version: ipv7", 4, "ipv7", "ipv4")]
    [InlineData("link_mode: foo", 4, "link_mode: foo", "passive, active, rr")]
    [InlineData("config_version: foo", 4, "config_version: foo", "a number")]
    [InlineData("interface {\n linknumber: 8\n }", 5, "linknumber: 8", "0 to 7")]
    [InlineData("interface {\n knet_link_priority: 300\n }", 5, "knet_link_priority: 300", "0 to 255")]
    [InlineData("interface {\n knet_transport: sctp\n }", 5, "sctp", "udp")]
    [InlineData("transport: udpu\n interface {\n linknumber: 0\n }\n interface {\n linknumber: 1\n }", 8,
        "2 is too many configured interfaces", "knet")]
    [InlineData("transport: tcp", 4, "transport: tcp", "udpu")]
    [InlineData("interface {\n mcastaddr: 10.0.0.1\n }", 5, "mcastaddr: 10.0.0.1", "multicast address")]
    [InlineData("interface {\n mcastport: 70000\n }", 5, "mcastport: 70000", "1 to 65535")]
    [InlineData("nonsense", 4, "'nonsense'", "key: value")]
    public void Parse_OfAMistakeInTotem_NamesLineFoundExpected(string keys, int line, string found, string expected)
    {
        var e = Assert.Throws<CorosyncConfigException>(() => Parse(Totem(keys)));
        Assert.Equal(line, e.Line);
        Assert.Contains(found, e.Found, StringComparison.Ordinal);
        Assert.Contains(expected, e.Expected, StringComparison.Ordinal);
        Assert.StartsWith($"c.conf:{line}: ", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nodelist {\n node {\n nodeid: 1\n }\n}\n", "without ring0_addr")]
    [InlineData("nodelist {\n node {\n ring0_addr: a\n nodeid: 1\n }\n node {\n ring0_addr: b\n nodeid: 1\n }\n}\n",
        "nodeid 1 a second time")]
    [InlineData("nodelist {\n node {\n ring0_addr: a\n }\n}\n", "a node without nodeid")]
    [InlineData("", "no node list")]
    [InlineData("nozzle {\n}\n" + Nodes, "section 'nozzle'")]
    [InlineData("quorum {\n provider: corosync_votequorum\n two_node: 1\n expected_votes: 3\n}\n" + Nodes,
        "two_node with 3")]
    [InlineData("quorum {\n provider: corosync_votequorum\n auto_tie_breaker: 1\n auto_tie_breaker_node: x\n}\n" + Nodes, "node: x")]
    [InlineData(
        "quorum {\n provider: corosync_votequorum\n auto_tie_breaker: 1\n last_man_standing: 1\n expected_votes: 3\n}\n" + Nodes, "odd")]
    [InlineData("nodelist {\n node {\n ring0_addr: 10.0.0.1\n ring1_addr: 10.1.0.1\n nodeid: 1\n }\n"
        + " node {\n ring0_addr: 10.0.0.2\n nodeid: 2\n }\n}\n", "not all nodes have the same number of links")]
    [InlineData("nodelist {\n node {\n ring0_addr: 10.0.0.1\n nodeid: 1\n }\n"
        + " node {\n ring0_addr: fe80::1\n nodeid: 2\n }\n}\n", "different IP families")]
    [InlineData("nodelist {\n node {\n ring0_addr: 10.0.0.1\n ring2_addr: 10.1.0.1\n nodeid: 1\n }\n}\n",
        "without ring1_addr")]
    [InlineData("quorum {\n provider: corosync_votequorum\n device {\n model: net\n }\n}\n" + Nodes,
        "section 'device'")]
    [InlineData("logging {\n to_logfile: yes\n}\n" + Nodes, "to_logfile without logfile")]
    [InlineData("quorum {\n", "the end of the file")]
    [InlineData("}\n", "'}' without a section")]
    public void Parse_OfAMistakeElsewhere_SaysWhat(string rest, string found)
    {
        var e = Assert.Throws<CorosyncConfigException>(() => Parse(Totem("", rest)));
        Assert.Contains(found, e.Found, StringComparison.Ordinal);
        Assert.True(e.Line > 0);
    }

    [Fact]
    public void Parse_OfKeysWithoutEffect_WarnsByName()
    {
        var c = Parse(Totem("rrp_mode: passive\n threads: 2"));
        Assert.Equal(["c.conf:4: rrp_mode", "c.conf:5: threads"], c.Warnings.Select(w => w[..w.IndexOf(" has",
            StringComparison.Ordinal)]));
    }

    [Fact]
    public void Parse_OfSeveralLinks_PortsTimersAndPriorities()
    {
        var c = Parse(Totem(
            "link_mode: active\n config_version: 7\n knet_mtu: 1400\n interface {\n linknumber: 1\n knet_link_priority: 9\n"
            + " knet_ping_interval: 100\n knet_ping_timeout: 300\n knet_pong_count: 5\n }",
            "nodelist {\n node {\n ring0_addr: 10.0.0.1\n ring1_addr: fd00::1\n ring2_addr: 10.2.0.1\n nodeid: 1\n }\n}\n"));
        Assert.Equal(Buoy.Membership.Links.LinkMode.Active, c.LinkMode);
        Assert.Equal((7ul, 1400, 65536), (c.ConfigVersion, c.KnetMtu, c.NetMtu));
        Assert.Equal([(0, 5405, 1, 750, 1500, 2), (1, 5406, 9, 100, 300, 5), (2, 5407, 1, 750, 1500, 2)], c.Links.Select(l =>
            (l.LinkNumber, l.McastPort, l.Priority, l.PingInterval, l.PingTimeout, l.PongCount)));
    }

    [Theory]
    [InlineData(2, 1500, 750)]
    [InlineData(3, 1825, 912)]
    [InlineData(5, 2475, 1237)]
    public void Parse_OfPingTimers_CorosyncsFormulas(int nodes, int timeout, int interval)
    {
        string list = "nodelist {\n" + string.Concat(Enumerable.Range(1, nodes).Select(i =>
            $" node {{\n ring0_addr: 10.0.0.{i}\n nodeid: {i}\n }}\n")) + "}\n";
        var link = Parse(Totem("", list)).Interface;
        Assert.Equal((timeout, interval), (link.PingTimeout, link.PingInterval));
    }
}
