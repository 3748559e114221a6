using Buoy.Membership;

namespace Buoy.Simulation;

/// <summary>
/// Invariants of views and quorum over the histories of all nodes. V1: a ring's view is the same on all members that give
/// it, members and seniority. V2: any two quorate views share a member, where expected votes do not fall. V3: a view is
/// quorate for all its members or for none, where the verdict does not depend on what each saw before: as in
/// votequorum, quorum that an operator raised does not fall by itself on those who were there, and a restarted node
/// does not know of it.
/// </summary>
internal static class ViewChecker
{
    public static IEnumerable<string> Check(Simulation s)
    {
        var views = s.Nodes.SelectMany(n => n.Log.OfType<Viewed>()).Select(v => v.View).ToList();
        foreach (var ring in views.GroupBy(v => v.RingId))
        {
            var first = ring.First();
            if (ring.FirstOrDefault(v => !v.Members.SequenceEqual(first.Members)) is { } other)
            {
                yield return $"V1: ring {ring.Key}: {Text(first)} on one member, {Text(other)} on another";
            }
        }

        if (s.Quorum is not { TwoNode: false, LastManStanding: false, AutoTieBreaker: null })
        {
            yield break;
        }

        foreach (var ring in views.GroupBy(v => v.RingId).Where(g => !s.ExpectedWasSet
            && g.Select(v => v.Quorate).Distinct().Count() > 1))
        {
            yield return $"V3: ring {ring.Key}: quorate for some of {Text(ring.First())}, not for others";
        }

        var quorate = views.Where(v => v.Quorate).Select(v => v.Members.Select(m => m.NodeId).ToHashSet())
            .DistinctBy(m => string.Join(',', m)).ToList();
        for (int i = 0; i < quorate.Count; i++)
        {
            for (int j = i + 1; j < quorate.Count; j++)
            {
                if (!quorate[i].Overlaps(quorate[j]))
                {
                    yield return $"V2: {{{string.Join(' ', quorate[i])}}} and {{{string.Join(' ', quorate[j])}}} were quorate";
                }
            }
        }
    }

    private static string Text(ClusterView v) =>
        string.Join(' ', v.Members.Select(m => $"{m.NodeId}@{m.Joined}")) + (v.Quorate ? " quorate" : "");
}
