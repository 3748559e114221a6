using System.Globalization;
using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>What happens when an operation fails, from mild to severe.</summary>
internal enum OnFail
{
    Ignore,
    Demote,
    Restart,
    ResetRemote,
    RestartContainer,
    Ban,
    Block,
    Stop,
    Standby,
    Fence,
}

/// <summary>A configured operation of a leaf.</summary>
internal sealed class Operation
{
    public required XElement Element { get; init; }
    public required string Id { get; init; }
    public required string Name { get; init; }
    public required long IntervalMs { get; init; }
    public required bool Enabled { get; init; }
    public ResourceRole? Role { get; init; }
}

/// <summary>The operations of a leaf, and what the configuration says about any operation (SCHEDULER 1.4).</summary>
internal sealed class OperationTable
{
    public const long DefaultTimeoutMs = 20000;

    private readonly ConfigReader? _reader;
    private readonly RuleContext? _context;
    private readonly Dictionary<(string, long), Dictionary<string, string>> _meta = [];

    private OperationTable()
    {
    }

    public OperationTable(ConfigReader reader, RuleContext context, IEnumerable<XElement> operations)
    {
        _reader = reader;
        _context = context;
        All = [.. operations.Select(Read)];
    }

    public static OperationTable Empty { get; } = new();

    public IReadOnlyList<Operation> All { get; } = [];

    /// <summary>The configured operation of this name and interval; migrations fall back to <c>migrate</c>.</summary>
    public Operation? Find(string name, long intervalMs, bool enabledOnly = false) =>
        All.FirstOrDefault(o => o.Name == name && o.IntervalMs == intervalMs && (o.Enabled || !enabledOnly))
        ?? (name is "migrate_to" or "migrate_from"
            ? All.FirstOrDefault(o => o.Name == "migrate" && (o.Enabled || !enabledOnly))
            : null);

    /// <summary>The meta table of an operation: XML attributes, its blocks, op_defaults; timeout in ms filled.</summary>
    public IReadOnlyDictionary<string, string> Meta(string name, long intervalMs)
    {
        if (_meta.TryGetValue((name, intervalMs), out Dictionary<string, string>? known))
        {
            return known;
        }

        var meta = new Dictionary<string, string>(StringComparer.Ordinal);
        _meta[(name, intervalMs)] = meta;
        if (_reader is null || _context is null)
        {
            meta["timeout"] = DefaultTimeoutMs.ToString(CultureInfo.InvariantCulture);
            return meta;
        }

        Operation? operation = Find(name, intervalMs);
        RuleContext context = _context with { OperationName = name, OperationIntervalMs = intervalMs };
        if (operation is not null)
        {
            foreach (XAttribute a in operation.Element.Attributes())
            {
                meta.TryAdd(a.Name.LocalName, a.Value);
            }

            _reader.Fill(meta, operation.Element, "meta_attributes", context);
        }
        else if (name == "monitor" && intervalMs == 0 && ProbeTimeout() is { } timeout)
        {
            meta["timeout"] = timeout;
        }

        _reader.Fill(meta, _reader.Section("op_defaults"), "meta_attributes", context);
        meta.Remove("id");
        meta.Remove("interval");
        if (intervalMs > 0)
        {
            meta["interval"] = intervalMs.ToString(CultureInfo.InvariantCulture);
        }

        if (_context.Class == "stonith" && ((name == "start") || (name == "monitor" && intervalMs == 0))
            && _context.Params?.GetValueOrDefault("pcmk_monitor_timeout") is { } fence)
        {
            meta["timeout"] = fence;
        }

        long ms = Values.Duration(meta.GetValueOrDefault("timeout")) is > 0 and long t ? t : DefaultTimeoutMs;
        meta["timeout"] = ms.ToString(CultureInfo.InvariantCulture);
        if (Values.Duration(meta.GetValueOrDefault("start-delay")) is { } delay)
        {
            meta["start-delay"] = delay.ToString(CultureInfo.InvariantCulture);
        }

        return meta;
    }

    public long TimeoutMs(string name, long intervalMs) =>
        Values.Number(Meta(name, intervalMs)["timeout"]) ?? DefaultTimeoutMs;

    /// <summary>The operation's own instance attributes.</summary>
    public IReadOnlyDictionary<string, string> Parameters(string name, long intervalMs)
    {
        var table = new Dictionary<string, string>(StringComparer.Ordinal);
        if (_reader is not null && _context is not null && Find(name, intervalMs) is { } operation)
        {
            _reader.Fill(
                table, operation.Element, "instance_attributes",
                _context with { OperationName = name, OperationIntervalMs = intervalMs });
        }

        return table;
    }

    private static Operation Read(XElement e) => new()
    {
        Element = e,
        Id = (string?)e.Attribute("id") ?? "",
        Name = (string?)e.Attribute("name") ?? "",
        IntervalMs = Math.Max(0, Values.Duration((string?)e.Attribute("interval")) ?? 0),
        Enabled = Values.Bool((string?)e.Attribute("enabled")) ?? true,
        Role = Roles.Parse((string?)e.Attribute("role")),
    };

    private string? ProbeTimeout() =>
        All.Where(o => o is { Name: "monitor", IntervalMs: > 0, Enabled: true })
            .OrderBy(o => o.IntervalMs)
            .Select(o => Meta(o.Name, o.IntervalMs)["timeout"] + "ms")
            .FirstOrDefault();
}
