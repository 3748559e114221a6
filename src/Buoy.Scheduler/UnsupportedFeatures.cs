using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>What a configuration asks for that the scheduler does not honour yet.</summary>
public static class UnsupportedFeatures
{
    /// <summary>One sentence for each such thing, naming its element; empty when all of the configuration is honoured.</summary>
    public static IReadOnlyList<string> Find(XElement cib)
    {
        var found = new List<string>();
        XElement? configuration = cib.Element("configuration");
        if (configuration is null)
        {
            return found;
        }

        foreach (XElement bundle in configuration.Descendants("bundle"))
        {
            found.Add($"bundle '{Id(bundle)}': bundles are not supported yet");
        }

        foreach (XElement primitive in configuration.Descendants("primitive"))
        {
            if ((string?)primitive.Attribute("class") == "ocf" && (string?)primitive.Attribute("provider") == "pacemaker"
                && (string?)primitive.Attribute("type") == "remote")
            {
                found.Add($"primitive '{Id(primitive)}': remote nodes (ocf:pacemaker:remote) are not supported yet");
            }
        }

        foreach (XElement node in configuration.Elements("nodes").Elements("node"))
        {
            if ((string?)node.Attribute("type") == "remote")
            {
                found.Add($"node '{(string?)node.Attribute("uname")}': remote nodes are not supported yet");
            }
        }

        foreach (XElement pair in configuration.Descendants("nvpair"))
        {
            AddPair(found, pair);
        }

        return found;
    }

    private static void AddPair(List<string> found, XElement pair)
    {
        string name = (string?)pair.Attribute("name") ?? "";
        string value = (string?)pair.Attribute("value") ?? "";
        XElement? block = pair.Parent;
        XElement? owner = block?.Parent;
        string where = owner is null || owner.Attribute("id") is null
            ? $"nvpair '{Id(pair)}'"
            : $"{owner.Name.LocalName} '{Id(owner)}'";
        bool meta = block?.Name.LocalName == "meta_attributes";
        bool property = block?.Name.LocalName == "cluster_property_set";
        bool on = Values.Bool(value) == true;
        string? sentence = name switch
        {
            "remote-node" when meta => "guest nodes (remote-node) are not supported yet",
            "container" when meta => "resources inside a container are not supported yet",
            "requires" or "provides" when meta && value == "unfencing" => "unfencing is not supported yet",
            "placement-strategy" when property && value != "default" =>
                $"placement-strategy {value} is not supported yet; only default is",
            "shutdown-lock" when property && on => "shutdown-lock is not supported yet",
            _ => null,
        };
        if (sentence is not null)
        {
            found.Add(property ? $"property '{name}': {sentence}" : $"{where}: {sentence}");
        }
    }

    private static string Id(XElement e) => (string?)e.Attribute("id") ?? "";
}
