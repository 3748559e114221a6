using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Cluster;
using Buoy.Shell.Status;

namespace Buoy.Shell.Levels;

/// <summary>crm resource.</summary>
internal sealed class ResourceLevel(Crm crm) : Level(crm)
{
    public override string Name => "resource";

    public override IReadOnlyList<string> Commands { get; } =
    [
        "ban", "cleanup", "clear", "constraints", "demote", "failcount", "locate", "maintenance", "manage", "meta",
            "move", "operations",
        "param", "promote", "refresh", "restart", "scores", "secret", "start", "status", "stop", "trace", "unmanage",
            "untrace", "utilization",
    ];

    public override IReadOnlyDictionary<string, string> Deprecated { get; } = new Dictionary<string, string>
    {
        ["list"] = "status", ["show"] = "status", ["migrate"] = "move", ["unmigrate"] = "clear", ["unmove"] = "clear",
            ["unban"] = "clear",
    };

    private CibEdits Edits(string client) => new(Crm.Source, client);

    public override bool Run(string command, IReadOnlyList<string> a)
    {
        switch (command)
        {
            case "status":
                return Status(a);
            case "start" or "stop":
                return a.Count == 0 ? Usage(command, "rsc [rsc ...]", 0) : Each(a, r => Role(r, command == "start"
                    ? "Started" : "Stopped"));
            case "restart":
                return a.Count == 0 ? Usage(command, "rsc [rsc ...]", 0) : Restart(a);
            case "manage" or "unmanage":
                return a.Count == 0 ? Usage(command, "rsc", 0) : Each(a, r => Attribute(r, "is-managed",
                    command == "manage" ? "true" : "false"));
            case "maintenance":
                return a.Count == 0 ? Usage(command, "rsc [on_off]", 0) : Each([a[0]], r => Attribute(r, "maintenance",
                    a.Count > 1
                    ? (CrmBoolean.IsFalse(a[1]) ? "false" : "true") : "true"));
            case "promote" or "demote":
                return a.Count == 0 ? Usage(command, "rsc", 0) : Each([a[0]], r => PromoteOrDemote(r, command));
            case "move" or "ban":
                return a.Count == 0 ? Usage(command, "rsc [node] [lifetime] [force]", 0) : Move(command, a);
            case "clear":
                return a.Count == 0 ? Usage(command, "rsc [node]", 0) : Clear(a);
            case "cleanup" or "refresh":
                return Cleanup(a);
            case "failcount":
                return FailCount(a);
            case "param" or "meta" or "utilization":
                return Values(command, a);
            case "locate":
                return a.Count == 0 ? Usage(command, "rsc [rsc ...]", 0) : Each(a, Locate);
            case "operations":
                return Operations(a);
            case "constraints":
                return a.Count == 0 ? Usage(command, "rsc", 0) : Each([a[0]], Constraints);
            case "scores":
                return Crm.Services.Simulate is { } simulate
                    ? simulate(Crm.Source.IsLive ? ["-sUL"] : ["-sU", "-x", Crm.Services.CibFile!], Crm.Input,
                        Crm.Output, Crm.Messages.ErrorOutput) == 0
                    : NotSupported(command);
            default:
                return NotSupported(command);
        }
    }

    private bool Each(IEnumerable<string> ids, Func<string, bool> what)
    {
        bool good = true;
        CibDocument cib = Crm.Source.Query();
        foreach (string id in ids)
        {
            if (CibEdits.Resource(cib, id) is null)
            {
                Crm.Messages.Error($"Resource not found: {id}");
                good = false;
                continue;
            }

            good &= what(id);
        }

        return good;
    }

    private bool Role(string rsc, string role) => Attribute(rsc, "target-role", role);

    private bool Attribute(string rsc, string name, string value)
    {
        // A member's own attribute would win over the container's: crmsh sets what the user named.
        Edits("cibadmin").SetAttribute(rsc, "meta", name, value);
        return true;
    }

    private bool PromoteOrDemote(string rsc, string command)
    {
        XElement e = CibEdits.Resource(Crm.Source.Query(), rsc)!;
        bool promotable = e.AncestorsAndSelf().Any(x => x.Name == "master" || (x.Name == "clone"
            && CrmBoolean.IsTrue(
            (string?)x.Elements("meta_attributes").Elements("nvpair").FirstOrDefault(p =>
                (string?)p.Attribute("name") == "promotable")?.Attribute("value"))));
        if (!promotable)
        {
            Crm.Messages.Error($"{rsc} is not a promotable resource");
            return false;
        }

        return Role(rsc, command == "promote" ? "Promoted" : "Unpromoted");
    }

    private bool Restart(IReadOnlyList<string> ids)
    {
        Crm.Messages.Info($"ordering {string.Join(' ', ids)} to stop");
        if (!Each(ids, r => Role(r, "Stopped")) || !WaitIdle("stop"))
        {
            return false;
        }

        Crm.Messages.Info($"ordering {string.Join(' ', ids)} to start");
        return Each(ids, r => Role(r, "Started")) && (!Crm.Wait || WaitIdle("start"));
    }

    private bool WaitIdle(string what)
    {
        if (!Crm.Source.IsLive)
        {
            return true;
        }

        Crm.Output.Write($"waiting for {what} to finish ");
        try
        {
            Crm.Connection.Call(ControlCommand.WaitIdle, null, ("timeout", "600"));
            Crm.Output.Write(". done\n");
            return true;
        }
        catch (CibException e)
        {
            Crm.Output.Write("\n");
            Crm.Tell(e);
            return false;
        }
    }

    private bool Move(string command, IReadOnlyList<string> a)
    {
        string rsc = a[0];
        bool force = Crm.Force;
        string? node = null, lifetime = null;
        CibDocument cib = Crm.Source.Query();
        foreach (string word in a.Skip(1))
        {
            if (word is "force" or "--force" or "-f")
            {
                force = true;
            }
            else if (cib.Nodes().Any(n => n.Uname == word))
            {
                node = word;
            }
            else if (CibEdits.After(Crm.Services.Now(), word) is not null)
            {
                lifetime = word;
            }
            else
            {
                Crm.Messages.Error($"resource.{command}: Not our node: {word}");
                return false;
            }
        }

        if (CibEdits.Resource(cib, rsc) is null)
        {
            Crm.Messages.Error($"Resource not found: {rsc}");
            return false;
        }

        if (command == "move" && node is null && !force)
        {
            Crm.Messages.Error("resource.move: No target node: Move requires either a target node or 'force'");
            return false;
        }

        return MoveOrBan(command, rsc, node, lifetime, cib);
    }

    private bool MoveOrBan(string command, string rsc, string? node, string? lifetime, CibDocument cib)
    {
        DateTimeOffset? until = lifetime is null ? null : CibEdits.After(Crm.Services.Now(), lifetime);
        string? from = null;
        if (node is null)
        {
            from = ResourceQueries.NodesOf(Crm.Services.Status(cib, Crm.Services.Now()), rsc).FirstOrDefault();
            if (from is null)
            {
                Crm.Messages.ErrorOutput.Write($"Error performing operation: No active node for {rsc}: name one\n");
                return false;
            }
        }

        if (until is { } end)
        {
            Crm.Output.Write($"Migration will take effect until: {end.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z\n");
        }

        if (command == "move" && node is not null)
        {
            Edits("crm_resource").Prefer(rsc, node, until);
        }
        else
        {
            if (command == "ban")
            {
                Crm.Output.Write(ResourceQueries.BanWarning(rsc, node ?? from!));
            }

            Edits("crm_resource").Ban(rsc, node ?? from!, until);
        }

        Crm.Messages.Info($"{(command == "move" ? "Move" : "Ban")} constraint created for "
            + $"{rsc}{(node is null ? "" : $" to {node}")}");
        Crm.Messages.Info($"Use `crm resource clear {rsc}` to remove this constraint");
        return true;
    }

    private bool Clear(IReadOnlyList<string> a)
    {
        return Each([a[0]], r =>
        {
            Edits("crm_resource").Clear(r, a.Count > 1 ? a[1] : null);
            Crm.Messages.Info($"Removed migration constraints for {r}");
            return true;
        });
    }

    private bool Cleanup(IReadOnlyList<string> a)
    {
        List<string> words = [.. a.Where(w => w is not ("force" or "--force"))];
        if (!Crm.Source.IsLive)
        {
            Crm.Output.Write($"Dry run: skipping clean-up of {(words.Count > 0 ? words[0] : "all nodes")} due to "
                + $"CIB_file\n");
            return true;
        }

        if (words.Count > 0 && CibEdits.Resource(Crm.Source.Query(), words[0]) is null)
        {
            Crm.Messages.Error($"Resource not found: {words[0]}");
            return false;
        }

        var arguments = new List<(string, string)>();
        if (words.Count > 0)
        {
            arguments.Add(("resource", words[0]));
        }

        if (words.Count > 1)
        {
            arguments.Add(("node", words[1]));
        }

        string output = Crm.Connection.Call(ControlCommand.Cleanup, null, [.. arguments]);
        Crm.Output.Write(output.Length > 0 ? output.TrimEnd('\n') + "\n"
            : words.Count > 0 ? $"Cleaned up {words[0]} on {(words.Count > 1 ? words[1] : "all nodes")}\n"
                : "Cleaned up all resources on all nodes\n");
        return true;
    }

    private bool FailCount(IReadOnlyList<string> a)
    {
        if (a.Count < 3 || a[1] is not ("set" or "show" or "delete") || (a[1] == "set" && a.Count < 4))
        {
            return Usage("failcount", "rsc cmd node [value]", a.Count);
        }

        CibDocument cib = Crm.Source.Query();
        if (cib.Nodes().All(n => n.Uname != a[2]))
        {
            Crm.Messages.Error($"resource.failcount: Node {a[2]} not in this cluster");
            return false;
        }

        return Each([a[0]], rsc =>
        {
            switch (a[1])
            {
                case "show":
                    Crm.Output.Write($"scope=status  name=fail-count-{rsc} "
                        + $"value={ResourceQueries.Count(StatusPrinter.FailCount(cib, a[2], rsc).Count)}\n");
                    return true;
                case "set":
                    Edits("crm_attribute").SetTransient(a[2], $"fail-count-{rsc}", a[3]);
                    return true;
                default:
                    ResourceQueries.DeleteFailCounts(Edits("crm_failcount"), cib, a[2], rsc);
                    return true;
            }
        });
    }

    private bool Values(string kind, IReadOnlyList<string> a)
    {
        if (a.Count < 3 || a[1] is not ("set" or "show" or "delete") || (a[1] == "set" && a.Count < 4))
        {
            return Usage(kind, "rsc cmd attr [value]", a.Count);
        }

        return Each([a[0]], rsc => ResourceQueries.Value(Crm.Source, kind, rsc, a[1], a[2], a.Count > 3 ? a[3] : null,
            Crm.Output,
            Crm.Messages.ErrorOutput) == 0);
    }

    private bool Status(IReadOnlyList<string> a)
    {
        CibDocument cib = Crm.Source.Query();
        IStatusView view = Crm.Services.Status(cib, Crm.Services.Now());
        if (a.Count > 0)
        {
            return Each(a, Locate);
        }

        Crm.Output.Write("Full List of Resources:\n");
        StatusPrinter.Resources(Crm.Output, view);
        if (view.Resources.Count == 0)
        {
            Crm.Messages.ErrorOutput.Write("crm_resource: Error performing operation: No such object\n");
            return false;
        }

        return true;
    }

    private bool Locate(string rsc)
    {
        ResourceQueries.Locate(Crm.Services.Status(Crm.Source.Query(), Crm.Services.Now()), rsc, Crm.Output);
        return true;
    }

    private bool Operations(IReadOnlyList<string> a)
    {
        ResourceQueries.Operations(Crm.Services.Status(Crm.Source.Query(), Crm.Services.Now()), a.Count > 0 ? a[0]
            : null,
            a.Count > 1 ? a[1] : null, Crm.Output);
        return true;
    }

    private bool Constraints(string rsc)
    {
        ResourceQueries.Constraints(Crm.Source.Query(), rsc, Crm.Output);
        return true;
    }
}
