using System.Net;
using System.Net.Sockets;

namespace Buoy.Balancer.Configuration;

/// <summary>One address as the manual's chapter 4.2 "bind" and chapter 11 write them.</summary>
/// <param name="Host">Host part: <c>*</c> or empty for any, an address, or a name.</param>
/// <param name="Address">Null for names, Unix sockets and descriptors.</param>
/// <param name="PortText">Empty where none was written.</param>
internal sealed record ParsedAddress(string Host, IPAddress? Address, int Port, int LastPort, string PortText)
{
    public string? UnixPath { get; init; }
    public int? Fd { get; init; }
    public bool IsName => Address is null && UnixPath is null && Fd is null;
}

/// <summary>Reads addresses; what is wrong comes as <see cref="ConfigurationException"/> with HAProxy's words.</summary>
internal static class AddressParser
{
    /// <summary>Reads one address.</summary>
    /// <param name="range">Is <c>80-90</c> allowed?</param>
    /// <param name="names">Is a host name allowed?</param>
    /// <param name="portNeeded">Must there be a port other than 0?</param>
    /// <param name="descriptors">Is <c>fd@N</c> allowed?</param>
    /// <param name="offsets">Is <c>+N</c> or <c>-N</c> allowed for a port?</param>
    public static ParsedAddress Parse(
        string text, bool range, bool names, bool portNeeded, bool descriptors, bool offsets = false)
    {
        string rest = text;
        AddressFamily family = AddressFamily.Unspecified;
        if (text.StartsWith('/'))
        {
            return new("", null, 0, 0, "") { UnixPath = text };
        }

        int at = text.IndexOf('@');
        if (at > 0)
        {
            rest = text[(at + 1)..];
            string prefix = text[..at];
            switch (prefix)
            {
                case "ipv4" or "tcp4" or "stream+ipv4":
                    family = AddressFamily.InterNetwork;
                    break;
                case "ipv6" or "tcp6" or "stream+ipv6":
                    family = AddressFamily.InterNetworkV6;
                    break;
                case "ip" or "tcp" or "stream+ip":
                    break;
                case "unix" or "uxst" or "stream+unix":
                    return new("", null, 0, 0, "") { UnixPath = rest };
                case "abns" or "stream+abns":
                    return new("", null, 0, 0, "") { UnixPath = "\0" + rest };
                case "fd" when !descriptors:
                    throw new ConfigurationException($"a file descriptor is not acceptable here in '{text}'");
                case "fd":
                    return int.TryParse(rest, out int fd) && fd >= 0
                        ? new("", null, 0, 0, "") { Fd = OpenSocket(fd) }
                        : throw new ConfigurationException($"file descriptor '{rest}' is not a valid integer in '{text}'");
                case "udp" or "udp4" or "udp6" or "uxdg" or "dgram+ip" or "dgram+ipv4" or "dgram+ipv6" or "dgram+unix"
                    or "dgram+abns":
                    throw new ConfigurationException($"dgram-type address not acceptable in '{text}'");
                case "quic4" or "quic6":
                    throw new ConfigurationException($"unsupported stream protocol for datagram family "
                        + $"{(prefix == "quic4" ? 2 : 10)} address '{text}'; QUIC is not compiled in if this is what you were "
                        + "looking for.");
                case "sockpair" when int.TryParse(rest, out int pair):
                    throw new ConfigurationException(OpenSocket(pair) < 0 ? "" : $"'{text}' is not supported yet");
                case "sockpair":
                    throw new ConfigurationException($"file descriptor '{rest}' is not a valid integer in '{text}'");
                default:
                    rest = text;
                    break;
            }
        }

        int colon = rest.LastIndexOf(':');
        if (rest.EndsWith(']'))
        {
            colon = -1;
        }

        string host = colon < 0 ? rest : rest[..colon];
        string portText = colon < 0 ? "" : rest[(colon + 1)..];
        var (port, last) = Ports(text, portText, range, offsets);
        if (portNeeded && portText.Length == 0)
        {
            throw new ConfigurationException($"missing port specification in '{text}'");
        }

        if (portNeeded && port == 0)
        {
            throw new ConfigurationException($"invalid port '{portText}'");
        }

        return new(host, Host(text, host, family, names), port, last, portText);
    }

    /// <summary>The descriptor, if it is an open socket.</summary>
    private static int OpenSocket(int fd)
    {
        string? target = new FileInfo($"/proc/self/fd/{fd}").LinkTarget;
        return target is null ? throw new ConfigurationException($"cannot use file descriptor '{fd}' : Bad file descriptor.")
            : target.StartsWith("socket:", StringComparison.Ordinal) ? fd
            : throw new ConfigurationException($"cannot use file descriptor '{fd}' : Socket operation on non-socket.");
    }

    private static (int First, int Last) Ports(string text, string port, bool range, bool offsets)
    {
        if (port.Length == 0)
        {
            return (0, 0);
        }

        if (port[0] is '+' or '-')
        {
            if (offsets)
            {
                int offset = Units.Atoi(port);
                return (offset, offset);
            }

            throw new ConfigurationException($"port offset not permitted here in '{text}'");
        }

        string[] ends = port.Split('-', 2);
        var numbers = new int[2];
        for (int i = 0; i < ends.Length; i++)
        {
            if (ends[i].Length == 0 || !char.IsAsciiDigit(ends[i][0]))
            {
                string bad = ends[i].Length == 0 ? "" : ends[i][..1];
                throw new ConfigurationException($"invalid character '{bad}' in port number '{ends[i]}' in '{text}'");
            }

            numbers[i] = Units.Atoi(ends[i]); // what follows the digits is not looked at, as in the original
            if (numbers[i] > 65535)
            {
                throw new ConfigurationException($"invalid port '{ends[i]}'");
            }
        }

        if (ends.Length == 1)
        {
            return (numbers[0], numbers[0]);
        }

        if (!range)
        {
            throw new ConfigurationException($"port range not permitted here in '{text}'");
        }

        return numbers[1] >= numbers[0] ? (numbers[0], numbers[1])
            : throw new ConfigurationException($"invalid port range '{port}'");
    }

    private static IPAddress? Host(string text, string host, AddressFamily family, bool names)
    {
        if (host is "" or "*")
        {
            return family == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any;
        }

        string bare = host.StartsWith('[') && host.EndsWith(']') ? host[1..^1] : host;
        if (bare.Contains(':') && IPAddress.TryParse(bare, out var v6) && family != AddressFamily.InterNetwork)
        {
            return v6;
        }

        if (IsV4(bare) && family != AddressFamily.InterNetworkV6)
        {
            return IPAddress.Parse(bare);
        }

        return names && !bare.Contains(':') && !host.StartsWith('[') && family == AddressFamily.Unspecified ? null
            : throw new ConfigurationException($"invalid address: '{host}' in '{text}'");
    }

    private static bool IsV4(string text) =>
        text.Split('.') is { Length: 4 } parts
        && parts.All(p => p.Length is > 0 and <= 3 && p.All(char.IsAsciiDigit) && int.Parse(p) < 256 && (p.Length == 1 || p[0] != '0'));
}
