using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;

namespace Buoy.Cluster.Controller;

/// <summary>
/// <c>op-digest</c> of the history: MD5 of a blank, the element <c>parameters</c> and a newline, its attributes sorted by name.
/// The scheduler compares it with the configuration's (SCHEDULER, "Configuration changes").
/// </summary>
internal static class OperationDigest
{
    private static readonly HashSet<string> Left =
        ["id", "crm_feature_set", "on_node", "on_node_uuid", "op-digest", "pcmk_external_ip"];

    public static string Of(IReadOnlyDictionary<string, string> attributes, long intervalMs)
    {
        var element = new XElement("parameters");
        foreach (var (name, value) in attributes.OrderBy(a => a.Key, StringComparer.Ordinal))
        {
            bool meta = name.StartsWith("CRM_meta_", StringComparison.Ordinal);
            if (!Left.Contains(name) && (!meta || (intervalMs > 0 && name == "CRM_meta_timeout")))
            {
                element.SetAttributeValue(name, value);
            }
        }

        string text = " " + element.ToString(SaveOptions.DisableFormatting).Replace(" />", "/>", StringComparison.Ordinal) + "\n";
        return Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(text)));
    }
}
