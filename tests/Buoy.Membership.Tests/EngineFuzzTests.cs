using System.Security.Cryptography;
using Buoy.Linux;
using Buoy.Membership;
using Buoy.Membership.Configuration;
using Buoy.Membership.Links;
using Buoy.Membership.Totem;
using Buoy.Membership.Transport;

namespace Buoy.Tests;

/// <summary>
/// Datagrams over a real socket from the address of a listed node, before and behind authentication: nothing throws, all
/// that is dropped is counted, and what is not authentic never changes the ring.
/// </summary>
public sealed class EngineFuzzTests
{
    private const int Rounds = 4000;

    private static (EngineLab Lab, UdpSocket Third) Lab()
    {
        var lab = new EngineLab(3, token: 600);
        lab.Start(1);
        lab.Start(2);
        lab.Until(() => lab.Nodes.TrueForAll(n => n.Sees(1, 2)), "a ring of two");
        return (lab, UdpSocket.Open(lab.Endpoint(3), 1 << 22, reuseAddress: false));
    }

    private static void Drain(UdpSocket socket, List<byte[]> into)
    {
        byte[] buffer = new byte[65536];
        for (int n; (n = socket.Receive(buffer, out _)) >= 0;)
        {
            into.Add(buffer[..n]);
        }
    }

    [Fact]
    public void Datagrams_NotAuthentic_CountedAndTheRingStays()
    {
        var (lab, third) = Lab();
        using var socket = third;
        using var all = lab;
        var random = new Random(1);
        var recorded = new List<byte[]>();
        lab.Until(() =>
        {
            Drain(third, recorded);
            return recorded.Count > 20;
        }, "datagrams to record");
        var views = lab.Nodes.Select(n => n.Views.Count).ToArray();
        int sent = 0;
        for (int i = 0; i < Rounds; i++)
        {
            byte[] datagram = [.. recorded[random.Next(recorded.Count)]];
            switch (random.Next(5))
            {
                case 0:
                    datagram[random.Next(datagram.Length)] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    datagram = datagram[..random.Next(datagram.Length)];
                    break;
                case 2:
                    random.NextBytes(datagram.AsSpan(random.Next(2) == 0 ? 0 : DatagramSeal.HeaderSize));
                    break;
                case 3:
                    datagram = [.. datagram, .. new byte[random.Next(1, 2000)]];
                    break;
                default:
                    random.NextBytes(datagram.AsSpan(DatagramSeal.HeaderSize));
                    break;
            }

            // Empty datagrams are taken for nothing by nobody; the rest must be counted.
            sent += third.Send(datagram, lab.Endpoint((uint)random.Next(1, 3))) == 0 ? 1 : 0;
            if (i % 200 == 0)
            {
                lab.Nodes[0].Send($"{i}");
                lab.Loop.RunOnce(0);
                Drain(third, recorded);
                recorded.RemoveRange(0, Math.Max(0, recorded.Count - 200));
            }
        }

        lab.Until(() => lab.Nodes.TrueForAll(n => n.Messages.Count == Rounds / 200), "the ring's own messages");
        lab.Until(() => lab.Nodes.Sum(n => n.Engine.Status.Counters.Where(c => c.Key.StartsWith("drop.", StringComparison.Ordinal))
            .Sum(c => c.Value)) >= sent, "every datagram counted");
        Assert.Equal(views, lab.Nodes.Select(n => n.Views.Count));
        Assert.Contains("drop.authentication", lab.Nodes[0].Engine.Status.Counters.Keys);
        Assert.Contains("drop.not-ours", lab.Nodes[0].Engine.Status.Counters.Keys);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Datagrams_OfAMemberThatSendsAnything_NothingThrowsAndTheRingRecovers(int seed)
    {
        var (lab, third) = Lab();
        using var socket = third;
        using var all = lab;
        var random = new Random(seed);
        using var seal = new DatagramSeal(
            new CryptoSettings(256, "sha256"), File.ReadAllBytes(lab.KeyPath), "lab", 3, ulong.MaxValue >> 8, 600);
        byte[] buffer = new byte[65536];
        byte[] datagram = new byte[65536 + 256];
        var unread = new List<byte[]>();
        for (int i = 0; i < Rounds; i++)
        {
            int length = Anything(random, lab, buffer);
            for (int flips = random.Next(3); flips > 0 && length > 0; flips--)
            {
                buffer[random.Next(length)] = (byte)random.Next(256);
            }

            length = random.Next(10) == 0 ? random.Next(length + 1) : length;
            int n = seal.Seal(buffer.AsSpan(0, length), datagram);
            third.Send(datagram.AsSpan(0, n), lab.Endpoint((uint)random.Next(1, 3)));
            if (i % 20 == 0)
            {
                lab.Nodes[random.Next(2)].Send($"{i}");
                lab.Loop.RunOnce(0);
                Drain(third, unread);
                unread.Clear();
            }
        }

        lab.Until(() => lab.Nodes.TrueForAll(n => n.Sees(1, 2) && n.Engine.Status.State == "operational"), "a ring of two again",
            60_000);
        int before = lab.Nodes[1].Messages.Count;
        lab.Until(() => lab.Nodes[0].Send("after"), "room for a message");
        lab.Until(() => lab.Nodes[1].Messages.Count > before, "a message");
        Assert.True(lab.Nodes.Sum(n => n.Engine.Status.Counters.GetValueOrDefault("drop.malformed")) > 10);
    }

    private static int Anything(Random random, EngineLab lab, byte[] to)
    {
        var ring = lab.Nodes[random.Next(2)].Engine.Status.RingId;
        ring = random.Next(3) switch
        {
            0 => ring,
            1 => new RingId(ring.Seq + (ulong)random.Next(8), (uint)random.Next(1, 4)),
            _ => new RingId((ulong)random.NextInt64(), (uint)random.Next()),
        };
        NodeSet Ids() => NodeSet.Of(Enumerable.Range(0, random.Next(5)).Select(_ => (uint)random.Next(1, 5)));
        byte[] contents = new byte[random.Next(80)];
        random.NextBytes(contents);
        if (contents.Length > 4)
        {
            // A piece as the packer makes them, of any kind: records, reloads, keys, votes.
            contents[0] = (byte)random.Next(7);
            contents[1] = (byte)random.Next(4);
            contents[2] = (byte)(contents.Length - 4);
            contents[3] = 0;
        }

        TotemMessage message;
        switch (random.Next(8))
        {
            case 0:
                return new LinkMessage(random.Next(2) == 0, random.Next(8), (ulong)random.Next(100)).Encode(to, random.Next(60));
            case 1:
                message = new TokenMessage
                {
                    RingId = ring, TokenSeq = (ulong)random.NextInt64(), Seq = (ulong)random.Next(1000), Aru = (ulong)random.Next(1000),
                };
                break;
            case 2:
                message = new JoinMessage
                {
                    SenderId = 3, ProcSet = Ids().With(3), FailSet = Ids(), RingSeq = (ulong)random.Next(100_000), HeardSet = Ids(),
                };
                break;
            case 3:
                message = new CommitTokenMessage
                {
                    RingId = ring, Hop = (uint)random.Next(7), Members = [.. Ids().With(1).With(3).Select(id =>
                        new CommitEntry(id, ring, 0, 0, random.Next(2) == 0, random.Next(2) == 0))],
                };
                break;
            case 4:
                message = new ProbeMessage
                {
                    SenderId = 3, Number = (ulong)random.Next(1000), State = (TotemState)random.Next(4), RingId = ring,
                    Echoes = [new ProbeEcho((uint)random.Next(1, 3), (ulong)random.NextInt64(), 1)],
                };
                break;
            case 5:
                message = random.Next(2) == 0 ? new MergeDetectMessage(3, ring) : new HoldCancelMessage(3, ring);
                break;
            case 6:
                RandomNumberGenerator.Fill(to.AsSpan(0, 200));
                return random.Next(200);
            default:
                message = new RegularMessage
                {
                    SenderId = (uint)random.Next(1, 4), RingId = ring, Seq = (ulong)random.Next(1, 300), Contents = contents,
                };
                break;
        }

        return MessageCodec.Encode(message, to);
    }
}
