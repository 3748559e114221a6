using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Buoy.Cib;

namespace Buoy.Cluster.Controller;

/// <summary>This node's copy of the CIB: the same version and bytes on every member after the same messages.</summary>
internal sealed class CibReplica(XElement root)
{
    private static readonly string[] Sections = ["crm_config", "nodes", "resources", "constraints"];

    public XElement Root { get; private set; } = Complete(root);

    public CibVersion Version => new(Number("admin_epoch"), Number("epoch"), Number("num_updates"));

    public XElement Configuration => Root.Element("configuration")!;

    public XElement Status => Root.Element("status")!;

    /// <summary>MD5 of the unformatted text, in hex: differs where two replicas differ.</summary>
    public string Digest() =>
        Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(Root.ToString(SaveOptions.DisableFormatting))));

    /// <summary>The configuration as it goes to disk: without status and without what only holds in a view.</summary>
    public string Persistent()
    {
        var copy = new XElement(Root);
        copy.Element("status")!.RemoveNodes();
        copy.SetAttributeValue("num_updates", 0);
        copy.SetAttributeValue("have-quorum", null);
        copy.SetAttributeValue("dc-uuid", null);
        return copy.ToString();
    }

    public void Replace(XElement root) => Root = Complete(root);

    public void BumpUpdates() => Set("num_updates", Number("num_updates") + 1);

    /// <summary>The configuration changed: epoch + 1, num_updates 0, and who did it.</summary>
    public void BumpEpoch(long at, string origin, string client, string user)
    {
        Set("epoch", Number("epoch") + 1);
        Set("num_updates", 0);
        // As ctime(3) writes it, which is what Pacemaker's tools read.
        var t = DateTimeOffset.FromUnixTimeSeconds(at);
        Root.SetAttributeValue("cib-last-written", t.ToString("ddd MMM ", CultureInfo.InvariantCulture)
            + t.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2) + t.ToString(" HH:mm:ss yyyy",
                CultureInfo.InvariantCulture));
        Root.SetAttributeValue("update-origin", origin);
        Root.SetAttributeValue("update-client", client);
        Root.SetAttributeValue("update-user", user);
    }

    /// <summary>Value of a cluster option: cib-bootstrap-options first, then the other sets in file order; null if not
    /// set.</summary>
    public string? Option(string name) => Configuration.Element("crm_config")!.Elements("cluster_property_set")
        .OrderBy(s => (string?)s.Attribute("id") == "cib-bootstrap-options" ? 0 : 1)
        .SelectMany(s => s.Elements("nvpair"))
        .Where(p => (string?)p.Attribute("name") == name)
        .Select(p => (string?)p.Attribute("value")).FirstOrDefault();

    private static XElement Complete(XElement root)
    {
        var configuration = root.Element("configuration");
        if (configuration is null)
        {
            root.AddFirst(configuration = new XElement("configuration"));
        }

        foreach (string s in Sections.Where(s => configuration.Element(s) is null))
        {
            configuration.Add(new XElement(s));
        }

        if (root.Element("status") is null)
        {
            root.Add(new XElement("status"));
        }

        return root;
    }

    private long Number(string name) => long.TryParse((string?)Root.Attribute(name), out long n) ? n : 0;

    private void Set(string name, long value) => Root.SetAttributeValue(name,
        value.ToString(CultureInfo.InvariantCulture));
}
