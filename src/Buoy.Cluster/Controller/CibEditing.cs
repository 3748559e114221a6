using System.Xml.Linq;
using Buoy.Cib;

namespace Buoy.Cluster.Controller;

/// <summary>The editor of real clusters: cibadmin's operations, then validation where the configuration is
/// touched.</summary>
public static class CibEditing
{
    /// <summary>A <see cref="CibEditor"/>. Throws <see cref="CibException"/> with all that is wrong, a line
    /// each.</summary>
    public static XElement Apply(XElement cib, IReadOnlyList<CibOperation> operations)
    {
        var document = CibDocument.Parse(cib.ToString(SaveOptions.DisableFormatting));
        document.Apply(operations);
        if (CibDocument.TouchesConfiguration(operations) && document.Validate() is { Count: > 0 } problems)
        {
            throw new CibException(78, string.Join('\n', problems));
        }

        return document.Root;
    }
}
