using System.Xml.Linq;

namespace Buoy.Cib;

/// <summary>Typed helpers for the status section and single attributes.</summary>
public sealed partial class CibDocument
{
    /// <summary>The <c>node_state</c> of a node, made where there is none.</summary>
    public XElement NodeState(string id, string uname)
    {
        XElement status = Root.Element("status") ?? AddTo(Root, new XElement("status"));
        foreach (XElement e in status.Elements("node_state"))
        {
            if ((string?)e.Attribute("id") == id)
            {
                return e;
            }
        }

        return AddTo(status, new XElement("node_state", new XAttribute("id", id), new XAttribute("uname", uname)));
    }

    /// <summary>Sets a transient attribute (null removes it) with Pacemaker's ids: <c>status-ID-NAME</c>.</summary>
    public void SetTransientAttribute(string nodeId, string uname, string name, string? value)
    {
        XElement state = NodeState(nodeId, uname);
        XElement transient = state.Element("transient_attributes")
            ?? AddTo(state, new XElement("transient_attributes", new XAttribute("id", nodeId)));
        XElement set = transient.Element("instance_attributes")
            ?? AddTo(transient, new XElement("instance_attributes", new XAttribute("id", $"status-{nodeId}")));
        XElement? pair = set.Elements("nvpair").FirstOrDefault(p => (string?)p.Attribute("name") == name);
        if (value is null)
        {
            pair?.Remove();
        }
        else if (pair is not null)
        {
            pair.SetAttributeValue("value", value);
        }
        else
        {
            set.Add(new XElement("nvpair", new XAttribute("id", $"status-{nodeId}-{SafeId(name)}"),
                new XAttribute("name", name), new XAttribute("value", value)));
        }
    }

    /// <summary>Pacemaker's form of a name inside an id: what an XML id cannot hold becomes a full stop.</summary>
    public static string SafeId(string name) =>
        string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '.'));

    /// <summary>The nodes of the configuration: id and name.</summary>
    public IEnumerable<(string Id, string Uname)> Nodes() =>
        (Section("nodes")?.Elements("node") ?? []).Select(n => ((string?)n.Attribute("id") ?? "",
            (string?)n.Attribute("uname") ?? ""));

    /// <summary>A cluster property of the first set that has it.</summary>
    public string? Property(string name) =>
        (string?)Section("crm_config")?.Elements("cluster_property_set").Elements("nvpair")
            .FirstOrDefault(p => (string?)p.Attribute("name") == name)?.Attribute("value");

    private static XElement AddTo(XElement parent, XElement child)
    {
        parent.Add(child);
        return child;
    }
}
