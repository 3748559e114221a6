using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Resolvers;
using Buoy.Balancer.Tests.Control;
using CsCheck;

namespace Buoy.Balancer.Tests.Resolvers;

/// <summary>Servers from SRV records, HAProxy's and ours from the same DNS server.</summary>
public sealed class ServiceTests
{
    /// <summary>A DNS server with one SRV name and some hosts.</summary>
    private sealed class ServiceDns : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);

        public ServiceDns()
        {
            _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            new Thread(Run) { IsBackground = true }.Start();
        }

        public EndPoint Address => _socket.LocalEndPoint!;

        /// <summary>Weight, port, host; none = the name does not exist.</summary>
        public volatile (int Weight, int Port, string Host)[] Services = [];

        public static byte[] Answer(byte[] query, (int Weight, int Port, string Host)[] services)
        {
            int end = 12;
            while (query[end] != 0)
            {
                end += query[end] + 1;
            }

            int type = BinaryPrimitives.ReadUInt16BigEndian(query.AsSpan(end + 1));
            string first = Encoding.ASCII.GetString(query, 13, query[12]);
            var records = new List<byte[]>();
            if (type == 33)
            {
                records.AddRange(services.Select(s => (byte[])[0, 1, (byte)(s.Weight >> 8), (byte)s.Weight, (byte)(s.Port >> 8),
                    (byte)s.Port, (byte)s.Host.Length, .. Encoding.ASCII.GetBytes(s.Host), 1, (byte)'x', 0]));
            }
            else if (type == 1 && first.StartsWith('h'))
            {
                records.Add([127, 0, 0, (byte)(first[1] - '0')]);
            }

            bool missing = type == 33 && services.Length == 0;
            byte[] question = query[12..(end + 5)];
            return
            [
                query[0], query[1], 0x81, (byte)(missing ? 0x83 : 0x80), 0, 1, 0, (byte)records.Count, 0, 0, 0, 0, .. question,
                .. records.SelectMany(r => (byte[])[0xC0, 12, 0, (byte)type, 0, 1, 0, 0, 0, 60, 0, (byte)r.Length, .. r]),
            ];
        }

        public void Dispose() => _socket.Dispose();

        private void Run()
        {
            var buffer = new byte[4096];
            try
            {
                while (true)
                {
                    EndPoint from = new IPEndPoint(IPAddress.Any, 0);
                    int n = _socket.ReceiveFrom(buffer, ref from);
                    _socket.SendTo(Answer(buffer[..n], Services), from);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
                return;
            }
        }
    }

    [Fact]
    public void Services_ThatComeAndGo_TakeServersAsHaproxyDoes()
    {
        using var dns = new ServiceDns { Services = [(10, 8080, "h1"), (20, 8081, "h2")] };
        using var pair = new ConfigPair(_ => $"""
            resolvers r
              nameserver n {dns.Address}
              timeout resolve 200ms
              timeout retry 150ms
              hold valid 200ms
              hold obsolete 300ms
              hold nx 300ms
            backend b
              server-template a 3 _http._tcp.x resolvers r resolve-prefer ipv4 weight 7
            backend c
              server-template a 2 _http._tcp.x resolvers r resolve-prefer ipv4 weight 7 resolve-opts ignore-weight
            """);
        void Both(string state)
        {
            foreach (int which in (int[])[0, 1])
            {
                CliClient.AskUntil(pair.Sockets(which), "show servers state b", t => Regex.IsMatch(t, state));
            }

            string[] said = [.. pair.Ask("show servers state").Select(t =>
                Regex.Replace(t, @"^((?:\S+ ){9})\d+ ", "$1T ", RegexOptions.Multiline))];
            Assert.Equal(said[0], said[1]);
        }

        Both(@"a1 127\.0\.0\.2 [^\n]*\n.*a2 127\.0\.0\.1 ");
        pair.WaitForBoth("Server c/a2 administratively READY");
        Both("a3 - ");
        dns.Services = [(10, 8080, "h1")];
        pair.WaitForBoth("c/a1 is going DOWN for maintenance (entry removed from SRV record)");
        pair.WaitForBoth("b/a1 is going DOWN for maintenance (entry removed from SRV record)");
        Both("a1 - ");
        dns.Services = [(300, 8080, "h1"), (20, 9000, "h2")];
        Both(@"a2 127\.0\.0\.1 2 64 2 [^\n]*\n.*a3 127\.0\.0\.2 2 ");
        dns.Services = [(0, 8080, "h1"), (65535, 9000, "h2")];
        Both(@"a2 127\.0\.0\.1 2 64 0 [^\n]*\n.*a3 127\.0\.0\.2 2 64 256 ");
        dns.Services = [];
        pair.WaitForBoth("b/a2 is going DOWN for maintenance (entry removed from SRV record)");
        string[][] lines = [.. Enumerable.Range(0, 2).Select(w => pair.Log[w].Lines.Select(ConfigPair.Comparable)
            .Where(l => l.Contains("b/a", StringComparison.Ordinal)).ToArray())];
        Assert.Equal(lines[0].Order(), lines[1].Order());
    }

    [Fact]
    public void Read_OfServices_GivesThemInOrder()
    {
        byte[] query = DnsMessage.Query(7, "_a._tcp.x", DnsType.Srv, 512);
        var answer = DnsMessage.Read(ServiceDns.Answer(query, [(5, 80, "h1"), (6, 81, "h2")]), "_a._tcp.x", DnsType.Srv);
        Assert.Equal(DnsOutcome.Valid, answer.Outcome);
        Assert.Equal([new DnsService("h1.x", 80, 1, 5), new DnsService("h2.x", 81, 1, 6)], answer.Services);
    }

    [Fact]
    public void Read_OfDamagedServices_NeverThrows()
    {
        byte[] query = DnsMessage.Query(7, "_a._tcp.x", DnsType.Srv, 512);
        byte[] good = ServiceDns.Answer(query, [(5, 80, "h1"), (6, 81, "h2")]);
        Gen.Select(Gen.Int[0, good.Length - 1], Gen.Byte, Gen.Int[0, good.Length]).Sample((at, value, length) =>
        {
            byte[] bad = [.. good];
            bad[at] = value;
            var answer = DnsMessage.Read(bad.AsSpan(0, length), "_a._tcp.x", DnsType.Srv);
            return answer.Services.All(s => DnsMessage.IsName(s.Host) && s.Port is >= 0 and <= 65535);
        });
    }
}
