using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Resolvers;
using Buoy.Balancer.Tests.Control;
using CsCheck;

namespace Buoy.Balancer.Tests.Resolvers;

/// <summary>Name servers that are asked over TCP, because they are configured so or because a datagram is too small.</summary>
public sealed class TcpTests
{
    /// <summary>Answers A questions with 127.0.0.7 over TCP; over UDP says that the answer does not fit.</summary>
    private sealed class StreamDns : IDisposable
    {
        private readonly Socket _datagrams = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        private readonly TcpListener? _listener;
        private int _questions;

        public StreamDns(bool tcp = true)
        {
            // The same port for both kinds: tried until one is free in both.
            for (int attempt = 0; ; attempt++)
            {
                var listener = new TcpListener(IPAddress.Loopback, 0);
                listener.Start();
                try
                {
                    _datagrams.Bind(listener.LocalEndpoint);
                    _listener = tcp ? listener : null;
                    if (!tcp)
                    {
                        listener.Stop();
                    }

                    break;
                }
                catch (SocketException) when (attempt < 20)
                {
                    listener.Stop();
                }
            }

            new Thread(Datagrams) { IsBackground = true }.Start();
            if (_listener is not null)
            {
                new Thread(Accept) { IsBackground = true }.Start();
            }
        }

        public IPEndPoint Address => (IPEndPoint)_datagrams.LocalEndPoint!;

        /// <summary>Questions that came over TCP.</summary>
        public int Questions => Volatile.Read(ref _questions);

        /// <summary>Bytes that are sent at once of an answer over TCP.</summary>
        public int Piece { get; init; } = int.MaxValue;

        public void Dispose()
        {
            _datagrams.Dispose();
            _listener?.Stop();
        }

        private static byte[] Answer(ReadOnlySpan<byte> query, bool truncated)
        {
            int end = 12;
            while (query[end] != 0)
            {
                end += query[end] + 1;
            }

            int type = BinaryPrimitives.ReadUInt16BigEndian(query[(end + 1)..]);
            bool has = type == 1 || truncated; // the original looks at the bit only where there is an answer
            byte[] record = has ? [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 7] : [];
            return [query[0], query[1], (byte)(truncated ? 0x83 : 0x81), 0x80, 0, 1, 0, (byte)(has ? 1 : 0), 0, 0, 0, 0,
                .. query[12..(end + 5)], .. record];
        }

        private void Datagrams()
        {
            var buffer = new byte[4096];
            try
            {
                while (true)
                {
                    EndPoint from = new IPEndPoint(IPAddress.Any, 0);
                    int n = _datagrams.ReceiveFrom(buffer, ref from);
                    _datagrams.SendTo(Answer(buffer.AsSpan(0, n), truncated: true), from);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
                return;
            }
        }

        private void Accept()
        {
            try
            {
                while (true)
                {
                    var client = _listener!.AcceptSocket();
                    client.NoDelay = true;
                    new Thread(() => Serve(client)) { IsBackground = true }.Start();
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
            {
                // The test is over.
                return;
            }
        }

        private void Serve(Socket client)
        {
            using var stream = new NetworkStream(client, ownsSocket: true);
            var length = new byte[2];
            try
            {
                while (true)
                {
                    stream.ReadExactly(length);
                    var query = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
                    stream.ReadExactly(query);
                    Interlocked.Increment(ref _questions);
                    byte[] framed = DnsFrames.Frame(Answer(query, truncated: false));
                    for (int at = 0; at < framed.Length; at += Piece)
                    {
                        stream.Write(framed.AsSpan(at, Math.Min(Piece, framed.Length - at)));
                        if (Piece == int.MaxValue)
                        {
                            break;
                        }
                    }
                }
            }
            catch (IOException)
            {
                // The balancer closed the connection.
                return;
            }
        }
    }

    private static string Sections(string server) => $"""
          default-server init-addr none
        resolvers dns
          nameserver n1 {server}
          timeout retry 150ms
          timeout resolve 150ms
          hold valid 100ms
        backend b
          server s1 name.example:80 resolvers dns

        """;

    [Fact]
    public void Server_OverTcp_IsAskedAsTheOriginalDoes()
    {
        using var one = new StreamDns();
        using var two = new StreamDns { Piece = 1 };
        using var pair = new ConfigPair(which => Sections($"tcp@{(which == 0 ? one : two).Address}"));
        pair.WaitForBoth("administratively READY thanks to valid DNS answer");
        Assert.Equal(pair.First(0, "b/s1 changed its IP"), pair.First(1, "b/s1 changed its IP"));
        foreach (string answer in pair.Ask("show servers state b"))
        {
            Assert.Contains(" s1 127.0.0.7 2 0 ", answer);
        }

        Assert.True(SpinWait.SpinUntil(() => one.Questions > 4 && two.Questions > 4, 20_000));
        foreach (string answer in pair.Ask("show resolvers dns"))
        {
            Assert.Matches(@"snd_error: +0\n +valid: +[1-9]", answer);
        }
    }

    /// <summary>The original has nothing but the truncated answer here, and goes without an address.</summary>
    [Fact]
    public void Answer_ThatDoesNotFitIntoADatagram_IsAskedForOverTcp()
    {
        using var one = new StreamDns();
        using var two = new StreamDns();
        using var pair = new ConfigPair(which => Sections($"{(which == 0 ? one : two).Address}"));
        pair.Log[1].WaitFor("administratively READY thanks to valid DNS answer");
        Assert.Contains(" s1 127.0.0.7 2 0 ", CliClient.Ask(pair.Sockets(1), "show servers state b"));
        CliClient.AskUntil(pair.Sockets(0), "show resolvers dns",
            t => System.Text.RegularExpressions.Regex.IsMatch(t, @"truncated: +[1-9]"));
        Assert.Contains(" s1 - 0 32 ", CliClient.Ask(pair.Sockets(0), "show servers state b"));
        Assert.Equal(0, one.Questions);
    }

    [Fact]
    public void Answer_ThatDoesNotFitAndNoTcp_IsAnErrorAsInTheOriginal()
    {
        using var one = new StreamDns(tcp: false);
        using var two = new StreamDns(tcp: false);
        using var pair = new ConfigPair(which => Sections($"{(which == 0 ? one : two).Address}"));
        foreach (int which in (int[])[0, 1])
        {
            CliClient.AskUntil(pair.Sockets(which), "show resolvers dns",
                t => System.Text.RegularExpressions.Regex.IsMatch(t, @"truncated: +[3-9]"));
            Assert.Contains(" s1 - 0 32 ", CliClient.Ask(pair.Sockets(which), "show servers state b"));
        }
    }

    /// <summary>Without a section of that name, that of the system is there.</summary>
    [Fact]
    public void Section_Default_IsThereAsInTheOriginal()
    {
        using var dns = new StreamDns();
        using var pair = new ConfigPair(_ => Sections($"tcp@{dns.Address}"));
        string[][] names = [.. pair.Ask("show resolvers").Select(t => t.Split('\n').Where(l => !l.Contains(": ")).ToArray())];
        Assert.Equal(names[0], names[1]);
    }

    [Fact]
    public void Frames_InAnyPieces_AreTheSameMessages() =>
        Gen.Select(Gen.Byte.Array[0, 700].Array[0, 5], Gen.Int[1, 50]).Sample((messages, size) =>
        {
            byte[] all = [.. messages.SelectMany(m => DnsFrames.Frame(m))];
            var frames = new DnsFrames();
            var got = new List<byte[]>();
            foreach (byte[] piece in all.Chunk(size))
            {
                frames.Add(piece);
                while (frames.Take(out var message))
                {
                    got.Add(message.ToArray());
                }
            }

            return got.Count == messages.Length && got.Zip(messages).All(p => p.First.SequenceEqual(p.Second));
        });
}
