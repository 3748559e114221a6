using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Host;

/// <summary>Makes the shared state that a configuration starts with.</summary>
public static class BalancerStates
{
    /// <summary>Counters at zero and server slots with their first addresses; servers that have one are eligible unless disabled.</summary>
    public static BalancerState Create(BalancerConfig config, InitialAddresses addresses)
    {
        int shards = config.Global.NbThread ?? Math.Min(64, Environment.ProcessorCount);
        int room = config.Servers.Count + ServerTable.Spare;
        var counters = new Counters(shards, config.Proxies.Count, room, config.Binds.Count);
        var table = new ServerTable(room);
        foreach (var server in config.Servers)
        {
            var address = addresses.Addresses[server.Index];
            table.SetAddress(server.Index, address, server.Port);
            if (server.UnixPath is not null)
            {
                table.SetUnix(server.Index);
            }

            ref var slot = ref table[server.Index];
            slot.MapPort = server.MapPort ? 1 : 0;
            slot.Weight = server.Weight;
            slot.MaxConn = server.MaxConn ?? 0;
            slot.Backup = server.Backup ? 1 : 0;
            slot.Eligible = (address is not null || server.UnixPath is not null) && !server.Disabled ? 1 : 0;
        }

        return new BalancerState(config, counters, table, shards);
    }
}

/// <summary>Connection limits that the configuration leaves to the process (configuration manual 3.2 "maxconn", "ulimit-n").</summary>
public static class Limits
{
    /// <summary>Descriptors beside connections: poller, wake-up and log sockets of each shard, standard streams.</summary>
    private const int PerShard = 4;
    private const int Spare = 32;
    private const long MostFiles = 1 << 20;

    /// <summary>
    /// Fills in maxconn of the process (each connection needs two descriptors) and of proxies that have none, and raises the
    /// limit of open files accordingly where it may.
    /// </summary>
    public static BalancerConfig Apply(BalancerConfig config, int? maxConn, int? proxyMaxConn)
    {
        long hard = Math.Min(config.Global.UlimitN ?? ProcessControl.OpenFilesHardLimit(), MostFiles);
        int own = Spare + (PerShard * (config.Global.NbThread ?? Environment.ProcessorCount)) + config.Binds.Count
            + config.Servers.Count(s => s.Check);
        int max = maxConn is > 0 ? maxConn.Value
            : config.Global.MaxConn is > 0 and var set ? set : (int)Math.Max(1, (hard - own) / 2);
        long needed = config.Global.UlimitN ?? (2L * max) + own;
        try
        {
            ProcessControl.SetOpenFiles(needed);
        }
        catch (LinuxException)
        {
            ProcessControl.SetOpenFiles(Math.Min(needed, ProcessControl.OpenFilesHardLimit()));
        }

        int proxyDefault = proxyMaxConn is > 0 ? proxyMaxConn.Value : max;
        return config with
        {
            Global = config.Global with { MaxConn = max },
            Proxies = [.. config.Proxies.Select(p => p.MaxConn > 0 || !p.HasFrontend ? p : p with { MaxConn = proxyDefault })],
        };
    }
}
