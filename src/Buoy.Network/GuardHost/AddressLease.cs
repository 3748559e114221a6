using Buoy.Linux;
using Buoy.Network.Guard;

namespace Buoy.Network.GuardHost;

/// <summary>How the kernel is told that the address is ours, for how long.</summary>
internal interface IAddressLease
{
    /// <summary>Puts the ticket that <see cref="Activate"/> needs.</summary>
    void PlaceTicket(int ms);

    /// <summary>Sets the address and makes it speak; false: the ticket has run out.</summary>
    bool Activate(int ms);

    /// <summary>Makes the lease last anew; false: it has run out.</summary>
    bool Renew(int ms);

    /// <summary>The address is silent from now on.</summary>
    void Drop();

    /// <summary>Leaves nothing behind. An address that is still there speaks without a guard.</summary>
    void Lift();
}

/// <summary>The lease as elements of nf_tables sets: to the millisecond, and conditional in the kernel
/// itself.</summary>
internal sealed class NftLease(NftSession session, string resource, AddressInfo address, Action set) : IAddressLease
{
    private KernelLease? _lease = new(session, resource, address.Address);

    public void PlaceTicket(int ms) => Anew(l => l.PlaceTicket(ms));

    public bool Activate(int ms)
    {
        set();
        return _lease?.Grant(ms) == true;
    }

    public bool Renew(int ms)
    {
        try
        {
            return _lease?.Renew(ms) == true;
        }
        catch (LinuxException)
        {
            _lease = null;
            return false;
        }
    }

    public void Drop() => Anew(static l => l.Drop());

    public void Lift() => session.Lift(resource);

    /// <summary>Somebody may have removed our rules ("nft flush ruleset"): they are laid again.</summary>
    private void Anew(Action<KernelLease> action)
    {
        try
        {
            if (_lease is not null)
            {
                action(_lease);
                return;
            }
        }
        catch (LinuxException)
        {
            // Laid again below; what fails then is the caller's.
        }

        _lease = new KernelLease(session, resource, address.Address);
        action(_lease);
    }
}

/// <summary>
/// The lease as the address's lifetime (IFA_CACHEINFO), where there is no nf_tables: in whole seconds, and a daemon
/// that
/// is stopped between its look at the clock and the call is not noticed by the kernel.
/// </summary>
internal sealed class LifetimeLease(NetworkStack stack, AddressInfo address, Action<AddressInfo> set) : IAddressLease
{
    private long _ticketUntil;
    private bool _there;

    public void PlaceTicket(int ms) => _ticketUntil = EventLoop.Now + ms;

    public bool Activate(int ms)
    {
        if (EventLoop.Now >= _ticketUntil)
        {
            return false;
        }

        set(For(ms));
        return _there = true;
    }

    public bool Renew(int ms)
    {
        if (!_there || !stack.Addresses(address.Address.AddressFamily)
            .Any(a => a.Interface == address.Interface && a.Address.Equals(address.Address)))
        {
            return _there = false;
        }

        stack.Replace(For(ms));
        return true;
    }

    public void Drop()
    {
        _there = false;
        stack.Delete(address);
    }

    public void Lift()
    {
        if (_there)
        {
            stack.Replace(address);
        }
    }

    private AddressInfo For(int ms)
    {
        uint seconds = (uint)Math.Max(1, (ms + 999) / 1000);
        return address with
        {
            ValidLifetime = seconds, PreferredLifetime = Math.Min(seconds, address.PreferredLifetime),
        };
    }
}
