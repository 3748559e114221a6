using System.Buffers.Binary;
using Buoy.Balancer.Engine;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>Addresses and names of the connection and of the sections it passes (manual 7.3.2, 7.3.3).</summary>
internal static unsafe class ConnectionFetches
{
    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("src", "", SampleType.Ipv4, SampleSource.ClientAddress, Src),
        new("src_port", "", SampleType.Sint, SampleSource.ClientAddress, SrcPort),
        new("dst", "", SampleType.Ipv4, SampleSource.ClientAddress, Dst),
        new("dst_port", "", SampleType.Sint, SampleSource.ClientAddress, DstPort),
        new("fc_src", "", SampleType.Ipv4, SampleSource.ClientAddress, FcSrc),
        new("fc_src_port", "", SampleType.Sint, SampleSource.ClientAddress, FcSrcPort),
        new("fe_name", "", SampleType.Str, SampleSource.Frontend, FeName),
        new("be_name", "", SampleType.Str, SampleSource.Backend, BeName),
        new("srv_name", "", SampleType.Str, SampleSource.Server, SrvName),
    ];

    /// <summary>The address, an IPv4 one mapped into IPv6 as IPv4; false where there is none.</summary>
    public static bool Address(in SocketAddressBytes address, ref Sample sample)
    {
        fixed (SocketAddressBytes* p = &address)
        {
            var b = (byte*)p;
            switch (*(ushort*)b)
            {
                case AF_INET:
                    sample.SetAddress(new ReadOnlySpan<byte>(b + 4, 4));
                    return true;
                case AF_INET6:
                    var six = new ReadOnlySpan<byte>(b + 8, 16);
                    bool mapped = six[..10].IndexOfAnyExcept((byte)0) < 0 && six[10] == 0xff && six[11] == 0xff;
                    sample.SetAddress(mapped ? six[12..] : six);
                    return true;
                default:
                    return false;
            }
        }
    }

    /// <summary>The port; false where the address has none.</summary>
    public static bool Port(in SocketAddressBytes address, ref Sample sample)
    {
        fixed (SocketAddressBytes* p = &address)
        {
            var b = (byte*)p;
            if (*(ushort*)b is not (AF_INET or AF_INET6))
            {
                return false;
            }

            sample.SetInteger(BinaryPrimitives.ReadUInt16BigEndian(new ReadOnlySpan<byte>(b + 2, 2)));
            return true;
        }
    }

    private static bool Src(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Address(scope.Source, ref sample);

    private static bool SrcPort(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Port(scope.Source, ref sample);

    private static bool Dst(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        scope.NeedDestination() && Address(scope.Destination, ref sample);

    private static bool DstPort(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        scope.NeedDestination() && Port(scope.Destination, ref sample);

    private static bool FcSrc(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Address(scope.ConnectionSource, ref sample);

    private static bool FcSrcPort(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Port(scope.ConnectionSource, ref sample);

    private static bool FeName(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        ProxyName(scope, scope.Frontend, ref sample);

    private static bool BeName(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        ProxyName(scope, scope.Backend, ref sample);

    private static bool SrvName(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        scope.Config is { } config && scope.Server >= 0 && Text(scope, config.Servers[scope.Server].Name, ref sample);

    private static bool ProxyName(SampleScope scope, int proxy, ref Sample sample) =>
        scope.Config is { } config && proxy >= 0 && Text(scope, config.Proxies[proxy].Name, ref sample);

    private static bool Text(SampleScope scope, string text, ref Sample sample)
    {
        byte* p = scope.Temporary.Take(text.Length);
        if (p == null)
        {
            return false;
        }

        for (int i = 0; i < text.Length; i++)
        {
            p[i] = (byte)text[i];
        }

        sample.SetText(p, text.Length);
        return true;
    }
}
