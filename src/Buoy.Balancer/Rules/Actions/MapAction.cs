using System.Text;
using Buoy.Balancer.Rules.Patterns;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Actions;

/// <summary>What an action does to a list of patterns.</summary>
internal enum MapChange : byte { SetMap, DeleteMap, AddAcl, DeleteAcl }

/// <summary>
/// set-map, del-map, add-acl, del-acl (configuration manual 4.2). The change is seen at once by all shards. A file that
/// nothing looks into is not kept: then there is nothing to do, as in the original.
/// </summary>
internal sealed unsafe class MapAction(
    PatternStore store, string file, MapChange change, IFormatString key, IFormatString? value) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        if (store.FindFile(file) is not { } reference || Text(run, key) is not { } pattern)
        {
            return RuleResult.Continue;
        }

        switch (change)
        {
            case MapChange.SetMap:
                if (Text(run, value!) is { } text)
                {
                    reference.SetOrAdd(pattern, text);
                }

                break;
            case MapChange.AddAcl:
                reference.AddOnce(pattern);
                break;
            default:
                reference.Delete(pattern);
                break;
        }

        return RuleResult.Continue;
    }

    private static string? Text(RuleRun run, IFormatString format)
    {
        byte* p = run.Format(format, out int length);
        return p == null ? null : Encoding.Latin1.GetString(p, length);
    }
}
