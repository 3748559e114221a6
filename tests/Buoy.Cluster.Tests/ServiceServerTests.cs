using System.Buffers.Binary;
using System.Net.Sockets;
using Buoy.Cluster.Host;
using Buoy.Control;
using Buoy.Linux;
using Buoy.Tests;
using CsCheck;

namespace Buoy.Cluster.Tests;

/// <summary>The daemon's end of the service socket: frames come through whole, however the stream is cut.</summary>
public sealed class ServiceServerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("buoy-services-").FullName;
    private readonly EventLoop _loop = new();

    /// <summary>Answers each frame with itself and counts who goes.</summary>
    private sealed class Echo : IServiceRequests
    {
        public ServiceServer? Server { get; set; }
        public int Gone { get; private set; }

        public string? OnRequest(long client, byte kind, ReadOnlySpan<byte> body)
        {
            Server!.Send(client, kind, body[..(body.Length / 2)], body[(body.Length / 2)..]);
            return null;
        }

        public void OnGone(long client) => Gone++;
    }

    public void Dispose()
    {
        _loop.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private (ServiceServer Server, Echo Echo, Socket Client) Connect(List<string> problems)
    {
        string path = Path.Combine(_folder, Path.GetRandomFileName());
        var echo = new Echo();
        var server = echo.Server = new ServiceServer(_loop, path, echo, problems.Add);
        var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Connect(new UnixDomainSocketEndPoint(path));
        client.Blocking = false;
        return (server, echo, client);
    }

    private static byte[] Frame(byte kind, int size)
    {
        byte[] frame = new byte[ServiceProtocol.HeadSize + size];
        BinaryPrimitives.WriteInt32LittleEndian(frame, size + 1);
        frame[4] = kind;
        for (int i = 5; i < frame.Length; i++)
        {
            frame[i] = (byte)((i * 31) ^ (i >> 8) ^ size);
        }

        return frame;
    }

    [Theory]
    [InlineData(0, 20, 1, 7)]
    [InlineData(0, 70_000, 1000, 90_000)]
    [InlineData(60_000, ServiceProtocol.MaxPayload, 70_000, 300_000)]
    public void Frames_CutAnywhere_ComeBackInOrder(int least, int most, int leastCut, int mostCut)
    {
        Gen.Select(Gen.Int[least, most].Array[1, 12], Gen.Int[leastCut, mostCut].Array[1, 6]).SampleFixed(
            (frames, cuts) =>
            {
                var problems = new List<string>();
                var (server, _, client) = Connect(problems);
                using (server)
                using (client)
                {
                    byte[] all = [.. frames.SelectMany((size, i) => Frame((byte)(i + 1), size))];
                    var back = new List<byte>();
                    var into = new byte[100_000];
                    for (int sent = 0, turn = 0; back.Count < all.Length; turn++)
                    {
                        int cut = Math.Min(cuts[turn % cuts.Length], all.Length - sent);
                        sent += cut > 0 ? Math.Max(0, client.Send(all.AsSpan(sent, cut), SocketFlags.None, out _)) : 0;
                        _loop.RunOnce(0);
                        int n = client.Receive(into, SocketFlags.None, out var error);
                        Assert.True(error is SocketError.Success or SocketError.WouldBlock && !(n == 0
                            && error == SocketError.Success), string.Join(' ', problems));
                        back.AddRange(into.AsSpan(0, n));
                    }

                    Assert.Empty(problems);
                    return all.AsSpan().SequenceEqual(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(back));
                }
            },
            iterations: 10);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(ServiceProtocol.MaxPayload + 2)]
    public void Frame_OfAnImpossibleLength_EndsItsClientOnly(int length)
    {
        foreach (int cut in (int[])[1, 4])
        {
            var problems = new List<string>();
            var (server, echo, client) = Connect(problems);
            using (server)
            using (client)
            {
                byte[] head = new byte[4];
                BinaryPrimitives.WriteInt32LittleEndian(head, length);
                client.Send(head.AsSpan(0, cut));
                _loop.RunOnce(100);
                _loop.RunOnce(cut < 4 ? 100 : 0);
                if (cut < 4)
                {
                    client.Send(head.AsSpan(cut));
                    _loop.RunOnce(100);
                }

                Assert.Equal(1, echo.Gone);
                Assert.Contains($"a frame of {length} bytes", Assert.Single(problems), StringComparison.Ordinal);
                Assert.Equal(0, server.Clients);
            }
        }
    }

    [Fact]
    public void ChunkQueue_OfAnyWritesAndSkips_IsOneStream()
    {
        Gen.Int[0, 200_000].Array[1, 30].SampleFixed(
            steps =>
            {
                var queue = new ChunkQueue(new ChunkQueue.Store());
                byte next = 0, expected = 0;
                long length = 0;
                foreach (int step in steps)
                {
                    if (step % 3 != 0)
                    {
                        byte[] bytes = new byte[step];
                        for (int i = 0; i < step; i++)
                        {
                            bytes[i] = next++;
                        }

                        queue.Write(bytes);
                        length += step;
                    }

                    for (int left = step % 5 == 0 ? int.MaxValue : step; left > 0 && queue.Length > 0;)
                    {
                        int n = Math.Min(left, queue.First.Length);
                        foreach (byte b in queue.First[..n])
                        {
                            if (b != expected++)
                            {
                                return false;
                            }
                        }

                        queue.Skip(n);
                        left -= n;
                        length -= n;
                    }

                    Assert.Equal((length, length == 0), (queue.Length, queue.First.IsEmpty));
                }

                return true;
            },
            iterations: 40);
    }
}
