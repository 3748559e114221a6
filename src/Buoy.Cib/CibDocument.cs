using System.Xml.Linq;

namespace Buoy.Cib;

/// <summary>
/// A CIB: Pacemaker's XML, status section included, with its version. The XML is the model's storage, so that nothing
/// a user
/// wrote is lost; typed readers of single objects stand beside it. Not thread-safe: one owner changes it.
/// </summary>
public sealed partial class CibDocument
{
    /// <summary>The schema that new CIBs name.</summary>
    public const string ValidateWith = "pacemaker-3.9";

    /// <summary>The feature set that operations are recorded with; agents compare it.</summary>
    public const string FeatureSet = "3.16.1";

    private CibDocument(XElement root) => Root = root;

    /// <summary>The <c>cib</c> element. Readers may look, only this class changes it.</summary>
    public XElement Root { get; private set; }

    /// <summary>admin_epoch.epoch.num_updates; absent ones count as 0.</summary>
    public CibVersion Version => new(Number("admin_epoch"), Number("epoch"), Number("num_updates"));

    /// <summary>A new CIB with Pacemaker's empty sections, version 0.0.0.</summary>
    public static CibDocument Empty() => Parse(
        $"""
        <cib crm_feature_set="{FeatureSet}" validate-with="{ValidateWith}" epoch="0" num_updates="0" admin_epoch="0">
          <configuration><crm_config/><nodes/><resources/><constraints/></configuration>
          <status/>
        </cib>
        """);

    /// <summary>Reads a <c>cib</c> element. Throws <see cref="CibException"/> (78) with line and column when it is not
    /// one.</summary>
    public static CibDocument Parse(string xml)
    {
        XElement root;
        try
        {
            root = XElement.Parse(xml, LoadOptions.SetLineInfo);
        }
        catch (System.Xml.XmlException e)
        {
            throw new CibException(78, $"not XML: {e.Message}");
        }

        return root.Name == "cib"
            ? new CibDocument(root)
            : throw new CibException(78, $"expected a <cib> element, found <{root.Name}>");
    }

    /// <summary>A document over an element that the caller owns; changes go to that element.</summary>
    public static CibDocument Over(XElement root) => root.Name == "cib"
        ? new CibDocument(root)
        : throw new CibException(78, $"expected a <cib> element, found <{root.Name}>");

    /// <summary>A copy that shares nothing.</summary>
    public CibDocument Clone() => new(new XElement(Root));

    private long Number(string name) => long.TryParse((string?)Root.Attribute(name), out long n) ? n : 0;
}
