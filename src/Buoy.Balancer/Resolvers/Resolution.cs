using System.Net;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Resolvers;

/// <summary>How the last round of a resolution ended; each has its <c>hold</c> time.</summary>
public enum ResolutionStatus
{
    /// <summary>No round ended yet.</summary>
    None,
    Valid,
    Nx,
    Refused,
    Timeout,
    Other,
}

/// <summary>What the host is to do after a step.</summary>
public enum ResolutionEffect
{
    None,

    /// <summary>Send <see cref="Resolution.QueryId"/> for <see cref="Resolution.QueryType"/> to every
    /// nameserver.</summary>
    Ask,

    /// <summary>A round ended: look at <see cref="Resolution.Status"/> and the addresses.</summary>
    Ended,
}

/// <summary>
/// The resolution of one name in one resolvers section (configuration manual 5.3.2), shared by all servers of that
/// name. Pure.
/// <code>
///   Idle ──OnDeadline──▶ Asking(preferred) ──no address──▶ Asking(other family) ──▶ Idle
///                          │   ▲ │                            │
///                          │   └─┘ OnDeadline: the other family, while retries are left
///                          └── address ──▶ Idle (Valid)       └── error, no retries ──▶ Idle (Nx, Refused, Timeout,
/// Other)
/// </code>
/// Rounds begin every <c>timeout resolve</c>; a time to live is not looked at, as HAProxy does not.
/// </summary>
public sealed class Resolution(ResolversConfig section, string name, bool preferIpv4, Func<ushort> newId)
{
    /// <summary>Most services kept of one name; what is more could have no server anyway.</summary>
    private const int MaxServices = 4096;

    private readonly List<(IPAddress Address, long Seen)> _records = [];
    private readonly List<(DnsService Service, long Seen, int Number)> _services = [];
    private readonly HashSet<int> _failed = [];
    private int _numbers;
    private int _triesLeft;
    private bool _bothAsked;
    private DnsOutcome? _lastError;

    /// <summary>The section that it belongs to.</summary>
    public ResolversConfig Section => section;

    /// <summary>The name asked for.</summary>
    public string Name => name;

    /// <summary>A SRV name (it begins with an underscore): services are asked for instead of addresses.</summary>
    public bool IsService { get; } = name.StartsWith('_');

    /// <summary>The services known now, the newest first, each with a number that grows.</summary>
    public IEnumerable<(DnsService Service, int Number)> Services => _services.Select(s => (s.Service, s.Number));

    /// <summary>Which family is asked for first.</summary>
    public bool PreferIpv4 => preferIpv4;

    /// <summary>A question is on its way.</summary>
    public bool Asking { get; private set; }

    /// <summary>Id of the question on its way.</summary>
    public ushort QueryId { get; private set; }

    /// <summary>Type of the question on its way.</summary>
    public DnsType QueryType { get; private set; } = First(name, preferIpv4);

    /// <summary>When <see cref="OnDeadline"/> is due, in ms.</summary>
    public long Deadline { get; private set; }

    /// <summary>The last round's end.</summary>
    public ResolutionStatus Status { get; private set; }

    /// <summary>When the last valid answer came; null = never.</summary>
    public long? LastValid { get; private set; }

    /// <summary>Addresses known now, those of the last answer first.</summary>
    public IEnumerable<IPAddress> Addresses => _records.Select(r => r.Address);

    /// <summary>A round is due, or an answer is late.</summary>
    public ResolutionEffect OnDeadline(long now)
    {
        if (!Asking)
        {
            _triesLeft = Math.Max(1, section.ResolveRetries);
            _bothAsked = IsService;
            _lastError = null;
            return Ask(First(name, preferIpv4), now);
        }

        if (--_triesLeft > 0)
        {
            return Ask(Other(QueryType), now);
        }

        return End(_lastError is { } e ? Of(e) : ResolutionStatus.Timeout, now);
    }

    /// <summary>A nameserver could not be asked, or answered.</summary>
    public ResolutionEffect OnAnswer(int nameServer, DnsAnswer answer, long now)
    {
        if (!Asking)
        {
            return ResolutionEffect.None;
        }

        switch (answer.Outcome)
        {
            case DnsOutcome.Valid:
                Learn(answer, now);
                return End(ResolutionStatus.Valid, now);
            case DnsOutcome.NoAddress:
                return _bothAsked ? End(ResolutionStatus.Other, now) : AskOther(now);
        }

        _lastError = answer.Outcome;
        _failed.Add(nameServer);
        if (_failed.Count < section.NameServers.Count)
        {
            return ResolutionEffect.None;
        }

        return _bothAsked ? End(Of(answer.Outcome), now) : AskOther(now);
    }

    /// <summary>How long in ms an address outlives the last valid answer, given the last round's end.</summary>
    public int Hold() => Status switch
    {
        ResolutionStatus.Nx => section.HoldNx,
        ResolutionStatus.Refused => section.HoldRefused,
        ResolutionStatus.Timeout => section.HoldTimeout,
        ResolutionStatus.Valid => section.HoldValid,
        _ => section.HoldOther,
    };

    /// <summary>The failure has lasted longer than its hold time: servers lose their address.</summary>
    public bool HoldExpired(long now) =>
        Status is not (ResolutionStatus.None or ResolutionStatus.Valid) && (LastValid is not { } v || now - v > Hold());

    private void Learn(DnsAnswer answer, long now)
    {
        var addresses = answer.Addresses;
        foreach (var service in answer.Services)
        {
            int known = _services.FindIndex(s => s.Service.Port == service.Port
                && s.Service.Host.Equals(service.Host, StringComparison.OrdinalIgnoreCase));
            if (known >= 0)
            {
                _services[known] = (service, now, _services[known].Number);
            }
            else if (_services.Count < MaxServices)
            {
                _services.Insert(0, (service, now, ++_numbers));
            }
        }

        _services.RemoveAll(s => s.Seen != now && now - s.Seen >= section.HoldObsolete);
        _records.RemoveAll(r => addresses.Contains(r.Address) || now - r.Seen >= section.HoldObsolete);
        _records.InsertRange(0, addresses.Distinct().Select(a => (a, now)));
        LastValid = now;
    }

    private ResolutionEffect AskOther(long now)
    {
        _bothAsked = true;
        return Ask(Other(QueryType), now);
    }

    private ResolutionEffect Ask(DnsType type, long now)
    {
        Asking = true;
        QueryType = type;
        QueryId = newId();
        _failed.Clear();
        Deadline = now + section.TimeoutRetry;
        return ResolutionEffect.Ask;
    }

    private ResolutionEffect End(ResolutionStatus status, long now)
    {
        Asking = false;
        Status = status;
        if (HoldExpired(now))
        {
            _services.Clear();
        }

        Deadline = now + section.TimeoutResolve;
        return ResolutionEffect.Ended;
    }

    private static DnsType First(string name, bool preferIpv4) =>
        name.StartsWith('_') ? DnsType.Srv : preferIpv4 ? DnsType.A : DnsType.Aaaa;

    private static DnsType Other(DnsType t) =>
        t == DnsType.Srv ? t : t == DnsType.A ? DnsType.Aaaa : DnsType.A;

    private static ResolutionStatus Of(DnsOutcome outcome) => outcome switch
    {
        DnsOutcome.Nx => ResolutionStatus.Nx,
        DnsOutcome.Refused => ResolutionStatus.Refused,
        _ => ResolutionStatus.Other,
    };
}
