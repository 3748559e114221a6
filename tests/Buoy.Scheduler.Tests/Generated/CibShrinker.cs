using System.Xml.Linq;

namespace Buoy.Scheduler.Tests.Generated;

/// <summary>Makes a CIB smaller while what was observed with it stays: leaves out one element after the other.</summary>
internal static class CibShrinker
{
    private static readonly string[] Whole =
    [
        "rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket", "ticket_state", "nvpair", "op", "lrm_resource", "lrm_rsc_op",
        "meta_attributes", "instance_attributes", "operations", "utilization", "transient_attributes", "resource_ref",
    ];

    public static XElement Shrink(XElement cib, Func<XElement, bool> still)
    {
        bool smaller = true;
        while (smaller)
        {
            smaller = false;
            foreach (string id in cib.Descendants().Where(e => e.Name.LocalName is "primitive" or "group" or "clone")
                .Select(e => (string)e.Attribute("id")!).Where(id => id != "fencer").ToArray())
            {
                smaller |= Try(ref cib, still, c => WithoutResource(c, id));
            }

            foreach (string id in cib.Descendants("node").Select(e => (string)e.Attribute("id")!).ToArray())
            {
                smaller |= Try(ref cib, still, c => c.Descendants().Where(
                    e => e.Name.LocalName is "node" or "node_state" && (string?)e.Attribute("id") == id).Remove());
            }

            int count = cib.Descendants().Count(MayGo);
            for (int i = count - 1; i >= 0; i--)
            {
                int at = i;
                smaller |= Try(
                    ref cib, still,
                    c => c.Descendants().Where(MayGo).ElementAtOrDefault(at)?.Remove());
            }
        }

        return cib;
    }

    /// <summary>Fencing, and what makes a clone promotable, stay: without them constraints lose their sense.</summary>
    private static bool MayGo(XElement e) => Whole.Contains(e.Name.LocalName)
        && !e.DescendantsAndSelf("nvpair").Any(p => (string?)p.Attribute("name") is "stonith-enabled" or "promotable" or "globally-unique");

    private static void WithoutResource(XElement cib, string id)
    {
        XElement? resource = cib.Descendants().FirstOrDefault(
            e => e.Name.LocalName is "primitive" or "group" or "clone" && (string?)e.Attribute("id") == id);
        if (resource is null || resource.Parent!.Name.LocalName is "clone" || resource.Parent.Elements(resource.Name).Count() == 1
            && resource.Parent.Name.LocalName == "group")
        {
            return;
        }

        string[] ids = [.. resource.DescendantsAndSelf().Where(e => e.Name.LocalName is "primitive" or "group" or "clone")
            .Select(e => (string)e.Attribute("id")!)];
        resource.Remove();
        cib.Descendants().Where(e => e.Name.LocalName is "rsc_location" or "rsc_colocation" or "rsc_order" or "rsc_ticket"
            && e.DescendantsAndSelf().Attributes().Any(a => a.Name.LocalName is "rsc" or "with-rsc" or "first" or "then"
                && ids.Contains(a.Value))).Remove();
        cib.Descendants("resource_ref").Where(e => ids.Contains((string?)e.Attribute("id"))).Remove();
        cib.Descendants("resource_set").Where(e => !e.HasElements).Remove();
        cib.Descendants("lrm_resource").Where(e => ids.Contains(((string)e.Attribute("id")!).Split(':')[0])).Remove();
    }

    private static bool Try(ref XElement cib, Func<XElement, bool> still, Action<XElement> change)
    {
        var smaller = new XElement(cib);
        change(smaller);
        if (smaller.Descendants().Count() >= cib.Descendants().Count() || !still(smaller))
        {
            return false;
        }

        cib = smaller;
        return true;
    }
}
