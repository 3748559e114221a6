using System.Net;

namespace Buoy.Network;

/// <summary>What a probe came to.</summary>
public enum ProbeVerdict
{
    /// <summary>Still asking.</summary>
    Pending,

    /// <summary>Nobody answered.</summary>
    Free,

    /// <summary>Somebody answered for the address.</summary>
    Taken,

    /// <summary>A probe could not be sent: nothing is known.</summary>
    Failed,
}

/// <summary>
/// Asks the segment whether somebody answers for an IPv4 address (RFC 5227 section 2.1.1, with the shorter times that
/// a takeover needs): three probes 40 ms apart, "free" 80 ms after the last. Pure: the host sends when
/// <see cref="OnTime"/> says so and feeds what it hears.
/// </summary>
/// <remarks>
/// <code>
/// Pending --probe n of 3 sent--> Pending --80 ms of silence after the last--> Free
///    \------- ARP with sender = address from another MAC --------------------> Taken
/// </code>
/// Probes of others (sender 0.0.0.0) for the same address are no answer and are handed out through
/// <see cref="RivalMac"/>: who wins is for the one who knows the members.
/// </remarks>
public sealed class AddressProbe(
    IPAddress address, byte[] ownMac, long now, int probes = 3, int intervalMs = 40, int waitMs = 80)
{
    private int _sent;
    private long _next = now;

    /// <summary>The address asked for.</summary>
    public IPAddress Address { get; } = address;

    /// <summary>So far.</summary>
    public ProbeVerdict Verdict { get; private set; }

    /// <summary>Who answered; null: nobody.</summary>
    public byte[]? HolderMac { get; private set; }

    /// <summary>Who else probes for it; null: nobody.</summary>
    public byte[]? RivalMac { get; private set; }

    /// <summary>When <see cref="OnTime"/> wants to be called next, in the clock of <c>now</c>.</summary>
    public long NextAt => _next;

    /// <summary>The probe to send.</summary>
    public ArpPacket Packet => ArpPacket.Probe(ownMac, Address);

    /// <summary>True: send a probe now. The verdict may have become <see cref="ProbeVerdict.Free"/>.</summary>
    public bool OnTime(long now)
    {
        if (Verdict != ProbeVerdict.Pending || now < _next)
        {
            return false;
        }

        if (_sent == probes)
        {
            Verdict = ProbeVerdict.Free;
            return false;
        }

        // Counted from the sending, not from the plan: a late host must not crowd its probes.
        _sent++;
        _next = now + (_sent == probes ? waitMs : intervalMs);
        return true;
    }

    /// <summary>The probe could not be sent (link down): the verdict is <see cref="ProbeVerdict.Failed"/>.</summary>
    public void OnSendFailed() => Verdict = Verdict == ProbeVerdict.Pending ? ProbeVerdict.Failed : Verdict;

    /// <summary>Feeds an ARP packet heard on the segment.</summary>
    public void OnPacket(ArpPacket packet)
    {
        if (Verdict != ProbeVerdict.Pending || packet.SenderMac.AsSpan().SequenceEqual(ownMac))
        {
            return;
        }

        if (packet.SenderAddress.Equals(Address))
        {
            HolderMac = packet.SenderMac;
            Verdict = ProbeVerdict.Taken;
        }
        else if (!packet.IsReply && packet.SenderAddress.Equals(IPAddress.Any) && packet.TargetAddress.Equals(Address))
        {
            RivalMac = packet.SenderMac;
        }
    }
}
