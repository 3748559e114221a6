using System.Xml.Linq;

namespace Buoy.Scheduler.Tests.Generated;

/// <summary>
/// What a cluster does after a transition and a simulation does not: cancelled operations, cleaned-up histories and fail counts
/// are gone, pending operations have ended, nodes that were to shut down are down.
/// </summary>
internal static class FinishedWork
{
    public static void Apply(XElement cib, Transition transition)
    {
        cib.Descendants("lrm_rsc_op").Where(o => (string?)o.Attribute("op-status") == "-1").Remove();
        foreach (GraphAction action in transition.Synapses.Select(s => s.Action))
        {
            XElement? state = cib.Descendants("node_state").FirstOrDefault(s => (string?)s.Attribute("uname") == action.Node);
            if (state is null)
            {
                continue;
            }

            switch (action.Task)
            {
                case "cancel":
                    state.Descendants("lrm_rsc_op").Where(o => (string?)o.Attribute("operation_key") == action.Key).Remove();
                    break;
                case "delete":
                    state.Descendants("lrm_resource").Where(r => Names(r, action)).Remove();
                    break;
                case "clear_failcount":
                    Forgive(state, action);
                    break;
                case "do_shutdown":
                    state.SetAttributeValue("in_ccm", "false");
                    state.SetAttributeValue("crmd", "offline");
                    state.SetAttributeValue("join", "down");
                    state.SetAttributeValue("expected", "down");
                    state.RemoveNodes();
                    break;
            }
        }
    }

    private static void Forgive(XElement state, GraphAction action)
    {
        foreach (string? name in (string?[])[action.Resource?.Id, action.Resource?.LongId])
        {
            state.Descendants("nvpair").Where(p => name is not null
                && ((string?)p.Attribute("name"))?.Split('#')[0] is { } attribute
                && (attribute == "fail-count-" + name || attribute == "last-failure-" + name)).Remove();
        }

        state.Descendants("lrm_resource").Where(r => Names(r, action)).Elements("lrm_rsc_op")
            .Where(o => ((string?)o.Attribute("id"))?.EndsWith("_last_failure_0", StringComparison.Ordinal) == true).Remove();
    }

    private static bool Names(XElement history, GraphAction action) =>
        (string?)history.Attribute("id") is { } id && (id == action.Resource?.Id || id == action.Resource?.LongId);
}
