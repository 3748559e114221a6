using System.Text.RegularExpressions;

namespace Buoy.Shell.Language;

/// <summary>The short names for XPaths in access rules, as crmsh(8) lists them, both ways.</summary>
internal static partial class AclShortcuts
{
    /// <summary>The XPath of a shortcut, or null where the word is none.</summary>
    public static string? Expand(string word, string rest)
    {
        string[] parts = rest.Length == 0 ? [] : rest.Split(':');
        return (word, parts.Length) switch
        {
            ("cib", 0) => "/cib",
            ("status", 0) => "/cib/status",
            ("node", 0) => "//nodes/node",
            ("node", 1) => $"//nodes/node[@uname='{parts[0]}']",
            ("property", 0) => "//crm_config/cluster_property_set/nvpair",
            ("property", 1) => $"//crm_config/cluster_property_set/nvpair[@name='{parts[0]}']",
            ("nodeattr", 0) => "//nodes/node/instance_attributes/nvpair",
            ("nodeattr", 1) => $"//nodes/node/instance_attributes/nvpair[@name='{parts[0]}']",
            ("nodeutil", 0) => "//nodes/node/utilization/nvpair",
            ("nodeutil", 1) => $"//nodes/node[@uname='{parts[0]}']/utilization/nvpair",
            ("location", 0) => "//constraints/rsc_location",
            ("location", 1) => $"//constraints/rsc_location[@id='{parts[0]}']",
            ("rscstatus" or "nodestatus", _) => null,
            (_, 1) when Set(word) is { } set => $"//primitive[@id='{parts[0]}']/{set}",
            (_, 2) when Set(word) is { } set => $"//primitive[@id='{parts[0]}']/{set}/nvpair[@name='{parts[1]}']",
            _ => null,
        };
    }

    /// <summary>The shortcut of an XPath, or null where there is none.</summary>
    public static string? Shorten(string xpath)
    {
        switch (xpath)
        {
            case "/cib":
                return "cib";
            case "/cib/status":
                return "status";
            case "//nodes/node":
                return "node";
        }

        if (NodePath().Match(xpath) is { Success: true } n)
        {
            return "node:" + n.Groups[1].Value;
        }

        if (PropertyPath().Match(xpath) is { Success: true } p)
        {
            return "property" + (p.Groups[1].Success ? ":" + p.Groups[1].Value : "");
        }

        if (SetPath().Match(xpath) is { Success: true } s)
        {
            string word = s.Groups[2].Value switch { "meta_attributes" => "meta", "instance_attributes" => "params",
                _ => "utilization" };
            return $"{word}:{s.Groups[1].Value}" + (s.Groups[3].Success ? ":" + s.Groups[3].Value : "");
        }

        return null;
    }

    private static string? Set(string word) => word switch
    {
        "meta" => "meta_attributes",
        "params" => "instance_attributes",
        "utilization" => "utilization",
        _ => null,
    };

    [GeneratedRegex(@"^//nodes/node\[@uname='([^']+)'\]$")]
    private static partial Regex NodePath();

    [GeneratedRegex(@"^//crm_config/cluster_property_set/nvpair(?:\[@name='([^']+)'\])?$")]
    private static partial Regex PropertyPath();

    [GeneratedRegex(@"^//primitive\[@id='([^']+)'\]/(meta_attributes|instance_attributes|utilization)(?:/nvpair\[@name='([^']+)'\])?$")]
    private static partial Regex SetPath();
}
