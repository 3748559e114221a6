using System.Globalization;
using System.Text;

namespace Buoy.Scheduler;

/// <summary>A transition as graph XML (SCHEDULER 6.5).</summary>
public static class GraphXml
{
    /// <summary>The <c>transition_graph</c> element as text.</summary>
    public static string Write(Transition transition, int transitionId = 1)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"<transition_graph cluster-delay=\"{XmlText.Escape(transition.ClusterDelay)}\"");
        text.Append(CultureInfo.InvariantCulture, $" fencing-timeout=\"{XmlText.Escape(transition.FencingTimeout)}\"");
        text.Append(" failed-stop-offset=\"INFINITY\" failed-start-offset=\"");
        text.Append(transition.StartFailureIsFatal ? "INFINITY" : "1").Append('"');
        text.Append(CultureInfo.InvariantCulture, $" batch-limit=\"{transition.BatchLimit}\"");
        text.Append(CultureInfo.InvariantCulture, $" transition_id=\"{transitionId}\"");
        if (transition.MigrationLimit > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $" migration-limit=\"{transition.MigrationLimit}\"");
        }

        if (transition.RecheckBy is { } recheck)
        {
            text.Append(CultureInfo.InvariantCulture, $" recheck-by=\"{recheck.ToUnixTimeSeconds()}\"");
        }

        text.Append(">\n");
        Dictionary<int, GraphAction> byId = transition.Synapses.ToDictionary(s => s.Action.Id, s => s.Action);
        foreach (Synapse synapse in transition.Synapses)
        {
            text.Append(CultureInfo.InvariantCulture, $"  <synapse id=\"{synapse.Id}\"");
            if (synapse.Priority > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $" priority=\"{synapse.Priority}\"");
            }

            text.Append(">\n    <action_set>\n");
            Action(text, synapse.Action, "      ", full: true);
            text.Append("    </action_set>\n");
            if (synapse.Inputs.Count == 0)
            {
                text.Append("    <inputs/>\n");
            }
            else
            {
                text.Append("    <inputs>\n");
                foreach (int input in synapse.Inputs.Order())
                {
                    text.Append("      <trigger>\n");
                    Action(text, byId[input], "        ", full: false);
                    text.Append("      </trigger>\n");
                }

                text.Append("    </inputs>\n");
            }

            text.Append("  </synapse>\n");
        }

        return text.Append("</transition_graph>\n").ToString();
    }

    private static void Action(StringBuilder text, GraphAction action, string indent, bool full)
    {
        string element = action.Kind switch
        {
            ActionKind.Pseudo => "pseudo_event",
            ActionKind.Cluster => "crm_event",
            _ => "rsc_op",
        };
        text.Append(CultureInfo.InvariantCulture, $"{indent}<{element} id=\"{action.Id}\" operation=\"{action.Task}\"");
        Attribute(text, "mode", action.Task == "lrm_delete" ? "cib" : null);
        Attribute(text, "operation_key", action.Key);
        Attribute(text, "internal_operation_key", action.InternalKey);
        Attribute(text, "on_node", action.Node);
        Attribute(text, "on_node_uuid", action.NodeId);
        if (!full)
        {
            text.Append("/>\n");
            return;
        }

        text.Append(">\n");
        if (action.Resource is { } resource)
        {
            text.Append(indent).Append("  <primitive");
            Attribute(text, "id", resource.Id);
            Attribute(text, "long-id", resource.LongId);
            Attribute(text, "class", resource.Class);
            Attribute(text, "provider", resource.Provider);
            Attribute(text, "type", resource.Type);
            text.Append("/>\n");
        }

        text.Append(indent).Append("  <attributes");
        foreach ((string name, string value) in action.Attributes)
        {
            // A parameter whose name cannot be an XML attribute's cannot stand here.
            if (System.Xml.XmlReader.IsName(name))
            {
                Attribute(text, name, value);
            }
        }

        text.Append("/>\n");
        if (action.Downed.Count > 0)
        {
            text.Append(indent).Append("  <downed>\n");
            foreach (string id in action.Downed)
            {
                text.Append(CultureInfo.InvariantCulture, $"{indent}    <node id=\"{XmlText.Escape(id)}\"/>\n");
            }

            text.Append(indent).Append("  </downed>\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"{indent}</{element}>\n");
    }

    private static void Attribute(StringBuilder text, string name, string? value)
    {
        if (value is not null)
        {
            text.Append(' ').Append(name).Append("=\"").Append(XmlText.Escape(value)).Append('"');
        }
    }
}
