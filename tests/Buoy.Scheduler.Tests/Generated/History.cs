using System.Globalization;
using System.Xml.Linq;

namespace Buoy.Scheduler.Tests.Generated;

/// <summary>The recorded operations of one resource on one node.</summary>
internal sealed class History(XElement element, string name, LeafSpec leaf, Func<string, string?> digest)
{
    private const string Uuid = "11111111-1111-1111-1111-111111111111";

    /// <summary>Adds one result.</summary>
    /// <param name="id">The entry's id.</param>
    /// <param name="call">The call's number; -1 for a pending one.</param>
    /// <param name="status">The operation's status; 0 = done, -1 = pending.</param>
    /// <param name="later">Seconds after the common time of recording.</param>
    public XElement Add(string task, long interval, int rc, int expected, string id, int call, int status = 0, int later = 0)
    {
        string right = OperationDigest.All(leaf.Parameters, new Dictionary<string, string>(), interval, 20000).All;
        string key = string.Create(CultureInfo.InvariantCulture, $"1:1:{expected}:{Uuid}");
        var entry = new XElement(
            "lrm_rsc_op", new XAttribute("id", status == -1 ? id + "_pending" : id),
            new XAttribute("operation_key", string.Create(CultureInfo.InvariantCulture, $"{name}_{task}_{interval}")),
            new XAttribute("operation", task), new XAttribute("crm_feature_set", "3.16.1"),
            new XAttribute("transition-key", key),
            new XAttribute("transition-magic", string.Create(CultureInfo.InvariantCulture, $"{status}:{rc};{key}")),
            new XAttribute("call-id", call), new XAttribute("rc-code", rc), new XAttribute("op-status", status),
            new XAttribute("interval", interval), new XAttribute("last-rc-change", WideCib.Recorded + later));
        if (digest(right) is { } written)
        {
            entry.SetAttributeValue("op-digest", written);
        }

        element.Add(entry);
        return entry;
    }

    public void Migration(string task, int rc, int call, string source, string target)
    {
        XElement entry = Add(task, 0, rc, 0, rc == 0 ? $"{name}_last_0x" : $"{name}_last_failure_0", call);
        entry.SetAttributeValue("id", task == "migrate_to" ? $"{name}_migrate_to_0" : $"{name}_last_0");
        entry.SetAttributeValue("migrate_source", source);
        entry.SetAttributeValue("migrate_target", target);
    }
}
