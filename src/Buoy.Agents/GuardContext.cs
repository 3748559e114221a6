using System.Net;
using Buoy.Network.Guard;

namespace Buoy.Agents;

/// <summary>
/// What the guard of addresses must know of the cluster, and what the cluster wants to know of it. The daemon fills
/// it, the address agent reads it; both on the loop.
/// </summary>
public sealed class GuardContext
{
    private readonly Dictionary<GuardNotice, long> _counts = [];

    /// <summary>Something of the properties changed.</summary>
    public event Action? Changed;

    /// <summary>Stations of the other nodes on their segments, also of those that are away.</summary>
    public IReadOnlyDictionary<LinkAddress, GuardMember> Members { get; private set; } =
        new Dictionary<LinkAddress, GuardMember>();

    /// <summary>This node's right: the number of its ring, which grows with each.</summary>
    public ulong Term { get; private set; }

    /// <summary>Why leases may not be renewed; null: they may.</summary>
    public string? Denied { get; private set; }

    /// <summary>What is wrong with the balancer behind the addresses, or null; the executor's.</summary>
    public Func<string?> BalancerFault { get; set; } = static () => null;

    /// <summary>The ring is silent.</summary>
    public bool Suspicious { get; private set; }

    /// <summary>The daemon ends in order: addresses that it leaves behind are meant to serve on.</summary>
    public bool EndsInOrder { get; set; }

    /// <summary>Whether the holder of a resource has told, within this many ms, that it gave it up.</summary>
    public Func<string, int, bool> WasReleased { get; set; } = static (_, _) => false;

    /// <summary>Asks the daemon of a station whether it holds an address, on its segment; no answer: no call.</summary>
    public Action<LinkAddress, IPAddress, Action<bool>> Ask { get; set; } = static (_, _, _) => { };

    /// <summary>Whether this node holds an address now; the address agent's.</summary>
    public Func<IPAddress, bool> Holds { get; set; } = static _ => false;

    /// <summary>A resource's start was refused by the guard; the daemon forgets it when the ring is whole
    /// again.</summary>
    public event Action<string>? Refused;

    /// <summary>How often each notice was given.</summary>
    public IEnumerable<KeyValuePair<string, long>> Counters =>
        Enum.GetValues<GuardNotice>()
            .Select(n => KeyValuePair.Create(Name(n), _counts.GetValueOrDefault(n)));

    /// <summary>Another view or other stations.</summary>
    public void SetView(IReadOnlyDictionary<LinkAddress, GuardMember> members, ulong term)
    {
        Members = members;
        Term = term;
        Changed?.Invoke();
    }

    /// <summary>Another verdict on the renewal of leases.</summary>
    public void SetDenied(string? denied)
    {
        if (denied != Denied)
        {
            Denied = denied;
            Changed?.Invoke();
        }
    }

    /// <summary>The ring became silent, or is whole again.</summary>
    public void SetSuspicious(bool suspicious)
    {
        if (suspicious != Suspicious)
        {
            Suspicious = suspicious;
            Changed?.Invoke();
        }
    }

    internal void Count(GuardNotice notice) => _counts[notice] = _counts.GetValueOrDefault(notice) + 1;

    internal void TellRefused(string resource) => Refused?.Invoke(resource);

    /// <summary>guard.late-activation and so on.</summary>
    private static string Name(GuardNotice notice) => "guard." + string.Concat(notice.ToString()
        .Select(static (c, i) => (char.IsUpper(c) && i > 0 ? "-" : "") + char.ToLowerInvariant(c)));
}
