using Buoy.Balancer.Health;
using Buoy.Balancer.Resolvers;
using Buoy.Linux;

namespace Buoy.Balancer.Control;

/// <summary>
/// Servers whose host and port come from SRV records (configuration manual 5.3.1): each record takes a free server of the
/// backend, the one that has been free longest; the server then resolves the record's host as any other name.
/// </summary>
public sealed partial class ControlPlane
{
    private readonly Dictionary<(ProxyRuntime, Resolution), Queue<ServerRuntime>> _free = [];

    private void JoinService(ServerRuntime s)
    {
        if (s.Config.Resolvers is not { } section || _resolvers.Join(section, s.Service!, false) is not { } r)
        {
            return;
        }

        s.ServiceResolution = r;
        if (!_free.TryGetValue((s.Backend, r), out var free))
        {
            _free[(s.Backend, r)] = free = [];
        }

        free.Enqueue(s);
    }

    /// <summary>A round of a SRV name ended.</summary>
    private void Assign(Resolution r, long now)
    {
        var services = r.Services.ToDictionary(s => s.Number, s => s.Service);
        foreach (var ((backend, resolution), free) in _free.Where(f => ReferenceEquals(f.Key.Item2, r)).ToList())
        {
            var users = backend.Servers.Where(s => ReferenceEquals(s.ServiceResolution, resolution)).ToList();
            foreach (var gone in users.Where(s => s.ServiceNumber is { } n && !services.ContainsKey(n))
                .OrderByDescending(s => s.ServiceNumber))
            {
                Release(gone, now);
                free.Enqueue(gone);
            }

            foreach (var (service, number) in r.Services)
            {
                if (users.Find(s => s.ServiceNumber == number) is { } known)
                {
                    Weigh(known, service, now);
                }
                else if (free.TryDequeue(out var s))
                {
                    Take(s, service, number, now);
                }
            }
        }
    }

    private void Take(ServerRuntime s, DnsService service, int number, long now)
    {
        const int Notice = 5;
        s.ServiceNumber = number;
        s.Port = service.Port;
        s.Health.SetAdmin(AdminFlags.NameSet, now);
        Weigh(s, service, now);
        Report(s.Backend.Config.Index, Notice,
            $"{s.FullName} changed its FQDN from {s.Fqdn ?? "(null)"} to {service.Host} by 'SRV record'");
        if (Resolve(s, service.Host) && s.Resolution is { Status: ResolutionStatus.Valid } r)
        {
            Choose(s, r, now);
        }
    }

    /// <summary>The record's weight, 0…65535, as a server's, 0…256; unless <c>resolve-opts ignore-weight</c>.</summary>
    private void Weigh(ServerRuntime s, DnsService service, long now)
    {
        int weight = (service.Weight + 255) / 256;
        if (s.Config.ResolveIgnoreWeight || s.UserWeight == weight)
        {
            return;
        }

        s.UserWeight = weight;
        _operations.Publish(s, now);
        _operations.Backend(s, now);
    }

    private void Release(ServerRuntime s, long now)
    {
        if (s.Resolution is { } old)
        {
            _resolvers.Leave(old);
        }

        s.Resolution = null;
        s.ServiceNumber = null;
        s.Fqdn = null;
        s.Port = 0;
        _operations.LoseAddress(s, "entry removed from SRV record", now);
    }
}
