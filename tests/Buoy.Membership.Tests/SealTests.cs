using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Buoy.Membership.Configuration;
using Buoy.Membership.Totem;
using Buoy.Membership.Transport;
using CsCheck;

namespace Buoy.Tests;

/// <summary>The envelope: nothing altered, cut, replayed or foreign comes through.</summary>
public sealed class SealTests
{
    private static readonly byte[] Key = [.. Enumerable.Range(0, 200).Select(i => (byte)i)];
    private static readonly CryptoSettings Aes256 = new(256, "sha256");
    private readonly byte[] _plain = new byte[65536];

    private static DatagramSeal Seal(uint id, ulong incarnation, CryptoSettings? crypto = null, byte[]? key = null,
        string cluster = "c") =>
        new(crypto ?? Aes256, key ?? Key, cluster, id, incarnation, deadAfter: 1000);

    private static byte[] Sealed(DatagramSeal seal, byte[] message)
    {
        var to = new byte[message.Length + seal.Overhead];
        return to[..seal.Seal(message, to)];
    }

    private string? Open(DatagramSeal by, byte[] datagram, long now = 0) =>
        by.Open(now, datagram, _plain, out _, out _, out _);

    [Theory]
    [InlineData(0, "none")]
    [InlineData(0, "sha1")]
    [InlineData(128, "sha1")]
    [InlineData(192, "sha384")]
    [InlineData(256, "sha512")]
    [InlineData(256, "sha256")]
    public void Open_OfWhatWasSealed_GivesItBack(int bits, string hash)
    {
        var crypto = new CryptoSettings(bits, hash);
        using var one = Seal(1, 10, crypto);
        using var two = Seal(2, 20, crypto);
        Gen.Byte.Array[0, 3000].SampleFixed(
            message =>
            {
                string? drop = two.Open(0, Sealed(one, message), _plain, out uint sender, out ulong incarnation,
                    out int length);
                return drop is null && sender == 1 && incarnation == 10 && _plain.AsSpan(0,
                    length).SequenceEqual(message);
            },
            iterations: 50);
    }

    [Fact]
    public void Seal_OfEqualMessages_NoBlockComesTwice()
    {
        using var one = Seal(1, 10);
        var blocks = new HashSet<UInt128>();
        for (int i = 0; i < 2000; i++)
        {
            var body = Sealed(one, new byte[40]).AsSpan(DatagramSeal.HeaderSize..^one.TagSize);
            for (; !body.IsEmpty; body = body[16..])
            {
                Assert.True(blocks.Add(MemoryMarshal.Read<UInt128>(body)), $"datagram {i} repeats a block");
            }
        }
    }

    [Fact]
    public void Seal_OfManyMessages_EachIsCbcOfItsOwn()
    {
        // What is sent does not depend on what was before: any datagram may be lost, and any receiver may begin anywhere.
        using var aes = Aes.Create();
        aes.Key = HKDF.DeriveKey(HashAlgorithmName.SHA256, Key, 32, "c"u8.ToArray(), "buoy ring encryption"u8.ToArray());
        using var one = Seal(1, 10);
        foreach (int size in (int[])[0, 1, 15, 16, 17, 1400, 60_000])
        {
            byte[] message = [.. Enumerable.Range(0, size).Select(i => (byte)i)];
            byte[] sent = Sealed(one, message);
            Assert.Equal(message, aes.DecryptCbc(sent.AsSpan(52..^one.TagSize), sent.AsSpan(36, 16)));
            using var two = Seal(2, 20);
            Assert.Null(two.Open(0, sent, _plain, out _, out _, out int length));
            Assert.Equal(message, _plain.AsSpan(0, length).ToArray());
        }
    }

    [Fact]
    public void Open_OfAnyAlteredByte_Drops()
    {
        using var one = Seal(1, 10);
        using var two = Seal(2, 20);
        byte[] good = Sealed(one, new byte[100]);
        for (int i = 0; i < good.Length; i++)
        {
            byte[] bad = [.. good];
            bad[i] ^= 0x10;
            Assert.NotNull(Open(two, bad));
        }

        Assert.Null(Open(two, good));
    }

    [Fact]
    public void Open_OfAnyTruncation_Drops()
    {
        using var one = Seal(1, 10);
        using var two = Seal(2, 20);
        byte[] good = Sealed(one, new byte[100]);
        for (int length = 0; length < good.Length; length++)
        {
            Assert.NotNull(Open(two, good[..length]));
        }
    }

    [Fact]
    public void Open_OfTheSameTwice_DropsTheReplay()
    {
        using var one = Seal(1, 10);
        using var two = Seal(2, 20);
        byte[] good = Sealed(one, [1]);
        Assert.Null(Open(two, good));
        Assert.Equal("drop.replay", Open(two, good));
    }

    [Fact]
    public void Open_OfADeadIncarnation_Drops()
    {
        using var old = Seal(1, 10);
        using var fresh = Seal(1, 11);
        using var two = Seal(2, 20);
        byte[] recorded = Sealed(old, [1]);
        Assert.Null(Open(two, Sealed(fresh, [1])));
        Assert.Equal("drop.replay", Open(two, recorded));
    }

    [Fact]
    public void Open_OfTwoDaemonsWithOneId_RefusesBothWhileBothTalk()
    {
        using var first = Seal(1, 10);
        using var second = Seal(1, 11);
        using var two = Seal(2, 20);
        string? At(long now, DatagramSeal from) => two.Open(now, Sealed(from, [1]), _plain, out _, out _, out _);
        long token = 0;
        Assert.Null(At(0, first));
        Assert.Null(At(1, second));
        Assert.Equal(DatagramSeal.Superseded, At(2, first));
        while (At(token, first) is DatagramSeal.Superseded)
        {
            two.OnProvenAlive(token, 1);
            if (At(token, second) is { } refused)
            {
                Assert.Equal("drop.duplicate-node-id", refused);
            }

            token += 100;
            Assert.InRange(token, 0, 100_000);
        }

        Assert.Equal("drop.duplicate-node-id", At(token, first));
        Assert.Equal("drop.duplicate-node-id", At(token, second));

        // One ends: after as long a silence the other is believed again.
        long later = (3 * token) + 100;
        Assert.Null(At(later, second));
        Assert.Null(At(later + 1, second));
    }

    [Fact]
    public void Open_OfARecordingAfterARestart_IsNoSecondDaemon()
    {
        using var old = Seal(1, 10);
        using var fresh = Seal(1, 11);
        using var two = Seal(2, 20);
        byte[] recorded = Sealed(old, [1]);
        Assert.Null(Open(two, recorded));
        for (long now = 0; now < 60_000; now += 100)
        {
            Assert.Null(two.Open(now, Sealed(fresh, [1]), _plain, out _, out _, out _));
            Assert.Equal("drop.replay", two.Open(now, recorded, _plain, out _, out _, out _));
        }
    }

    [Theory]
    [InlineData("drop.authentication", 256, "sha256", true, "c")]
    [InlineData("drop.other-cluster", 256, "sha256", false, "d")]
    [InlineData("drop.other-crypto", 128, "sha256", false, "c")]
    [InlineData("drop.other-crypto", 0, "none", false, "c")]
    public void Open_OfAStranger_DropsWithItsReason(string reason, int bits, string hash, bool otherKey, string cluster)
    {
        using var stranger = Seal(1, 10, new CryptoSettings(bits, hash), otherKey ? new byte[128] : Key, cluster);
        using var two = Seal(2, 20);
        Assert.Equal(reason, Open(two, Sealed(stranger, new byte[60])));
    }

    [Fact]
    public void Open_OfNoise_NeverPassesNorThrows()
    {
        using var two = Seal(2, 20);
        Gen.Byte.Array[0, 300].SampleFixed(noise => Open(two, noise) is not null, iterations: 2000);
    }

    [Fact]
    public void ReplayWindow_OfAnyOrder_EachOnceAndNoneFarBehind()
    {
        Gen.Int[1, 3000].Array[1, 400].SampleFixed(
            counters =>
            {
                var window = new ReplayWindow();
                var seen = new HashSet<int>();
                int highest = 0;
                foreach (int c in counters)
                {
                    bool expected = c + ReplayWindow.Size > highest && seen.Add(c);
                    highest = Math.Max(highest, c);
                    if (window.Accept((ulong)c) != expected)
                    {
                        return false;
                    }
                }

                return true;
            },
            iterations: 500);
    }

    [Fact]
    public void Decode_OfNoise_NullOrAMessageThatEncodesAgain()
    {
        Gen.Select(Gen.Byte[1, 7], Gen.Byte.Array[0, 200]).SampleFixed(
            (type, noise) =>
            {
                byte[] bytes = [type, .. noise];
                if (MessageCodec.Decode(bytes) is not { } message)
                {
                    return true;
                }

                byte[] buffer = new byte[MessageCodec.MaxSize(message)];
                return buffer.AsSpan(0, MessageCodec.Encode(message, buffer)).Length == bytes.Length;
            },
            iterations: 20_000);
    }

    [Fact]
    public void Decode_OfACutMessage_Null()
    {
        var message = new CommitTokenMessage
        {
            RingId = new(8, 1), Hop = 1, Members = [new(1, new(4, 1), 5, 5, false, true), new(2, default, 0, 0, false,
                false)],
        };
        byte[] buffer = new byte[MessageCodec.MaxSize(message)];
        int length = MessageCodec.Encode(message, buffer);
        Assert.NotNull(MessageCodec.Decode(buffer.AsSpan(0, length)));
        for (int cut = 0; cut < length; cut++)
        {
            Assert.Null(MessageCodec.Decode(buffer.AsSpan(0, cut)));
        }
    }
}
