using System.Net;
using Buoy.Tests;
using CsCheck;

namespace Buoy.Network.Tests;

public sealed class NetlinkCodecTests
{
    private static readonly AddressFlags[] Choices = [
        AddressFlags.None, AddressFlags.NoDad, AddressFlags.NoPrefixRoute];

    private static readonly Gen<AddressInfo> AddressGen =
        from v4 in Gen.Bool
        from bytes in Gen.Byte.Array[16]
        from index in Gen.Int[1, 1 << 20]
        from prefix in Gen.Byte[0, 32]
        from flag in Gen.Int[0, 2]
        from preferred in Gen.UInt
        from label in Gen.Bool
        select new AddressInfo(index, new IPAddress(v4 ? bytes[..4] : bytes), prefix)
        {
            Flags = Choices[flag],
            Label = label ? "eth0:vip" : null,
            Broadcast = v4 ? new IPAddress(bytes[4..8]) : null,
            PreferredLifetime = preferred,
            Protocol = bytes[9],
        };

    [Fact]
    public void Read_OfAnAddressWritten_GivesItBack() => AddressGen.Sample(address =>
    {
        var messages = new List<NetlinkMessage>();
        NetlinkCodec.Read(NetlinkCodec.AddAddress(7, address, false), messages);
        var m = Assert.Single(messages);
        Assert.Equal(NetlinkKind.NewAddress, m.Kind);
        Assert.Equal(7u, m.Sequence);
        Assert.Equal(address, m.Address);
    });

    [Fact]
    public void Read_OfRandomBytes_NeverThrows() => Gen.Byte.Array[0, 200].Sample(bytes =>
        NetlinkCodec.Read(bytes, new List<NetlinkMessage>()), iter: 5000);

    [Fact]
    public void Read_OfAlteredOrCutMessages_NeverThrows()
    {
        var gen = from a in AddressGen
                  from cut in Gen.Double[0, 1]
                  from changes in Gen.Select(Gen.Int[0, 200], Gen.Byte).Array[0, 6]
                  select (a, cut, changes);
        gen.Sample(
            t =>
            {
                byte[] whole = [.. NetlinkCodec.AddAddress(1, t.a, true), .. NetlinkCodec.DeleteAddress(2, t.a)];
                foreach (var (at, value) in t.changes)
                {
                    whole[at % whole.Length] = value;
                }

                NetlinkCodec.Read(whole.AsSpan(0, (int)(whole.Length * t.cut)), new List<NetlinkMessage>());
            },
            iter: 20_000);
    }

    [Fact]
    public void Read_OfEveryCutOfARealDump_NeverThrowsAndKeepsWholeMessages() => NetNamespace.Run(() =>
    {
        using var socket = Buoy.Linux.NetlinkSocket.Open();
        foreach (byte[] request in (byte[][])[
            NetlinkCodec.DumpLinks(1), NetlinkCodec.DumpRoutes(1, 0), NetlinkCodec.DumpAddresses(1, 0)])
        {
            socket.Send(request);
            byte[] buffer = new byte[65536];
            int n = socket.Receive(buffer);
            var all = new List<NetlinkMessage>();
            NetlinkCodec.Read(buffer.AsSpan(0, n), all);
            Assert.NotEmpty(all);
            for (int length = 0; length < n; length++)
            {
                var some = new List<NetlinkMessage>();
                NetlinkCodec.Read(buffer.AsSpan(0, length), some);
                Assert.True(some.Count < all.Count);
            }

            while (all.All(static m => m.Kind != NetlinkKind.DumpDone))
            {
                NetlinkCodec.Read(buffer.AsSpan(0, socket.Receive(buffer)), all);
            }
        }
    });
}
