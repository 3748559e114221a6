using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>A location that only counts for one role; kept for the promotion step.</summary>
internal sealed record RoleLocation(ResourceRole Role, Node Node, int Score);

/// <summary>Location constraints, health, stickiness and fail-count bans (SCHEDULER 3.2).</summary>
internal sealed class Locations(Cluster cluster, ConfigReader reader)
{
    private readonly FailCounts _failCounts = new(cluster);

    public Dictionary<Resource, List<RoleLocation>> ByRole { get; } = [];

    public void ApplyConstraints()
    {
        foreach (XElement e in reader.Section("constraints").Elements("rsc_location"))
        {
            if (e.Element("resource_set") is not null)
            {
                foreach (XElement set in reader.Children(e, "resource_set"))
                {
                    ResourceRole? role = Roles.Parse((string?)set.Attribute("role"));
                    foreach (XElement member in set.Elements("resource_ref"))
                    {
                        Apply(e, Named((string?)member.Attribute("id") ?? ""), role, null, (string?)set.Attribute("score"));
                    }
                }
            }
            else if ((string?)e.Attribute("rsc") is { } id)
            {
                Apply(e, Named(id), null, null, null);
            }
            else if ((string?)e.Attribute("rsc-pattern") is { } pattern)
            {
                ApplyPattern(e, pattern);
            }
        }
    }

    public void ApplyHealth()
    {
        if (cluster.Options.HealthStrategy == "none")
        {
            return;
        }

        foreach (Node node in cluster.Nodes)
        {
            int sum = Health.Value(cluster.Options, node);
            if (sum == 0)
            {
                continue;
            }

            foreach (Resource resource in cluster.Resources)
            {
                if (sum > 0 || !resource.AllowUnhealthy)
                {
                    AddTo(resource, node, sum);
                }
            }
        }
    }

    /// <summary>Stickiness, fail-count bans, exclusive discovery; in this order, after all constraints.</summary>
    public void ApplyState()
    {
        foreach (Resource leaf in cluster.AllLeafs())
        {
            if (leaf.Managed && leaf.Stickiness >= 1 && leaf.ActiveOn.Count == 1
                && (cluster.Options.Symmetric || leaf.Scores.Contains(leaf.ActiveOn[0])))
            {
                leaf.Scores.Add(leaf.ActiveOn[0], leaf.Stickiness);
            }
        }

        foreach (Resource leaf in cluster.AllLeafs().ToArray())
        {
            foreach (Node node in cluster.Nodes)
            {
                BanAfterFailures(leaf, node);
            }
        }

        foreach (Resource resource in cluster.AllResources())
        {
            if (!resource.ExclusiveDiscovery)
            {
                continue;
            }

            foreach ((Node node, _) in resource.Scores.Entries.ToArray())
            {
                if (resource.DiscoveryModes.GetValueOrDefault(node) != Discovery.Exclusive)
                {
                    resource.Scores[node] = -Score.Infinity;
                }
            }
        }
    }

    private void BanAfterFailures(Resource leaf, Node node)
    {
        if (leaf.MigrationThreshold <= 0 || leaf.FailureIgnored)
        {
            return;
        }

        (int count, _) = _failCounts.Get(leaf, node, effective: true);
        if (count <= 0 || count < leaf.MigrationThreshold
            || leaf.Actions.Any(a => a.Task == "clear_failcount" && a.Node == node))
        {
            return;
        }

        bool alone = !leaf.IsInClone || leaf.IsLeafOfUnique;
        if (alone && !leaf.InGroup)
        {
            leaf.Scores.Add(node, -Score.Infinity);
        }
        else
        {
            AddTo(alone ? leaf : leaf.Top, node, -Score.Infinity);
        }
    }

    private IEnumerable<Resource> Named(string id)
    {
        if (cluster.FindForConstraint(id) is { } resource)
        {
            return [resource];
        }

        if (cluster.Tags.TryGetValue(id, out List<string>? tagged) || cluster.Templates.TryGetValue(id, out tagged))
        {
            return tagged.Select(cluster.FindForConstraint).OfType<Resource>();
        }

        return [];
    }

    private void ApplyPattern(XElement e, string pattern)
    {
        bool negate = pattern.StartsWith('!');
        Regex regex;
        try
        {
            regex = new Regex(negate ? pattern[1..] : pattern, RegexOptions.CultureInvariant);
        }
        catch (ArgumentException)
        {
            cluster.Problems.Add(
                $"error: Ignoring constraint {(string?)e.Attribute("id")} because rsc-pattern has invalid value '{pattern}'");
            return;
        }

        foreach (Resource resource in cluster.Resources)
        {
            Match match = regex.Match(resource.Id);
            if (match.Success != negate)
            {
                Apply(e, [resource], null, negate ? null : match, null);
            }
        }
    }

    private void Apply(XElement e, IEnumerable<Resource> resources, ResourceRole? setRole, Match? match, string? setScore)
    {
        string? discovery = (string?)e.Attribute("resource-discovery");
        ResourceRole? role = setRole ?? Roles.Parse((string?)e.Attribute("role"));
        foreach (Resource resource in resources)
        {
            List<(Node, int)> scores;
            if (cluster.NodeByName((string?)e.Attribute("node")) is { } node)
            {
                int? score = Score.Parse(setScore ?? (string?)e.Attribute("score"));
                if (score is null)
                {
                    continue;
                }

                scores = [(node, score.Value)];
            }
            else if (reader.Children(e, "rule").FirstOrDefault() is { } rule)
            {
                role = Roles.Parse((string?)rule.Attribute("role")) ?? role;
                scores = ByRule(rule, resource, match);
            }
            else
            {
                continue;
            }

            foreach ((Node n, int score) in scores)
            {
                ApplyScore(resource, n, score, role);
                ApplyDiscovery(resource, n, discovery);
            }
        }
    }

    private List<(Node, int)> ByRule(XElement rule, Resource resource, Match? match)
    {
        var scores = new List<(Node, int)>();
        string? attribute = (string?)rule.Attribute("score-attribute");
        int fix = Score.Parse((string?)rule.Attribute("score")) ?? 0;
        if (attribute is null && rule.Attribute("score") is null)
        {
            return scores;
        }

        if (attribute is not null && match is not null)
        {
            attribute = Regex.Replace(attribute, "%([0-9])", m => match.Groups[m.Value[1] - '0'].Value);
        }

        foreach (Node node in cluster.Nodes)
        {
            var context = new RuleContext(cluster)
            {
                NodeAttributes = node.Attributes,
                Submatches = match,
                Params = resource.IsLeaf ? resource.Parameters.On(node) : null,
                Meta = resource.Meta,
            };
            if (!Rules.Evaluate(reader, rule, context))
            {
                continue;
            }

            int? score = attribute is null ? fix : Score.Parse(node.Attributes.GetValueOrDefault(attribute));
            if (score is int s)
            {
                scores.Add((node, s));
            }
        }

        return scores;
    }

    private void ApplyScore(Resource resource, Node node, int score, ResourceRole? role)
    {
        if (role is ResourceRole.Stopped or ResourceRole.Promoted)
        {
            if (!ByRole.TryGetValue(resource, out List<RoleLocation>? list))
            {
                ByRole[resource] = list = [];
            }

            list.Add(new RoleLocation(role.Value, node, score));
            if (resource.NextRole != role)
            {
                return;
            }
        }

        AddTo(resource, node, score);
    }

    private static void AddTo(Resource resource, Node node, int score)
    {
        resource.Scores.Add(node, score);
        if (resource.Kind == ResourceKind.Clone)
        {
            foreach (Resource child in resource.Children)
            {
                AddTo(child, node, score);
            }
        }
        else if (resource.Kind == ResourceKind.Group)
        {
            bool first = true;
            foreach (Resource member in resource.Children)
            {
                if (first || !resource.Collocated)
                {
                    member.Scores.Add(node, score);
                }
                else if (!member.Scores.Contains(node))
                {
                    member.Scores[node] = 0;
                }

                first = false;
            }
        }
    }

    private static void ApplyDiscovery(Resource resource, Node node, string? discovery)
    {
        Discovery mode = discovery?.ToLowerInvariant() switch
        {
            "never" => Discovery.Never,
            "exclusive" => Discovery.Exclusive,
            _ => Discovery.Always,
        };
        foreach (Resource part in resource.Leafs().Append(resource))
        {
            if (mode > part.DiscoveryModes.GetValueOrDefault(node))
            {
                part.DiscoveryModes[node] = mode;
            }

            part.ExclusiveDiscovery |= mode == Discovery.Exclusive;
        }
    }
}
