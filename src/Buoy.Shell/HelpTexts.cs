using Buoy.Shell.Levels;

namespace Buoy.Shell;

/// <summary>The shell's help, in short.</summary>
internal static class HelpTexts
{
    public const string Usage =
        """
        usage: crm [-h] [--version] [-f FILE] [-F] [-w] [-D STYLE] [SUBCOMMAND ...]

          -f, --file FILE    read commands from FILE
          -F, --force        commit in spite of warnings and complaints
          -w, --wait         wait until the cluster has done what was ordered
          -D, --display      accepted; output is always plain

        Without a subcommand, commands are read from the input.
        CIB_file=PATH works on a CIB file instead of the cluster.

        """;

    private static readonly Dictionary<string, string> Texts = new()
    {
        ["schema"] = "schema\nThe schema that the configuration names.",
        ["server"] = "server\nThe names of the nodes.",
        ["reload"] = "reload\nReads the ring's configuration anew.",
        ["on"] = "on\nThe cluster leaves all resources as they are (maintenance-mode).",
        ["off"] = "off\nThe cluster looks after its resources again.",
        ["health"] = "health\nNodes that are not online, and failures.",
        ["wait_for_startup"] = "wait_for_startup\nReturns when the cluster has nothing left to do.",
        ["classes"] = "classes\nThe kinds of agents.",
        ["list"] = "list CLASS [PROVIDER]\nThe agents of a kind.",
        ["providers"] = "providers TYPE [CLASS]\nWho provides an agent.",
        ["info"] = "info AGENT\nWhat an agent does, and its parameters.",
        ["edit"] = "edit [ID …]\nThe configuration in an editor.",
        ["promote"] = "promote RSC\nLets a promotable resource be promoted (target-role=Promoted).",
        ["demote"] = "demote RSC\nDemotes a promotable resource (target-role=Unpromoted).",
        ["configure"] = "configure [COMMAND …]\nThe configuration: show, edit, check, commit.",
        ["resource"] = "resource [COMMAND …]\nStart, stop, move and clean up resources.",
        ["cluster"] = "cluster [COMMAND …]\nThe services and health of the cluster.",
        ["corosync"] = "corosync [COMMAND …]\nThe ring: its state and configuration.",
        ["ra"] = "ra [COMMAND …]\nResource agents: classes, list, info.",
        ["options"] = "options [COMMAND …]\nHow this shell behaves.",
        ["status"] = "status [bynode] [ops] [failcounts] [full] [xml]\nThe cluster's state.",
        ["verify"] = "verify\nChecks the configuration.",
        ["explain"] = "explain RSC\nWhy a resource is where it is.",
        ["history"] = "history\nThe failovers of this node's memory, step by step.",
        ["wait"] = "wait\nReturns when the cluster has nothing left to do.",
        ["primitive"] = "primitive ID AGENT [params NAME=VALUE …] [meta …] [utilization …] [op NAME [interval=T] "
            + "[timeout=T] …]\nA resource.",
        ["rsc_template"] = "rsc_template ID AGENT …\nWhat primitives written with @ID have in common.",
        ["group"] = "group ID RSC … [meta …] [params …]\nPrimitives that run together, in this order.",
        ["clone"] = "clone ID RSC [meta …] [params …]\nA resource that runs on several nodes.",
        ["ms"] = "ms ID RSC [meta …]\nOld word for a clone with promotable=true.",
        ["bundle"] = "bundle ID docker NAME=VALUE … [network …] [storage …] [meta …] [primitive RSC]\nA resource in "
            + "a container.",
        ["location"] = "location ID RSC SCORE: NODE\nlocation ID RSC rule [SCORE:] EXPRESSION …\nWhere a resource "
            + "prefers to run, or may not.",
        ["colocation"] = "colocation ID SCORE: RSC[:ROLE] WITH[:ROLE]\nWhich resources run on the same node, or never.",
        ["order"] = "order ID [KIND:] FIRST[:ACTION] THEN[:ACTION] [symmetrical=BOOL]\nWhat is done first. KIND: "
            + "Mandatory, Optional, Serialize.",
        ["rsc_ticket"] = "rsc_ticket ID TICKET: RSC[:ROLE] … [loss-policy=stop|demote|fence|freeze]\nResources that "
            + "need a ticket.",
        ["property"] = "property [$id=SET] NAME=VALUE …\nOptions of the cluster.",
        ["rsc_defaults"] = "rsc_defaults NAME=VALUE …\nMeta attributes for all resources.",
        ["op_defaults"] = "op_defaults NAME=VALUE …\nAttributes for all operations.",
        ["node"] = "node [ID:] NAME[:TYPE] [attributes …] [utilization …]\nA node and its attributes. At the top: "
            + "the level of node commands.",
        ["tag"] = "tag ID RSC …\nA name for several objects.",
        ["fencing_topology"] =
            "fencing_topology [NODE:] DEVICE[,DEVICE] …\nWhich fencing devices are tried in which order.",
        ["role"] = "role ID read|write|deny WHAT …\nAn access role.",
        ["acl_target"] = "acl_target USER ROLE …\nRoles of a user.",
        ["alert"] = "alert ID PATH [attributes …] [meta …] [to RECIPIENT …]\nA program that is told of events.",
        ["monitor"] = "monitor RSC[:ROLE] INTERVAL[:TIMEOUT]\nAdds a monitor operation.",
        ["commit"] = "commit [force]\nHands the changes to the cluster.",
        ["show"] = "show [xml] [changed] [ID|type:TYPE|tag:TAG|related:ID …]\nThe configuration. In crm node: the "
            + "nodes.",
        ["delete"] = "delete [--force] ID …\nRemoves objects, and constraints that hang on them. In crm node: "
            + "removes a node.",
        ["rename"] = "rename OLD NEW\nAnother id.",
        ["modgroup"] = "modgroup GROUP add RSC [before|after RSC] | remove RSC\nMembers of a group.",
        ["erase"] = "erase [nodes]\nRemoves all of the configuration.",
        ["set"] = "set ID.[OP.][INTERVAL.]NAME VALUE\nChanges one value that is there.",
        ["get_property"] = "get_property NAME …\nPrints cluster options.",
        ["default-timeouts"] = "default-timeouts RSC …\nTime-outs that the agents advise.",
        ["load"] = "load [xml] replace|update|push FILE\nReads a configuration.",
        ["save"] = "save [xml] FILE\nWrites the configuration.",
        ["xml"] = "xml ELEMENT\nAn object as XML.",
        ["refresh"] = "refresh\nForgets the changes. In crm resource: refresh [RSC] [NODE] forgets the history and "
            + "probes anew.",
        ["start"] = "start RSC …\nLets resources run (target-role=Started).",
        ["stop"] = "stop RSC …\nStops resources (target-role=Stopped). In crm cluster: stops this node.",
        ["restart"] = "restart RSC …\nStops resources, waits, starts them.",
        ["move"] = "move RSC [NODE] [LIFETIME] [force]\nPrefers a node by a constraint; without NODE bans the "
            + "present one.",
        ["ban"] = "ban RSC [NODE] [LIFETIME]\nKeeps a resource off a node by a constraint.",
        ["clear"] = "clear RSC [NODE]\nRemoves the constraints of move and ban.",
        ["cleanup"] = "cleanup [RSC] [NODE]\nForgets failures.",
        ["failcount"] = "failcount RSC show|set|delete NODE [VALUE]\nFailures counted on a node.",
        ["locate"] = "locate RSC …\nWhere resources run.",
        ["param"] = "param RSC show|set|delete NAME [VALUE]\nA resource's parameter.",
        ["meta"] = "meta RSC show|set|delete NAME [VALUE]\nA resource's meta attribute.",
        ["utilization"] = "utilization RSC|NODE show|set|delete NAME [VALUE]\nWhat a resource needs or a node has.",
        ["manage"] = "manage RSC\nThe cluster looks after the resource.",
        ["unmanage"] = "unmanage RSC\nThe cluster leaves the resource as it is.",
        ["maintenance"] = "maintenance RSC [on|off]; in crm node: maintenance [NODE]\nNothing is started, stopped or "
            + "checked.",
        ["operations"] = "operations [RSC] [NODE]\nThe recorded operations.",
        ["constraints"] = "constraints RSC\nConstraints that name the resource.",
        ["scores"] = "scores\nPlacement scores.",
        ["standby"] = "standby [NODE] [reboot|forever]\nThe node gives up its resources.",
        ["online"] = "online [NODE]\nThe node may have resources again.",
        ["ready"] = "ready [NODE]\nEnds a node's maintenance.",
        ["attribute"] = "attribute NODE show|set|delete NAME [VALUE]\nA permanent node attribute.",
        ["status-attr"] = "status-attr NODE show|set|delete NAME [VALUE]\nA node attribute that ends with the node's "
            + "run.",
    };

    /// <summary>help [COMMAND]</summary>
    public static bool Show(TextWriter output, Messages messages, Level level, List<string> words)
    {
        if (words.Count == 0)
        {
            output.Write("Commands:\n");
            foreach (string c in level.Commands.Order(StringComparer.Ordinal))
            {
                string first = Texts.TryGetValue(c, out string? t) ? t.Split('\n')[^1] : "(not supported)";
                output.Write($"\t{c,-16} {first}".TrimEnd() + "\n");
            }

            output.Write("\n\tcd               Goes to another level\n\thelp             This text, or that of a "
                + "command\n"
                + "\tls               Lists the commands\n\tquit             Ends the shell\n\tup               Goes "
                    + "back a level\n");
            return true;
        }

        if (!Texts.TryGetValue(words[^1], out string? text))
        {
            if (level.Commands.Contains(words[^1]))
            {
                output.Write($"{words[^1]}\nNot supported.\n");
                return true;
            }

            messages.Error($"no help for {words[^1]}");
            return false;
        }

        output.Write(text + "\n");
        return true;
    }
}
