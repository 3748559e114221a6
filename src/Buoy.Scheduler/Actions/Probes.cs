using System.Globalization;

namespace Buoy.Scheduler;

/// <summary>Probes: asks each node once about each resource (SCHEDULER 4.2).</summary>
internal sealed class Probes(Cluster cluster, ActionFactory actions, OrderBook orders)
{
    public void Create()
    {
        if (!cluster.Options.StartupProbes)
        {
            return;
        }

        foreach (Node node in cluster.Nodes)
        {
            if (!node.Online || node.Unclean || node.Kind != NodeKind.Cluster)
            {
                continue;
            }

            foreach (Resource resource in cluster.Resources)
            {
                Probe(resource, node);
            }
        }
    }

    private void Probe(Resource resource, Node node)
    {
        switch (resource.Kind)
        {
            case ResourceKind.Leaf:
                ProbeLeaf(resource, node);
                break;
            case ResourceKind.Clone when !resource.Unique:
                ProbeAnonymous(resource, node);
                break;
            default:
                foreach (Resource child in resource.Children)
                {
                    Probe(child, node);
                }

                break;
        }
    }

    private void ProbeAnonymous(Resource clone, Node node)
    {
        if (clone.Children.Count == 0)
        {
            return;
        }

        Resource instance = clone.Children.Find(i => i.Leafs().Any(l => l.KnownOn.Contains(node) && l.ActiveOn.Contains(node)))
            ?? clone.Children.Find(i => i.Leafs().First().Assigned == node)
            ?? clone.Children[0];
        if (instance.IsLeaf && clone.KnownOn.Contains(node))
        {
            return;
        }

        foreach (Resource leaf in instance.Leafs())
        {
            if (clone.Children.SelectMany(i => i.Leafs()).Any(l => l.XmlId == leaf.XmlId && l.KnownOn.Contains(node)))
            {
                continue;
            }

            ProbeLeaf(leaf, node);
        }
    }

    private void ProbeLeaf(Resource leaf, Node node)
    {
        if (leaf.Removed || leaf.KnownOn.Contains(node))
        {
            return;
        }

        Discovery mode = leaf.DiscoveryModes.GetValueOrDefault(node);
        if (mode == Discovery.Never || (leaf.ExclusiveDiscovery && mode != Discovery.Exclusive))
        {
            return;
        }

        PlannedAction probe = actions.Plan(leaf, "monitor", node, optional: false);
        probe.Optional = false;
        int? expected = !leaf.ActiveOn.Contains(node) ? 7 : leaf.Role == ResourceRole.Promoted ? 8 : null;
        probe.ExpectedRc = expected;
        if (expected is int rc)
        {
            probe.Meta["op_target_rc"] = rc.ToString(CultureInfo.InvariantCulture);
        }

        Resource first = leaf.IsInClone ? leaf.Top : leaf;
        OrderKinds kinds = OrderKinds.Sequence;
        if (!probe.Runnable && leaf.ActiveOn.Count == 0)
        {
            kinds |= OrderKinds.Gate;
        }

        orders.Add(OrderSide.Of(probe), OrderSide.Of(first, "start"), kinds);
        orders.Add(OrderSide.Of(probe), OrderSide.Of(leaf, "reload-agent"), OrderKinds.Sequence);
    }
}
