using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Instance attributes of a leaf: its own blocks, then those of its parents; rules may look at the node.</summary>
internal sealed class ParameterSource(ConfigReader? reader, RuleContext? context, IReadOnlyList<XElement> elements)
{
    private readonly Dictionary<string, IReadOnlyDictionary<string, string>> _perNode = new(StringComparer.Ordinal);

    public static ParameterSource None { get; } = new(null, null, []);

    /// <summary>The parameters as they are on a node (null: as far as no node is needed).</summary>
    public IReadOnlyDictionary<string, string> On(Node? node)
    {
        if (_perNode.TryGetValue(node?.Name ?? "", out IReadOnlyDictionary<string, string>? known))
        {
            return known;
        }

        var table = new Dictionary<string, string>(StringComparer.Ordinal);
        if (reader is not null && context is not null)
        {
            RuleContext here = context with { NodeAttributes = node?.Attributes };
            foreach (XElement element in elements)
            {
                reader.Fill(table, element, "instance_attributes", here);
            }
        }

        _perNode[node?.Name ?? ""] = table;
        return table;
    }
}
