using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Resolvers;
using Buoy.Balancer.Tests.Control;
using CsCheck;

namespace Buoy.Balancer.Tests.Resolvers;

/// <summary>A DNS server that answers from a script: per name an address, or an error.</summary>
internal sealed class ScriptedDns : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly Dictionary<string, string> _script = [];

    public ScriptedDns()
    {
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        new Thread(Serve) { IsBackground = true }.Start();
    }

    public IPEndPoint Address => (IPEndPoint)_socket.LocalEndPoint!;

    /// <summary>An address, several with ',', or nx, refused, servfail, empty, silent, garbage.</summary>
    public string this[string name]
    {
        set
        {
            lock (_script)
            {
                _script[name] = value;
            }
        }
    }

    public static byte[] Answer(byte[] query, int rcode, params IPAddress[] addresses)
    {
        int end = 12;
        while (query[end] != 0)
        {
            end += query[end] + 1;
        }

        end += 5;
        var m = new List<byte>(query[..end]);
        m[2] = 0x81;
        m[3] = (byte)(0x80 | rcode);
        m[7] = (byte)addresses.Length;
        m[11] = 0;
        foreach (var a in addresses)
        {
            byte[] data = a.GetAddressBytes();
            m.AddRange(
                [0xC0, 12, 0, (byte)(data.Length == 4 ? 1 : 28), 0, 1, 0, 0, 0, 9, 0, (byte)data.Length, .. data]);
        }

        return [.. m];
    }

    public void Dispose() => _socket.Dispose();

    private void Serve()
    {
        var buffer = new byte[2048];
        try
        {
            while (true)
            {
                EndPoint from = new IPEndPoint(IPAddress.Any, 0);
                int n = _socket.ReceiveFrom(buffer, ref from);
                if (Reply(buffer[..n]) is { } reply)
                {
                    _socket.SendTo(reply, from);
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return;
        }
    }

    private byte[]? Reply(byte[] query)
    {
        var name = new StringBuilder();
        int at = 12;
        for (; query[at] != 0; at += query[at] + 1)
        {
            name.Append(name.Length > 0 ? "." : "").Append(Encoding.ASCII.GetString(query, at + 1, query[at]));
        }

        bool v4 = query[at + 2] == 1;
        string script;
        lock (_script)
        {
            script = _script.GetValueOrDefault(name.ToString(), "nx");
        }

        return script switch
        {
            "nx" => Answer(query, 3),
            "refused" => Answer(query, 5),
            "servfail" => Answer(query, 2),
            "empty" => Answer(query, 0),
            "silent" => null,
            "garbage" => [.. query[..2], 0xFF, 0xC0, 1],
            _ => Answer(query, 0, [.. script.Split(',').Select(IPAddress.Parse)
                .Where(a => a.AddressFamily == AddressFamily.InterNetwork == v4)]),
        };
    }
}

public sealed class DnsMessageTests
{
    private static readonly byte[] Query = DnsMessage.Query(0x1234, "kube-mast01", DnsType.A, 512);

    [Fact]
    public void Query_ForAName_IsWhatHaproxySends() => Assert.Equal(
        "123401000001000000000001" + "0B" + Convert.ToHexString("kube-mast01"u8) + "0000010001"
            + "0000290200000000000000",
        Convert.ToHexString(Query));

    [Fact]
    public void Read_AddressBehindCname_IsFound()
    {
        var m = new List<byte>(ScriptedDns.Answer(Query, 0));
        m[7] = 2;
        m.AddRange([0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, (byte)'x', 0xC0, 12]);
        int target = m.Count - 4;
        m.AddRange([0xC0, (byte)target, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 7]);
        var a = DnsMessage.Read([.. m], "kube-mast01", DnsType.A);
        Assert.Equal(DnsOutcome.Valid, a.Outcome);
        Assert.True(a.HasCname);
        Assert.Equal(IPAddress.Parse("10.0.0.7"), Assert.Single(a.Addresses));
    }

    [Theory]
    [InlineData(3, DnsOutcome.Nx)]
    [InlineData(5, DnsOutcome.Refused)]
    [InlineData(2, DnsOutcome.Other)]
    [InlineData(0, DnsOutcome.NoAddress)]
    public void Read_Errors_AreNamed(int rcode, DnsOutcome outcome) =>
        Assert.Equal(outcome, DnsMessage.Read(ScriptedDns.Answer(Query, rcode), "kube-mast01", DnsType.A).Outcome);

    [Fact]
    public void Read_AnswerToAnotherQuestion_IsInvalid()
    {
        byte[] m = ScriptedDns.Answer(Query, 0, IPAddress.Loopback);
        Assert.Equal(DnsOutcome.Valid, DnsMessage.Read(m, "KUBE-mast01.", DnsType.A).Outcome);
        Assert.Equal(DnsOutcome.Invalid, DnsMessage.Read(m, "kube-mast02", DnsType.A).Outcome);
        Assert.Equal(DnsOutcome.Invalid, DnsMessage.Read(m, "kube-mast01", DnsType.Aaaa).Outcome);
        Assert.Equal(DnsOutcome.Invalid, DnsMessage.Read(Query, "kube-mast01", DnsType.A).Outcome);
    }

    [Fact]
    public void Read_CompressionLoop_IsInvalid()
    {
        var m = new List<byte>(ScriptedDns.Answer(Query, 0));
        m[7] = 1;
        int at = m.Count;
        m.AddRange([0xC0, (byte)at, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4]);
        Assert.Equal(DnsOutcome.Invalid, DnsMessage.Read([.. m], "kube-mast01", DnsType.A).Outcome);
    }

    [Fact]
    public void Read_AnyBytes_NeverThrowsAndNeverInventsAddresses() => Gen.Byte.Array[0, 80].Sample(noise =>
    {
        byte[] good = ScriptedDns.Answer(Query, 0, IPAddress.Parse("192.0.2.1"));
        byte[] mixed = [.. good.Select((b, i) => i < noise.Length && noise[i] > 200 ? noise[i] : b)];
        foreach (
            byte[] m in (
                byte[][])[noise, mixed, good[..Math.Min(noise.Length, good.Length)], [.. good[..12], .. noise]])
        {
            var a = DnsMessage.Read(m, "kube-mast01", DnsType.A);
            Assert.True(a.Addresses.Count == 0 || a.Outcome == DnsOutcome.Valid);
        }
    }, iter: 5000);
}

public sealed class ResolutionTests
{
    private static readonly ResolversConfig Section = new()
    {
        Name = "dns", Place =
            new SourcePlace("t", 1),
                NameServers = [("a", new(IPAddress.Loopback, 53)), ("b", new(IPAddress.Loopback, 54))],
        ResolveRetries = 3, TimeoutRetry = 300, TimeoutResolve = 1000, HoldNx = 5000, HoldTimeout =
            2000, HoldObsolete = 4000,
    };

    private static DnsAnswer Good(string a) => new(DnsOutcome.Valid, [IPAddress.Parse(a)], false);

    private static DnsAnswer Bad(DnsOutcome o) => new(o, [], false);

    private static Resolution New(ushort id = 0) => new(Section, "x", false, () => ++id);

    [Fact]
    public void Round_WithoutIpv6_AsksIpv4AndIsValid()
    {
        var r = New();
        Assert.Equal(ResolutionEffect.Ask, r.OnDeadline(0));
        Assert.Equal(DnsType.Aaaa, r.QueryType);
        Assert.Equal(ResolutionEffect.Ask, r.OnAnswer(0, Bad(DnsOutcome.NoAddress), 10));
        Assert.Equal(DnsType.A, r.QueryType);
        Assert.Equal(ResolutionEffect.Ended, r.OnAnswer(0, Good("10.0.0.1"), 20));
        Assert.Equal(ResolutionStatus.Valid, r.Status);
        Assert.Equal(1020, r.Deadline);
        Assert.False(r.HoldExpired(999_999));
    }

    [Fact]
    public void Round_WithoutAnswers_EndsAfterItsRetries()
    {
        var r = New();
        r.OnDeadline(0);
        Assert.Equal(ResolutionEffect.Ask, r.OnDeadline(300));
        Assert.Equal(ResolutionEffect.Ask, r.OnDeadline(600));
        Assert.Equal(ResolutionEffect.Ended, r.OnDeadline(900));
        Assert.Equal(ResolutionStatus.Timeout, r.Status);
        Assert.True(r.HoldExpired(900));
    }

    [Fact]
    public void Nx_OfOneServer_WaitsForTheOther()
    {
        var r = New();
        r.OnDeadline(0);
        Assert.Equal(ResolutionEffect.None, r.OnAnswer(0, Bad(DnsOutcome.Nx), 1));
        Assert.Equal(ResolutionEffect.Ended, r.OnAnswer(1, Good("::1"), 2));
        r.OnDeadline(1002);
        r.OnAnswer(0, Bad(DnsOutcome.Nx), 1003);
        Assert.Equal(ResolutionEffect.Ask, r.OnAnswer(1, Bad(DnsOutcome.Nx), 1004));
        r.OnAnswer(0, Bad(DnsOutcome.Nx), 1005);
        Assert.Equal(ResolutionEffect.Ended, r.OnAnswer(1, Bad(DnsOutcome.Nx), 1006));
        Assert.Equal(ResolutionStatus.Nx, r.Status);
        Assert.False(r.HoldExpired(5000));
        Assert.True(r.HoldExpired(5003));
    }

    [Fact]
    public void Address_ThatIsNotAnsweredAnyMore_LivesForHoldObsolete()
    {
        var r = New();
        r.OnDeadline(0);
        r.OnAnswer(0, Good("10.0.0.1"), 0);
        r.OnDeadline(1000);
        r.OnAnswer(0, Good("10.0.0.2"), 1000);
        Assert.Equal(["10.0.0.2", "10.0.0.1"], r.Addresses.Select(a => a.ToString()));
        r.OnDeadline(4000);
        r.OnAnswer(0, Good("10.0.0.2"), 4000);
        Assert.Equal(["10.0.0.2"], r.Addresses.Select(a => a.ToString()));
    }
}

public sealed class ResolverScenarioTests
{
    private const string Times = "resolve_retries 2\n" +
        "  timeout retry 150ms\n  timeout resolve 200ms\n  hold valid 200ms\n  hold nx 300ms\n" +
        "  hold refused 300ms\n  hold other 300ms\n  hold timeout 300ms\n";

    private static ModelBuilder Model(Scratch d, IPEndPoint dns, int port) => new ModelBuilder(d["olog"], d["os"])
        .Resolvers(new ResolversConfig
        {
            Name = "dns", Place = new SourcePlace("t", 1), NameServers = [("n1", dns)], ResolveRetries =
                2, TimeoutRetry = 150,
            TimeoutResolve = 200, HoldValid = 200, HoldNx = 300, HoldRefused = 300, HoldOther = 300, HoldTimeout = 300,
        })
        .Proxy("b", ProxyKind.Backend, null,
            ModelBuilder.Named("s1", "aa", port, s => s with { Check = true, Inter = 200 }));

    /// <summary>The same script for HAProxy and for us: the lines must be equal, and in the same order.</summary>
    [Fact]
    public void Names_ThatChangeAndFail_AreLoggedAsHaproxyDoes()
    {
        using var d = new Scratch();
        using var server = new TestServer();
        using var dns = new ScriptedDns();
        dns["aa"] = "127.0.0.1";
        var expected = new List<string>();
        using (var log = new LogListener(d["hlog"]))
        using (new HaproxyRig(d, d["hs"], $"""
            global
              log {d["hlog"]} local0
              stats socket {d["hs"]} mode 600 level admin
            defaults
              log global
              timeout client 20s
              timeout server 20s
              timeout connect 1s
              default-server init-addr last,libc,none
            resolvers dns
              nameserver n1 {dns.Address}
              {Times}
            backend b
              option tcp-check
              server s1 aa:{server.Port} check inter 200 resolvers dns

            """))
        {
            Play(log, dns, d["hs"]);
            expected.AddRange(log.Comparable());
        }

        dns["aa"] = "127.0.0.1";
        using (var log = new LogListener(d["olog"]))
        using (new ControlRig(Model(d, dns.Address, server.Port).Build()).Start())
        {
            Play(log, dns, d["os"]);
            Assert.Equal(expected, log.Comparable());
        }
    }

    private static void Play(LogListener log, ScriptedDns dns, string socket)
    {
        int seen = 0;
        void Wait(string text)
        {
            log.WaitFor(text, seen);
            seen = log.Lines.Count;
        }

        void Healthy() =>
            CliClient.AskUntil(socket, "show stat b 4 1", t => t.Contains(",UP,", StringComparison.Ordinal));
        Wait("thanks to valid DNS answer");
        Healthy();
        dns["aa"] = "127.0.0.2";
        Wait("changed its IP from 127.0.0.1 to 127.0.0.2");
        Wait("is DOWN");
        Wait("has no server available");
        dns["aa"] = "nx";
        Wait("enters maintenance (DNS NX status)");
        dns["aa"] = "127.0.0.1";
        Wait("thanks to valid DNS answer");
        Healthy();
        dns["aa"] = "refused";
        Wait("(DNS refused status)");
        Wait("has no server available");
        dns["aa"] = "127.0.0.1";
        Wait("thanks to valid DNS answer");
        Healthy();
        dns["aa"] = "silent";
        Wait("(DNS timeout status)");
        Wait("has no server available");
    }

    [Fact]
    public void Servers_OfOneName_ShareItsResolutionAndTakeDifferentAddresses()
    {
        using var d = new Scratch();
        using var dns = new ScriptedDns();
        dns["pair"] = "127.0.0.1,127.0.0.2";
        using var log = new LogListener(d["olog"]);
        var model = new ModelBuilder(d["olog"], d["os"])
            .Resolvers(new ResolversConfig
            {
                Name = "dns", Place = new SourcePlace("t", 1), NameServers = [("n1", dns.Address)], TimeoutResolve =
                    60_000,
            })
            .Proxy("b", ProxyKind.Backend, null, ModelBuilder.Named("s1", "pair", 80),
                ModelBuilder.Named("s2", "pair", 80));
        using var rig = new ControlRig(model.Build()).Start();
        log.WaitFor("Server b/s2 administratively READY");
        string state = CliClient.Ask(d["os"], "show servers state");
        Assert.Contains(" s1 127.0.0.1 ", state);
        Assert.Contains(" s2 127.0.0.2 ", state);
        Assert.Matches(@"sent: +2\n", CliClient.Ask(d["os"], "show resolvers dns"));
        Assert.Equal(2, rig.State.Servers[0].Family);
        Assert.Equal(1, rig.State.Servers[1].Eligible);
    }

    [Fact]
    public void Garbage_FromANameServer_IsCountedAndIgnored()
    {
        using var d = new Scratch();
        using var dns = new ScriptedDns();
        dns["aa"] = "garbage";
        using var log = new LogListener(d["olog"]);
        using var rig = new ControlRig(Model(d, dns.Address, 80).Build()).Start();
        CliClient.AskUntil(
            d["os"], "show resolvers", t => System.Text.RegularExpressions.Regex.IsMatch(t, @"invalid: +[1-9]"));
        Assert.Contains(" - 0 32 ", CliClient.Ask(d["os"], "show servers state"));
    }
}
