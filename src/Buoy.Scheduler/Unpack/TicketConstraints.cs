using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Ticket constraints (SCHEDULER 3.10).</summary>
internal sealed class TicketConstraints(Cluster cluster, Fencing fencing)
{
    private enum Loss
    {
        Stop,
        Demote,
        Fence,
        Freeze,
    }

    public void Read(XElement e)
    {
        string name = (string?)e.Attribute("ticket") ?? "";
        if (!cluster.Tickets.TryGetValue(name, out Ticket? ticket))
        {
            cluster.Tickets[name] = ticket = new Ticket(name);
        }

        string? policy = ((string?)e.Attribute("loss-policy"))?.ToLowerInvariant();
        if (e.Elements("resource_set").Any())
        {
            foreach (XElement set in e.Elements("resource_set"))
            {
                foreach (XElement member in set.Elements("resource_ref"))
                {
                    Apply(ticket, (string?)member.Attribute("id"), (string?)set.Attribute("role"), policy);
                }
            }

            return;
        }

        Apply(ticket, (string?)e.Attribute("rsc"), (string?)e.Attribute("rsc-role"), policy);
    }

    private void Apply(Ticket ticket, string? id, string? roleText, string? policy)
    {
        if (id is null)
        {
            return;
        }

        ResourceRole role = Roles.Parse(roleText) ?? ResourceRole.Unknown;
        Loss loss = policy switch
        {
            "demote" => Loss.Demote,
            "fence" when cluster.FencingOn => Loss.Fence,
            "freeze" => Loss.Freeze,
            null when role == ResourceRole.Promoted => Loss.Demote,
            _ => Loss.Stop,
        };
        IEnumerable<Resource> resources = cluster.FindForConstraint(id) is { } one
            ? [one]
            : (cluster.Tags.GetValueOrDefault(id) ?? cluster.Templates.GetValueOrDefault(id) ?? [])
                .Select(cluster.FindForConstraint).OfType<Resource>();
        foreach (Resource resource in resources)
        {
            if (role == ResourceRole.Promoted)
            {
                resource.PromotionTickets.Add(ticket);
            }

            foreach (Resource part in Parts(resource))
            {
                ApplyTo(ticket, part, role, loss);
            }
        }
    }

    private static IEnumerable<Resource> Parts(Resource r) => r.Children.SelectMany(Parts).Prepend(r);

    private void ApplyTo(Ticket ticket, Resource resource, ResourceRole role, Loss loss)
    {
        if (!resource.IsLeaf)
        {
            return;
        }

        bool active = resource.ActiveOn.Count > 0;
        if (!ticket.Granted && active)
        {
            ApplyLoss(resource, role, loss);
        }
        else if (!ticket.Granted || ticket.Standby)
        {
            if (role != ResourceRole.Promoted || loss == Loss.Stop)
            {
                BanEverywhere(resource);
            }
        }
    }

    private void ApplyLoss(Resource leaf, ResourceRole role, Loss loss)
    {
        bool roleFits = role is ResourceRole.Unknown or ResourceRole.Started || role == leaf.Role;
        switch (loss)
        {
            case Loss.Stop:
                BanEverywhere(leaf);
                break;
            case Loss.Demote when role != ResourceRole.Promoted:
                BanEverywhere(leaf);
                break;
            case Loss.Fence when roleFits:
                BanEverywhere(leaf);
                foreach (Node node in leaf.ActiveOn)
                {
                    fencing.FenceNode(node, "deadman ticket was lost");
                }

                break;
            case Loss.Freeze when roleFits:
                leaf.Managed = false;
                leaf.Blocked = true;
                break;
        }
    }

    private void BanEverywhere(Resource leaf)
    {
        foreach (Node node in cluster.Nodes)
        {
            leaf.Scores[node] = -Score.Infinity;
        }
    }
}
