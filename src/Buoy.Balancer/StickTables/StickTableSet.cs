using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.StickTables;

/// <summary>All tables of a configuration, by the name of their section.</summary>
internal sealed class StickTableSet
{
    private readonly StickTable?[] _byProxy;

    public StickTableSet(BalancerConfig config)
    {
        var used = config.Proxies.SelectMany(p => p.StickRules.Select(r => r.Table ?? p.Name)).ToHashSet();
        _byProxy = new StickTable?[config.Proxies.Count];
        foreach (var p in config.Proxies.Where(p => p.StickTable is not null))
        {
            _byProxy[p.Index] = new StickTable(p.Name, p.StickTable!, used.Contains(p.Name));
        }
    }

    /// <summary>Tables, the one declared last first, as the original lists them.</summary>
    public IEnumerable<StickTable> All => Enumerable.Reverse(_byProxy).OfType<StickTable>();

    /// <summary>The table of a section, null = it has none.</summary>
    public StickTable? this[int proxy] => (uint)proxy < (uint)_byProxy.Length ? _byProxy[proxy] : null;

    /// <summary>The table of a section by name, null = there is none.</summary>
    public StickTable? Find(string name) => Array.Find(_byProxy, t => t?.Name == name);
}
