using Buoy.Linux;

namespace Buoy.Linux.Tests;

/// <summary>Many datagrams in one call: whoever sends and whoever receives so, each datagram arrives as it was.</summary>
public sealed class UdpSocketTests
{
    private const int Size = 1000;
    private static int _nextPort = 51_000 + (Environment.ProcessId % 10_000);
    private readonly byte[] _into = new byte[65536];

    private static (UdpSocket Socket, UdpEndpoint At) Open(bool segments, bool v6 = false)
    {
        while (true)
        {
            var at = new UdpEndpoint(
                v6 ? new UdpAddress(1, true) : UdpAddress.V4(0x7F00_0001), (ushort)Interlocked.Increment(ref _nextPort));
            try
            {
                var socket = UdpSocket.Open(at, 1 << 20, reuseAddress: false);
                if (segments)
                {
                    socket.UseSegments();
                }

                return (socket, at);
            }
            catch (LinuxException)
            {
                // Taken by somebody on this host: the next port.
            }
        }
    }

    /// <summary>Everything that waits, datagram by datagram.</summary>
    private List<byte[]> Drain(UdpSocket socket, UdpEndpoint sender, out int calls)
    {
        var got = new List<byte[]>();
        for (calls = 0; socket.Receive(_into, out var from, out int size) is >= 0 and var n; calls++)
        {
            Assert.Equal(sender, from);
            for (int at = 0; at < n; at += size)
            {
                got.Add(_into[at..Math.Min(n, at + size)]);
            }
        }

        return got;
    }

    [Theory]
    [InlineData(true, true, false)]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)]
    [InlineData(false, false, false)]
    [InlineData(true, true, true)]
    public void SendSegments_OfAnyCountAndLastSize_ArriveAsTheyWere(bool sends, bool receives, bool v6)
    {
        var (from, sender) = Open(sends, v6);
        var (to, receiver) = Open(receives, v6);
        using (from)
        using (to)
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => from.SendSegments(new byte[2], 0, receiver));
            foreach (int count in (int[])[1, 2, 33, UdpSocket.MaxSegments])
            {
                foreach (int last in (int[])[1, 300, Size])
                {
                    byte[] all = [.. Enumerable.Range(0, ((count - 1) * Size) + last).Select(i => (byte)(i * 31 / 7))];
                    Assert.Equal(0, from.SendSegments(all, Size, receiver));
                    var got = Drain(to, sender, out int calls);
                    Assert.Equal(count, got.Count);
                    Assert.Equal(all, got.SelectMany(g => g));
                    Assert.All(got.SkipLast(1), g => Assert.Equal(Size, g.Length));
                    Assert.InRange(calls, 1, count);
                }
            }
        }
    }

    [Fact]
    public void Receive_OfSeparateSends_EachIsOne()
    {
        var (from, _) = Open(segments: true);
        var (to, receiver) = Open(segments: true);
        using (from)
        using (to)
        {
            foreach (int size in (int[])[5, 0, 1000, 60_000])
            {
                Assert.Equal(0, from.Send(new byte[size], receiver));
            }

            Assert.Equal([5, 0, 1000, 60_000], [.. Receive(to)]);
        }

        IEnumerable<int> Receive(UdpSocket socket)
        {
            while (socket.Receive(_into, out _, out int size) is >= 0 and var n)
            {
                Assert.Equal(n, size);
                yield return n;
            }
        }
    }
}
