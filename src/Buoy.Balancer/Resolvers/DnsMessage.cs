using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Buoy.Balancer.Resolvers;

/// <summary>Types of records that the resolver asks for.</summary>
public enum DnsType : ushort
{
    A = 1,
    Cname = 5,
    Aaaa = 28,

    /// <summary>RFC 2782.</summary>
    Srv = 33,
}

/// <summary>What an answer amounts to; one counter of <c>show resolvers</c> each.</summary>
public enum DnsOutcome
{
    /// <summary>At least one address.</summary>
    Valid,

    /// <summary>No error, but no address of the type asked for.</summary>
    NoAddress,

    /// <summary>The name does not exist.</summary>
    Nx,

    /// <summary>The server refuses to answer.</summary>
    Refused,

    /// <summary>Another error of the server (SERVFAIL …).</summary>
    Other,

    /// <summary>The answer did not fit.</summary>
    Truncated,

    /// <summary>Not an answer to this question, or malformed.</summary>
    Invalid,

    /// <summary>A chain of CNAMEs that leads nowhere.</summary>
    CnameError,
}

/// <summary>A SRV record: where a service is (RFC 2782).</summary>
public readonly record struct DnsService(string Host, int Port, int Priority, int Weight);

/// <summary>An answer, read.</summary>
public sealed record DnsAnswer(DnsOutcome Outcome, IReadOnlyList<IPAddress> Addresses, bool HasCname)
{
    /// <summary>The services, when they were asked for.</summary>
    public IReadOnlyList<DnsService> Services { get; init; } = [];
}

/// <summary>
/// The DNS messages of RFC 1035 and the EDNS record of RFC 6891, as far as a stub resolver needs them. Reads hostile
/// input:
/// names are bounded, a compression pointer must point backwards, and nothing but what was asked for is believed.
/// </summary>
public static class DnsMessage
{
    /// <summary>Longest name (RFC 1035 2.3.4).</summary>
    private const int MaxName = 255;

    /// <summary>Most answer records looked at; a legal message of 64 KB holds some thousand, HAProxy stops far
    /// earlier.</summary>
    private const int MaxRecords = 512;

    /// <summary>Labels of 1…63 characters of letters, digits, '-' and '_', 253 in all; a final dot is
    /// allowed.</summary>
    public static bool IsName(string name)
    {
        string n = name.EndsWith('.') ? name[..^1] : name;
        return n.Length is > 0 and <= 253 && n.Split('.').All(l =>
            l.Length is > 0 and <= 63 && l.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'));
    }

    /// <summary>A recursive query for one name with an EDNS record.</summary>
    /// <exception cref="ArgumentException">The name cannot be sent.</exception>
    public static byte[] Query(ushort id, string name, DnsType type, int payloadSize)
    {
        if (!IsName(name))
        {
            throw new ArgumentException($"'{name}' is not a host name", nameof(name));
        }

        var m = new List<byte>(64) { (byte)(id >> 8), (byte)id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1 };
        foreach (string label in name.TrimEnd('.').Split('.'))
        {
            m.Add((byte)label.Length);
            m.AddRange(Encoding.ASCII.GetBytes(label));
        }

        m.AddRange([0, 0, (byte)type, 0, 1]);
        m.AddRange([0, 0, 41, (byte)(payloadSize >> 8), (byte)payloadSize, 0, 0, 0, 0, 0, 0]);
        return [.. m];
    }

    /// <summary>The id of a message, null when it is too short to have one.</summary>
    public static ushort? Id(ReadOnlySpan<byte> message) =>
        message.Length < 12 ? null : BinaryPrimitives.ReadUInt16BigEndian(message);

    /// <summary>Reads the answer to a question.</summary>
    public static DnsAnswer Read(ReadOnlySpan<byte> m, string name, DnsType type)
    {
        if (m.Length < 12 || (m[2] & 0xF8) != 0x80)
        {
            return Failed(DnsOutcome.Invalid);
        }

        int rcode = m[3] & 0x0F;
        int questions = BinaryPrimitives.ReadUInt16BigEndian(m[4..]), answers =
            BinaryPrimitives.ReadUInt16BigEndian(m[6..]);
        if (questions != 1)
        {
            return Failed(rcode == 0 ? DnsOutcome.Invalid : OfCode(rcode));
        }

        int at = 12;
        if (!ReadName(m, ref at, out string asked) || at + 4 > m.Length || !Same(asked, name)
            || BinaryPrimitives.ReadUInt16BigEndian(m[at..]) != (ushort)type
                || BinaryPrimitives.ReadUInt16BigEndian(m[(at + 2)..]) != 1)
        {
            return Failed(DnsOutcome.Invalid);
        }

        at += 4;
        if ((m[2] & 2) != 0)
        {
            return Failed(DnsOutcome.Truncated);
        }

        return rcode != 0 ? Failed(OfCode(rcode)) : ReadRecords(m, at, Math.Min(answers, MaxRecords), name, type);
    }

    private static DnsAnswer ReadRecords(ReadOnlySpan<byte> m, int at, int count, string name, DnsType type)
    {
        string owner = name;
        bool cname = false;
        var found = new List<IPAddress>();
        var services = new List<DnsService>();
        for (int i = 0; i < count; i++)
        {
            if (!ReadName(m, ref at, out string of) || at + 10 > m.Length)
            {
                return Failed(DnsOutcome.Invalid);
            }

            int kind = BinaryPrimitives.ReadUInt16BigEndian(m[at..]), cls =
                BinaryPrimitives.ReadUInt16BigEndian(m[(at + 2)..]);
            int length = BinaryPrimitives.ReadUInt16BigEndian(m[(at + 8)..]);
            at += 10;
            if (at + length > m.Length)
            {
                return Failed(DnsOutcome.Invalid);
            }

            if (cls == 1 && Same(of, owner))
            {
                if (kind == (int)DnsType.Cname)
                {
                    int inner = at;
                    if (!ReadName(m, ref inner, out owner) || inner != at + length)
                    {
                        return Failed(DnsOutcome.Invalid);
                    }

                    cname = true;
                }
                else if (kind == (int)type && type == DnsType.Srv)
                {
                    int inner = at + 6;
                    if (length < 7 || !ReadName(m, ref inner, out string host) || inner != at + length)
                    {
                        return Failed(DnsOutcome.Invalid);
                    }

                    // The target "." says that the service is not there.
                    if (IsName(host))
                    {
                        services.Add(new DnsService(host, BinaryPrimitives.ReadUInt16BigEndian(m[(at + 4)..]),
                            BinaryPrimitives.ReadUInt16BigEndian(m[at..]), BinaryPrimitives.ReadUInt16BigEndian(m[(at + 2)..])));
                    }
                }
                else if (kind == (int)type)
                {
                    if (length != (type == DnsType.A ? 4 : 16))
                    {
                        return Failed(DnsOutcome.Invalid);
                    }

                    found.Add(new IPAddress(m.Slice(at, length)));
                }
            }

            at += length;
        }

        var outcome = found.Count + services.Count > 0 ? DnsOutcome.Valid : DnsOutcome.NoAddress;
        return new DnsAnswer(outcome, found, cname) { Services = services };
    }

    /// <summary>Reads a name and moves past it; false when it is malformed or leads round in a circle.</summary>
    private static bool ReadName(ReadOnlySpan<byte> m, ref int at, out string name)
    {
        var s = new StringBuilder();
        name = "";
        int here = at, lowest = at, after = -1;
        while (true)
        {
            if (here >= m.Length)
            {
                return false;
            }

            int length = m[here];
            if ((length & 0xC0) == 0xC0)
            {
                if (here + 1 >= m.Length)
                {
                    return false;
                }

                int target = ((length & 0x3F) << 8) | m[here + 1];
                if (after < 0)
                {
                    after = here + 2;
                }

                if (target >= lowest)
                {
                    return false;
                }

                here = lowest = target;
                continue;
            }

            if ((length & 0xC0) != 0 || here + 1 + length > m.Length || s.Length + length + 1 > MaxName)
            {
                return false;
            }

            if (length == 0)
            {
                at = after < 0 ? here + 1 : after;
                name = s.ToString();
                return true;
            }

            if (s.Length > 0)
            {
                s.Append('.');
            }

            foreach (byte b in m.Slice(here + 1, length))
            {
                s.Append((char)b);
            }

            here += 1 + length;
        }
    }

    private static bool Same(string a, string b) =>
        a.AsSpan().TrimEnd('.').Equals(b.AsSpan().TrimEnd('.'), StringComparison.OrdinalIgnoreCase);

    private static DnsOutcome OfCode(int rcode) =>
        rcode switch { 3 => DnsOutcome.Nx, 5 => DnsOutcome.Refused, _ => DnsOutcome.Other };

    private static DnsAnswer Failed(DnsOutcome outcome) => new(outcome, [], false);
}
