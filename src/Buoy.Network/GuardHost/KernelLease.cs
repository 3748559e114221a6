using System.Net;
using Buoy.Linux;
using Buoy.Network.Guard;

namespace Buoy.Network.GuardHost;

/// <summary>
/// Carries out the transactions of <see cref="LeaseRules"/> for one address. The kernel answers while it is being
/// asked,
/// so nothing here waits. What cannot be done is a <see cref="LinuxException"/>.
/// </summary>
public sealed class KernelLease
{
    private const int NoEntry = 2;
    private readonly NftSession _session;
    private readonly LeaseRules _rules;

    /// <summary>Lays the rules: from now on the address is silent on this node until <see cref="Grant"/>.</summary>
    public KernelLease(NftSession session, string resource, IPAddress address)
    {
        _session = session;
        _rules = new LeaseRules(resource, address);
        Must(_session.Run(_rules.Lay), "nf_tables: rules of the lease");
    }

    /// <summary>Puts the ticket that <see cref="Grant"/> needs; it runs out after <paramref name="ms"/>.</summary>
    public void PlaceTicket(int ms) => Must(_session.Run(s => _rules.PlaceTicket(s, ms)), "nf_tables: ticket");

    /// <summary>Turns the ticket into a lease; false: the ticket has run out.</summary>
    public bool Grant(int ms) => Unless(_session.Run(s => _rules.Grant(s, ms)), "nf_tables: grant");

    /// <summary>Makes the lease last anew; false: it has run out.</summary>
    public bool Renew(int ms) => Unless(_session.Run(s => _rules.Renew(s, ms)), "nf_tables: renewal");

    /// <summary>Ends the lease: the address is silent.</summary>
    public void Drop() => Must(_session.Run(_rules.Drop), "nf_tables: end of the lease");

    /// <summary>Removes the rules. An address that is still on the interface speaks again.</summary>
    public void Lift() => Must(_session.Run(_rules.Lift), "nf_tables: removal of the rules");

    private static void Must(int errno, string call)
    {
        if (errno != 0)
        {
            throw new LinuxException(call, errno);
        }
    }

    private static bool Unless(int errno, string call) =>
        errno is 0 or NoEntry ? errno == 0 : throw new LinuxException(call, errno);
}

/// <summary>A socket to nf_tables in the network namespace it was made in.</summary>
public sealed class NftSession : IDisposable
{
    private const int TimedOut = 110;
    private readonly NetlinkSocket _socket;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private readonly List<NetlinkMessage> _messages = [];
    private uint _sequence = 1;

    private NftSession(NetlinkSocket socket) => _socket = socket;

    /// <summary>Opens it; null and why, where the kernel has no nf_tables for these families or it is not
    /// allowed.</summary>
    public static NftSession? Open(out string? why)
    {
        NetlinkSocket? socket = null;
        try
        {
            socket = NetlinkSocket.OpenNetfilter();
            var session = new NftSession(socket);
            foreach (string address in (string[])["192.0.2.1", "2001:db8::1"])
            {
                var trial = new LeaseRules($"trial-{Environment.ProcessId}", IPAddress.Parse(address));
                int errno = session.Run(trial.Lay);
                if (errno == 0)
                {
                    errno = session.Run(trial.Lift);
                }

                if (errno != 0)
                {
                    why = new LinuxException("nf_tables", errno).Message;
                    socket.Dispose();
                    return null;
                }
            }

            why = null;
            return session;
        }
        catch (LinuxException e)
        {
            socket?.Dispose();
            why = e.Message;
            return null;
        }
    }

    /// <summary>Resources that have rules here, also of a daemon that is gone.</summary>
    public IReadOnlyCollection<string> Resources()
    {
        var names = new HashSet<string>();
        foreach (byte family in (byte[])[NftBatch.FamilyArp, NftBatch.FamilyIPv4, NftBatch.FamilyIPv6])
        {
            _socket.Send(NftBatch.DumpTables(_sequence++, family));
            int n;
            while ((n = _socket.Receive(_buffer)) > 0 && NftBatch.ReadTables(_buffer.AsSpan(0, n), names))
            {
                // Until the end of the dump.
            }
        }

        return [.. names.Where(static n => n.StartsWith(LeaseRules.Prefix, StringComparison.Ordinal))
            .Select(static n => n[LeaseRules.Prefix.Length..])];
    }

    /// <summary>Removes a resource's rules of all families.</summary>
    public void Lift(string resource)
    {
        foreach (var any in (IPAddress[])[IPAddress.Any, IPAddress.IPv6Any])
        {
            _ = Run(new LeaseRules(resource, any).Lift);
        }
    }

    /// <summary>Drops incoming UDP over IPv4 to a port until <see cref="Lift"/>: a fault that is made on
    /// purpose.</summary>
    public void DropUdp(string name, ushort port)
    {
        int errno = Run(s => LeaseRules.DropUdp(s, name, port));
        if (errno != 0)
        {
            throw new LinuxException("nf_tables: drop", errno);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    /// <summary>Carries out a transaction; 0, or the errno(3) of what failed: then nothing was done.</summary>
    internal int Run(Func<uint, NftBatch> make)
    {
        uint first = _sequence;
        var batch = make(first);
        _socket.Send(batch.ToBytes());
        _sequence = batch.NextSequence;
        while (true)
        {
            int n = _socket.Receive(_buffer);
            if (n <= 0)
            {
                return TimedOut;
            }

            _messages.Clear();
            NetlinkCodec.Read(_buffer.AsSpan(0, n), _messages);
            foreach (var m in _messages)
            {
                // Answers to a transaction that failed before may still be there.
                if (m.Kind == NetlinkKind.Ack && m.Sequence >= first
                    && (m.Errno != 0 || m.Sequence == batch.LastCommand))
                {
                    return m.Errno;
                }
            }
        }
    }
}
