using System.Globalization;
using System.Text;
using System.Xml.Linq;
using CsCheck;

namespace Buoy.Scheduler.Tests;

/// <summary>Small random configurations with states: leafs, groups, locations, colocations, orders, failures, standby.</summary>
internal static class SmallCib
{
    /// <summary>Epoch seconds of every recorded operation.</summary>
    public const long Recorded = 1760000000;

    public static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(Recorded + 60);

    private static readonly int[] LocationScores = [-1000000, -50, 20, 100, 1000000];

    private sealed record Leaf(int State, int Stickiness, int Target, bool Monitor, int Failure, int Threshold);

    private sealed record Location(int Leaf, int Node, int Score);

    private sealed record Pair(int First, int Second, int Kind);

    public static readonly Gen<XElement> Generator =
        from nodes in Gen.Int[2, 3]
        from standby in Gen.Int[0, 6]
        from leafs in LeafGen.List[1, 4]
        from grouped in Gen.Int[0, 2]
        from locations in LocationGen.List[0, 3]
        from colocations in PairGen.List[0, 2]
        from orders in PairGen.List[0, 2]
        select Build(nodes, standby, leafs, grouped == 0, locations, colocations, orders);

    private static Gen<Leaf> LeafGen =>
        from state in Gen.Int[0, 4]
        from stickiness in Gen.Int[0, 2]
        from target in Gen.Int[0, 7]
        from monitor in Gen.Bool
        from failure in Gen.Int[0, 5]
        from threshold in Gen.Int[0, 3]
        select new Leaf(state, stickiness, target, monitor, failure, threshold);

    private static Gen<Location> LocationGen =>
        from leaf in Gen.Int[0, 3]
        from node in Gen.Int[0, 2]
        from score in Gen.Int[0, 4]
        select new Location(leaf, node, LocationScores[score]);

    private static Gen<Pair> PairGen =>
        from first in Gen.Int[0, 3]
        from second in Gen.Int[0, 3]
        from kind in Gen.Int[0, 3]
        select new Pair(first, second, kind);

    /// <summary>
    /// The installed original is 2.1: it does not weaken wishes that come over several finite colocations, and it ignores what an
    /// anti-colocated resource dislikes. The scheduler follows 3.0 there, so such inputs are left out.
    /// </summary>
    private static (int, List<Leaf>, List<Location>, List<Pair>) WhereReleasesAgree(
        int standby, List<Leaf> leafs, bool grouped, List<Location> locations, List<Pair> colocations)
    {
        if (grouped || colocations.Count > 1)
        {
            colocations = [.. colocations.Select(c => c with { Kind = c.Kind % 2 })];
        }

        if (colocations.Exists(c => c.Kind % 2 == 1))
        {
            standby = 0;
            leafs = [.. leafs.Select(l => l with { Threshold = 0 })];
            locations = [.. locations.Select(l => l with { Score = Math.Abs(l.Score) })];
        }

        return (standby, leafs, locations, colocations);
    }

    private static string Score(int score) => score switch
    {
        1000000 => "INFINITY",
        -1000000 => "-INFINITY",
        _ => score.ToString(CultureInfo.InvariantCulture),
    };

    private static XElement Build(
        int nodes, int standby, List<Leaf> leafs, bool grouped, List<Location> locations, List<Pair> colocations,
        List<Pair> orders)
    {
        (standby, leafs, locations, colocations) = WhereReleasesAgree(standby, leafs, grouped, locations, colocations);
        var text = new StringBuilder(
            """
            <cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0"
              have-quorum="1" dc-uuid="1"><configuration><crm_config><cluster_property_set id="cib-bootstrap-options">
            <nvpair id="p1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config><nodes>
            """);
        for (int n = 1; n <= nodes; n++)
        {
            text.Append($"<node id=\"{n}\" uname=\"n{n}\">");
            if (standby == n)
            {
                text.Append($"<instance_attributes id=\"na{n}\"><nvpair id=\"sb{n}\" name=\"standby\" value=\"on\"/>");
                text.Append("</instance_attributes>");
            }

            text.Append("</node>");
        }

        text.Append("</nodes><resources>");
        grouped &= leafs.Count >= 3;
        for (int i = 0; i < leafs.Count; i++)
        {
            text.Append(grouped && i == 1 ? "<group id=\"g\">" : "");
            text.Append(Primitive(i, leafs[i]));
            text.Append(grouped && i == 2 ? "</group>" : "");
        }

        text.Append("</resources><constraints>");
        string Name(int i) => grouped && i % leafs.Count is 1 or 2 && grouped ? "g" : $"r{i % leafs.Count}";
        for (int i = 0; i < locations.Count; i++)
        {
            Location l = locations[i];
            text.Append($"<rsc_location id=\"l{i}\" rsc=\"{Name(l.Leaf)}\" node=\"n{(l.Node % nodes) + 1}\" score=\"{Score(l.Score)}\"/>");
        }

        var seen = new HashSet<(string, string)>();
        for (int i = 0; i < colocations.Count; i++)
        {
            Pair c = colocations[i];
            if (Name(c.First) != Name(c.Second) && seen.Add((Name(c.First), Name(c.Second))) && seen.Add((Name(c.Second), Name(c.First))))
            {
                string score = Score(c.Kind switch { 0 => 1000000, 1 => -1000000, 2 => 30, _ => -30 });
                text.Append($"<rsc_colocation id=\"c{i}\" rsc=\"{Name(c.First)}\" with-rsc=\"{Name(c.Second)}\" score=\"{score}\"/>");
            }
        }

        seen.Clear();
        for (int i = 0; i < orders.Count; i++)
        {
            Pair o = orders[i];
            if (Name(o.First) != Name(o.Second) && seen.Add((Name(o.First), Name(o.Second))) && seen.Add((Name(o.Second), Name(o.First))))
            {
                string kind = o.Kind switch { 0 => "Optional", _ => "Mandatory" };
                string symmetrical = o.Kind == 1 ? " symmetrical=\"false\"" : "";
                text.Append($"<rsc_order id=\"o{i}\" first=\"{Name(o.First)}\" then=\"{Name(o.Second)}\" kind=\"{kind}\"{symmetrical}/>");
            }
        }

        text.Append("</constraints></configuration><status>");
        for (int n = 1; n <= nodes; n++)
        {
            text.Append(Status(n, nodes, leafs));
        }

        return XElement.Parse(text.Append("</status></cib>").ToString());
    }

    private static string Primitive(int i, Leaf leaf)
    {
        var text = new StringBuilder($"<primitive id=\"r{i}\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\">");
        text.Append($"<meta_attributes id=\"m{i}\">");
        int[] stickiness = [0, 10, 100];
        text.Append($"<nvpair id=\"m{i}s\" name=\"resource-stickiness\" value=\"{stickiness[leaf.Stickiness]}\"/>");
        if (leaf.Target == 0)
        {
            text.Append($"<nvpair id=\"m{i}t\" name=\"target-role\" value=\"Stopped\"/>");
        }

        if (leaf.Threshold > 0)
        {
            text.Append($"<nvpair id=\"m{i}h\" name=\"migration-threshold\" value=\"{leaf.Threshold}\"/>");
        }

        text.Append("</meta_attributes>");
        if (leaf.Monitor)
        {
            text.Append($"<operations><op id=\"o{i}m\" name=\"monitor\" interval=\"10s\" timeout=\"20s\"/></operations>");
        }

        return text.Append("</primitive>").ToString();
    }

    private static string Status(int n, int nodes, List<Leaf> leafs)
    {
        var text = new StringBuilder(
            $"<node_state id=\"{n}\" uname=\"n{n}\" in_ccm=\"true\" crmd=\"online\" join=\"member\" expected=\"member\">");
        var attributes = new StringBuilder();
        var history = new StringBuilder();
        for (int i = 0; i < leafs.Count; i++)
        {
            Leaf leaf = leafs[i];
            int here = leaf.State == 0 ? 0 : ((leaf.State - 1) % nodes) + 1;
            history.Append($"<lrm_resource id=\"r{i}\" type=\"Dummy\" class=\"ocf\" provider=\"pacemaker\">");
            if (here == n)
            {
                history.Append(Entry(i, "start", 0, 0, 0, $"r{i}_last_0", 2));
                if (leaf.Monitor)
                {
                    history.Append(Entry(i, "monitor", 10000, 0, 0, $"r{i}_monitor_10000", 3));
                    if (leaf.Failure == 1)
                    {
                        history.Append(Entry(i, "monitor", 10000, 7, 0, $"r{i}_last_failure_0", 3));
                        attributes.Append($"<nvpair id=\"f{n}{i}\" name=\"fail-count-r{i}#monitor_10000\" value=\"1\"/>");
                    }
                }
            }
            else
            {
                history.Append(Entry(i, "monitor", 0, 7, 7, $"r{i}_last_0", 1));
            }

            history.Append("</lrm_resource>");
        }

        if (attributes.Length > 0)
        {
            text.Append($"<transient_attributes id=\"{n}\"><instance_attributes id=\"t{n}\">{attributes}");
            text.Append("</instance_attributes></transient_attributes>");
        }

        return text.Append($"<lrm id=\"{n}\"><lrm_resources>{history}</lrm_resources></lrm></node_state>").ToString();
    }

    private static string Entry(int i, string task, long interval, int rc, int expected, string id, int call)
    {
        string digest = OperationDigest.All(
            new Dictionary<string, string>(), new Dictionary<string, string>(), interval, 20000).All;
        string key = $"1:1:{expected}:11111111-1111-1111-1111-111111111111";
        int changed = id.Contains("failure") ? 20 : 0;
        return $"<lrm_rsc_op id=\"{id}\" operation_key=\"r{i}_{task}_{interval}\" operation=\"{task}\" crm_feature_set=\"3.16.1\" "
            + $"transition-key=\"{key}\" transition-magic=\"0:{rc};{key}\" call-id=\"{call}\" rc-code=\"{rc}\" op-status=\"0\" "
            + $"interval=\"{interval}\" last-rc-change=\"{Recorded + changed}\" op-digest=\"{digest}\"/>";
    }
}
