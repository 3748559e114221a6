using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.StickTables;

/// <summary>All tables of a configuration, by the name of their section.</summary>
internal sealed class StickTableSet
{
    private readonly List<StickTable> _tables = [];

    public StickTableSet(BalancerConfig config)
    {
        var used = config.Proxies.SelectMany(p => p.StickRules.Select(r => r.Table ?? p.Name)).ToHashSet();
        foreach (var p in config.Proxies.Where(p => p.StickTable is not null))
        {
            _tables.Add(new StickTable(p.Name, p.StickTable!, used.Contains(p.Name)));
        }
    }

    /// <summary>Tables, the one declared last first, as the original lists them.</summary>
    public IEnumerable<StickTable> All => Enumerable.Reverse(_tables);

    /// <summary>The table of a section, null = it has none.</summary>
    public StickTable? Find(string name) => _tables.Find(t => t.Name == name);
}
