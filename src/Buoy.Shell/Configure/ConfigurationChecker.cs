using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Shell.Agents;
using Buoy.Shell.Language;
using Buoy.Shell.Status;

namespace Buoy.Shell.Configure;

/// <summary>
/// What crmsh and crm_verify check of a configuration beyond its structure. Warnings let a commit through; errors need
/// force.
/// </summary>
internal sealed class ConfigurationChecker(CibDocument cib, IAgentMetadata agents, Messages messages)
{
    private static readonly HashSet<string> MetaAttributes =
    [
        "allow-migrate", "allow-unhealthy-nodes", "container-attribute-target", "critical", "failure-timeout",
            "is-managed", "maintenance",
        "migration-threshold", "multiple-active", "priority", "requires", "resource-stickiness", "restart-type",
            "target-role",
        "remote-node", "remote-addr", "remote-port", "remote-connect-timeout", "remote-allow-migrate",
            "resource-failure-stickiness",
        "isolation", "isolation-wrapper", "isolation-instance", "isolation-host", "description", "$id",
    ];

    private static readonly HashSet<string> CloneAttributes =
    [
        "clone-max", "clone-node-max", "clone-min", "globally-unique", "interleave", "notify", "ordered", "promotable",
            "promoted-max",
        "promoted-node-max", "master-max", "master-node-max", "ticket",
    ];

    private static readonly HashSet<string> Roles = ["Started", "Stopped", "Master", "Slave", "Promoted", "Unpromoted"];

    /// <summary>What crm_verify says of the whole.</summary>
    public bool CheckWhole()
    {
        var problems = new List<string>();
        bool fencing = !CrmBoolean.IsFalse(cib.Property("stonith-enabled") ?? "true");
        if (fencing && !(cib.Section("resources")?.Descendants("primitive") ?? [])
            .Any(p => (string?)p.Attribute("class") == "stonith"))
        {
            problems.AddRange(
                [
                    "(unpack_resources) \terror: Resource start-up disabled since no STONITH resources have been "
                        + "defined",
                    "(unpack_resources) \terror: Either configure some or disable STONITH with the stonith-enabled "
                        + "option",
                    "(unpack_resources) \terror: NOTE: Clusters with shared data need STONITH to ensure data integrity",
                ]);
        }

        foreach (XElement t in cib.Section("constraints")?.Elements("rsc_ticket") ?? [])
        {
            if ((string?)t.Attribute("loss-policy") == "fence" && !fencing)
            {
                problems.Add($"(tickets) \terror: '{(string?)t.Attribute("id")}': loss-policy=fence needs "
                    + $"stonith-enabled=true");
            }
        }

        foreach (XElement l in cib.Section("constraints")?.Elements("rsc_location") ?? [])
        {
            if (l.Attribute("score-attribute") is { } s && l.Element("rule") is null)
            {
                problems.Add($"(constraints) \terror: location '{(string?)l.Attribute("id")}': '{s.Value}' is not a "
                    + $"score");
            }
        }

        foreach (XElement g in cib.Section("resources")?.Descendants("group") ?? [])
        {
            foreach (string old in (string[])["ordered", "collocated"])
            {
                if (Meta(g, old) is not null)
                {
                    problems.Add($"(groups) \twarning: the '{old}' attribute of group '{(string?)g.Attribute("id")}' "
                        + $"is deprecated: use a resource set");
                }
            }
        }

        foreach (XElement r in cib.Section("resources")?.Descendants() ?? [])
        {
            if (r.Name.LocalName is "primitive" or "group" or "clone" or "master" && Meta(r, "target-role") is { } role
                && !Roles.Contains(role))
            {
                problems.Add($"(resources) \terror: target-role '{role}' of '{(string?)r.Attribute("id")}' is not a "
                    + $"role");
            }
        }

        foreach (XElement o in cib.Section("constraints")?.Elements("rsc_order") ?? [])
        {
            foreach (string a in (string[])["first", "then"])
            {
                XElement? r = Find((string?)o.Attribute(a));
                if (r?.Ancestors().Any(x => x.Name.LocalName is "clone" or "master" or "bundle") ?? false)
                {
                    problems.Add($"(constraints) \terror: order '{(string?)o.Attribute("id")}': "
                        + $"'{(string?)r.Attribute("id")}' is inside "
                        + $"'{(string?)r.Ancestors().First(x => x.Name != "group").Attribute("id")}'; order that one");
                }
            }
        }

        foreach (string p in problems)
        {
            messages.Error(p);
        }

        if (problems.Count > 0)
        {
            messages.Error(problems.Any(p => p.Contains("\terror"))
                ? "crm_verify: Errors found during check: config not valid"
                : "crm_verify: Warnings found during check: config may not be valid");
        }

        return problems.Count == 0;
    }

    /// <summary>crmsh's checks of single objects, in the order of their ids.</summary>
    public bool CheckObjects(IEnumerable<XElement> objects)
    {
        bool good = true;
        foreach (XElement e in objects.OrderBy(ConfigureSession.IdOf, StringComparer.Ordinal))
        {
            good &= e.Name.LocalName switch
            {
                "primitive" or "template" => CheckPrimitive(e),
                "group" or "clone" or "master" => CheckMeta(e),
                "rsc_location" or "rsc_colocation" or "rsc_order" or "rsc_ticket" => CheckConstraint(e),
                "fencing-topology" => CheckTopology(e),
                _ => true,
            };
        }

        return good;
    }

    private bool CheckPrimitive(XElement e)
    {
        string id = (string?)e.Attribute("id") ?? "";
        XElement agent = e;
        XElement? template = null;
        if (e.Attribute("template") is { } t)
        {
            template = cib.Section("resources")?.Elements("template").FirstOrDefault(x =>
                (string?)x.Attribute("id") == t.Value);
            if (template is null)
            {
                messages.Error($"{t.Value}: no such resource template");
                return false;
            }

            agent = template;
        }

        CheckMeta(e);
        string name = (string?)agent.Attribute("class") + ":"
            + (agent.Attribute("provider") is { } p ? p.Value + ":" : "") + (string?)agent.Attribute("type");
        foreach (XElement op in Operations(e, null))
        {
            if ((string?)op.Attribute("role") is { } role && !Roles.Contains(role))
            {
                messages.Warning($"{id}: op '{(string?)op.Attribute("name")}' attribute 'role' value '{role}' not "
                    + $"recognized");
            }
        }

        string cls = (string?)agent.Attribute("class") ?? "";
        if (cls is "systemd" or "service" or "lsb" or "upstart" or "nagios")
        {
            return true;
        }

        AgentDescription? d = AgentDescription.Parse(agents.MetaData(name));
        if (d is null)
        {
            messages.Error($"{name}: got no meta-data, does this RA exist?");
            messages.Error($"{name}: no such resource agent");
            return false;
        }

        CheckOperations(e, template, id, d);
        return CheckParameters(e, template, id, d);
    }

    private bool CheckParameters(XElement e, XElement? template, string id, AgentDescription d)
    {
        bool good = true;
        var set = e.Elements("instance_attributes").Concat(template?.Elements("instance_attributes") ?? []).ToList();
        bool references = set.Any(s => s.Attribute("id-ref") is not null);
        var given = set.Elements("nvpair").Select(p => (string?)p.Attribute("name") ?? "").ToHashSet();
        if (e.Name != "template" && !references)
        {
            foreach (AgentDescription.Parameter p in d.Parameters.Where(p => p.Required && !given.Contains(p.Name)))
            {
                messages.Error($"{id}: required parameter \"{p.Name}\" not defined");
                good = false;
            }
        }

        foreach (string name in e.Elements("instance_attributes").Elements("nvpair").Select(p =>
            (string?)p.Attribute("name") ?? ""))
        {
            if (d.Parameters.All(p => p.Name != name) && name is not ("OCF_CHECK_LEVEL" or "trace_ra" or "trace_file"))
            {
                messages.Error($"{id}: parameter \"{name}\" is not known");
                good = false;
            }
        }

        return good;
    }

    private void CheckOperations(XElement e, XElement? template, string id, AgentDescription d)
    {
        List<XElement> ops = [.. Operations(e, template)];
        string? standard = (string?)cib.Section("op_defaults")?.Elements("meta_attributes").Where(s =>
            s.Element("rule") is null)
            .Elements("nvpair").FirstOrDefault(p => (string?)p.Attribute("name") == "timeout")?.Attribute("value");
        var intervals = new HashSet<string>();
        foreach (XElement op in ops)
        {
            string name = (string?)op.Attribute("name") ?? "";
            var actions = d.Actions.Where(a => a.Name == name).ToList();
            if (actions.Count == 0)
            {
                messages.Warning($"{id}: action '{name}' not found in Resource Agent meta-data");
                continue;
            }

            string interval = (string?)op.Attribute("interval") ?? "0";
            if (name == "monitor")
            {
                if (CrmTime.Milliseconds(interval) == 0)
                {
                    messages.Warning($"{id}: interval in monitor should be larger than 0, advised is "
                        + $"{actions[0].Interval ?? "10s"}");
                }
                else if (!intervals.Add(interval + "/" + (string?)op.Attribute("role")))
                {
                    messages.Warning($"{id}: interval in monitor must be unique, advised is "
                        + $"{actions[0].Interval ?? "10s"}");
                }
            }

            Timeout(id, name, (string?)op.Attribute("timeout"), standard, actions[0].Timeout);
        }

        foreach (string name in (string[])["start", "stop"])
        {
            if (ops.All(o => (string?)o.Attribute("name") != name))
            {
                Timeout(id, name, null, standard, d.Actions.FirstOrDefault(a => a.Name == name)?.Timeout);
            }
        }
    }

    private void Timeout(string id, string op, string? given, string? standard, string? advised)
    {
        if (CrmTime.Milliseconds(advised) is not { } least || CrmTime.Milliseconds(given ?? standard) is not { } value
            || value >= least)
        {
            return;
        }

        string which = given is null ? "default" : "specified";
        messages.Warning($"{id}: {which} timeout {given ?? standard} for {op} is smaller than the advised {advised}");
    }

    private static IEnumerable<XElement> Operations(XElement e, XElement? template) =>
        e.Elements("operations").Elements("op").Concat(template?.Elements("operations").Elements("op") ?? []);

    private bool CheckMeta(XElement e)
    {
        foreach (XElement p in e.Elements("meta_attributes").Elements("nvpair"))
        {
            string name = (string?)p.Attribute("name") ?? "";
            bool known = MetaAttributes.Contains(name)
                || (e.Name.LocalName is "clone" or "master" && CloneAttributes.Contains(name))
                || (e.Name.LocalName is "primitive" or "template" && CloneAttributes.Contains(name)
                    && name != "ordered");
            if (!known)
            {
                messages.Warning($"{(string?)e.Attribute("id")}: unknown attribute '{name}'");
            }
        }

        return true;
    }

    private bool CheckConstraint(XElement e)
    {
        string id = (string?)e.Attribute("id") ?? "";
        IEnumerable<string?> targets = e.Name.LocalName switch
        {
            "rsc_location" when e.Element("resource_set") is null => [(string?)e.Attribute("rsc") ?? "None"],
            "rsc_colocation" when e.Attribute("rsc") is not null => [(string?)e.Attribute("rsc"),
                (string?)e.Attribute("with-rsc")],
            "rsc_order" when e.Attribute("first") is not null => [(string?)e.Attribute("first"),
                (string?)e.Attribute("then")],
            "rsc_ticket" when e.Attribute("rsc") is not null => [(string?)e.Attribute("rsc")],
            _ => e.Elements("resource_set").Elements("resource_ref").Select(r => (string?)r.Attribute("id")),
        };
        foreach (string target in targets.OfType<string>())
        {
            XElement? r = Find(target);
            if (r is null)
            {
                messages.Warning($"{id}: resource {target} does not exist");
            }
            else if (r.Parent?.Name == "group" && e.Name == "rsc_colocation")
            {
                messages.Warning($"{id}: resource {target} is grouped, constraints should apply to the group");
            }
            else if (r.Parent?.Name.LocalName is "clone" or "master")
            {
                messages.Warning($"{id}: resource {target} ambiguous, apply constraints to container");
            }
        }

        return true;
    }

    private bool CheckTopology(XElement e)
    {
        if (!(cib.Section("resources")?.HasElements ?? false))
        {
            return true;
        }

        foreach (string device in e.Elements("fencing-level").SelectMany(l => ((string?)l.Attribute("devices")
            ?? "").Split(',')))
        {
            if (Find(device) is null)
            {
                messages.Warning($"fencing_topology: resource {device} does not exist");
            }
        }

        return true;
    }

    private XElement? Find(string? id) => (cib.Section("resources")?.Descendants() ?? [])
        .Concat(cib.Section("tags")?.Elements() ?? [])
        .FirstOrDefault(x => x.Name.LocalName is "primitive" or "template" or "group" or "clone" or "master"
            or "bundle" or "tag"
            && (string?)x.Attribute("id") == id);

    private static string? Meta(XElement e, string name) => (string?)e.Elements("meta_attributes").Elements("nvpair")
        .FirstOrDefault(p => (string?)p.Attribute("name") == name)?.Attribute("value");
}
