using System.Net;
using System.Text;
using Buoy.Balancer.Engine;
using CsCheck;

namespace Buoy.Balancer.Tests.Engine;

/// <summary>Headers of the PROXY protocol: what is written is read again, and nothing a peer sends does harm.</summary>
public sealed unsafe class ProxyProtocolTests
{
    private static readonly Gen<IPEndPoint> Four =
        Gen.Select(Gen.Byte.Array[4], Gen.Int[0, 65535], (a, p) => new IPEndPoint(new IPAddress(a), p));

    private static readonly Gen<IPEndPoint> Six =
        Gen.Select(Gen.Byte.Array[16], Gen.Int[0, 65535], (a, p) => new IPEndPoint(new IPAddress(a), p));

    private static readonly Gen<(IPEndPoint From, IPEndPoint To)> Ends = Gen.OneOf(Gen.Select(Four, Four), Gen.Select(Six, Six));

    private static readonly Gen<byte[]> Headers =
        from ends in Ends
        from version in Gen.Int[1, 2]
        from options in Gen.Int[0, 7]
        select Write(ends.From, ends.To, version, (ProxyHeaderOptions)options);

    private static byte[] Write(IPEndPoint? from, IPEndPoint? to, int version, ProxyHeaderOptions options)
    {
        Span<byte> into = stackalloc byte[ProxyProtocolWriter.Longest];
        int n = version == 1 ? ProxyProtocolWriter.WriteLine(into, from, to)
            : ProxyProtocolWriter.WriteBinary(into, from, to, options, "an id");
        return into[..n].ToArray();
    }

    private static (ProxyHeaderResult Result, int Length, IPEndPoint? From, IPEndPoint? To) Read(byte[] data)
    {
        var result = ProxyProtocol.Read(data, out int length, out var from, out var to);
        return (result, length, Sockets.Read(&from), Sockets.Read(&to));
    }

    private static IPEndPoint Plain(IPEndPoint e) =>
        e.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(e.Address.MapToIPv4(), e.Port) : e;

    [Fact]
    public void Read_OfWhatWasWritten_GivesTheAddresses() =>
        Gen.Select(Ends, Gen.Int[1, 2], Gen.Int[0, 7], Gen.Byte.Array[0, 40]).Sample((ends, version, options, rest) =>
        {
            byte[] header = Write(ends.From, ends.To, version, (ProxyHeaderOptions)options);
            var (result, length, from, to) = Read([.. header, .. rest]);
            Assert.Equal(ProxyHeaderResult.Addresses, result);
            Assert.Equal(header.Length, length);
            Assert.Equal(Plain(ends.From), from);
            Assert.Equal(Plain(ends.To), to);
        }, iter: 2000, threads: 1);

    [Fact]
    public void Read_OfAnyPart_IsTruncated() => Gen.Select(Headers, Gen.Double[0, 0.999]).Sample((header, part) =>
    {
        int n = Math.Max(1, (int)(header.Length * part));
        Assert.Equal(ProxyHeaderResult.Truncated, Read(header[..n]).Result);
    }, iter: 2000, threads: 1);

    [Fact]
    public void Read_OfDamage_NeverReadsBeyondOrThrows() =>
        Gen.Select(Headers, Gen.Select(Gen.Double[0, 0.999], Gen.Byte).Array[1, 6], Gen.Byte.Array[0, 300]).Sample((header, damage, rest) =>
        {
            byte[] data = [.. header, .. rest];
            foreach (var (at, value) in damage)
            {
                data[(int)(at * header.Length)] = value;
            }

            var (result, length, _, _) = Read(data);
            Assert.InRange(length, 0, data.Length);
            Assert.Equal(result is ProxyHeaderResult.Addresses or ProxyHeaderResult.Own, length > 0);
        }, iter: 4000, threads: 1);

    [Fact]
    public void Read_OfAnyBytes_NeverThrows() => Gen.Byte.Array[0, 200].Sample(data => _ = Read(data), iter: 4000, threads: 1);

    /// <summary>What the original answers to each, tried on its wire.</summary>
    [Theory]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", "Addresses")]
    [InlineData("PROXY TCP4 1.2.3 5.6.7.8 1111 2222\r\n", "Addresses")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 99999 2222\r\n", "Addresses")]
    [InlineData("PROXY TCP6 ::1 2001:db8::2 1111 2222\r\n", "Addresses")]
    [InlineData("PROXY UNKNOWN\r\n", "Own")]
    [InlineData("PROXY UNKNOWN a b c d\r\n", "UnhandledProtocol")]
    [InlineData("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", "UnhandledProtocol")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222 x\r\n", "Invalid")]
    [InlineData("PROXY TCP4  1.2.3.4 5.6.7.8 1111 2222\r\n", "Invalid")]
    [InlineData("PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\n", "Invalid")]
    [InlineData("PROX", "Truncated")]
    [InlineData("GET / HTTP/1.1\r\n\r\n", "NotOne")]
    public void Read_OfLine_IsJudgedAsByTheOriginal(string line, string result) =>
        Assert.Equal(result, Read(Encoding.ASCII.GetBytes(line)).Result.ToString());

    [Theory]
    [InlineData("2111000c0102030405060708045708ae", "Addresses")]
    [InlineData("20000000", "Own")]
    [InlineData("2011000c0102030405060708045708ae", "Own")]
    [InlineData("2112000c0102030405060708045708ae", "Invalid")]
    [InlineData("21000003616263", "Invalid")]
    [InlineData("211100060102030405060708", "Invalid")]
    [InlineData("1111000c0102030405060708045708ae", "NotOne")]
    [InlineData("2511000c0102030405060708045708ae", "Invalid")]
    [InlineData("211100120102030405060708045708ae020003616263", "Addresses")]
    [InlineData("211100120102030405060708045708ae0200ff616263", "Invalid")]
    [InlineData("211100130102030405060708045708ae03000461626364", "Invalid")]
    public void Read_OfBinary_IsJudgedAsByTheOriginal(string hex, string result) =>
        Assert.Equal(result, Read([.. "\r\n\r\n\0\r\nQUIT\n"u8, .. Convert.FromHexString(hex)]).Result.ToString());

    [Fact]
    public void Write_WithoutAddresses_IsUnknownOrLocal()
    {
        Assert.Equal("PROXY UNKNOWN\r\n"u8.ToArray(), Write(null, null, 1, ProxyHeaderOptions.None));
        Assert.Equal(ProxyHeaderResult.Own, Read(Write(null, null, 2, ProxyHeaderOptions.Crc32C)).Result);
    }
}
