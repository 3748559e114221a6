namespace Buoy.Scheduler;

/// <summary>Adds the wishes of dependents to the scores of what they go with (SCHEDULER 3.5, "Merge dependents").</summary>
internal sealed class DependentMerger
{
    /// <summary>A positive score that a dependent would make negative: it takes nothing more and ends as 1.</summary>
    private const int Frozen = -100 * Score.Infinity;

    /// <summary>Merges one dependent, and those that come with it, into the primary's table.</summary>
    public void Merge(Resource primary, Colocation c, float factor, bool onlyNonNegative)
    {
        ScoreTable table = primary.Scores;
        MergeInto(ref table, c.Dependent, c, primary, factor, onlyNonNegative);
        primary.Scores = table;
    }

    /// <summary>The resource's scores with the wishes of those it goes with; nothing is changed.</summary>
    public ScoreTable WithPrimaries(Resource resource)
    {
        // A group's last member goes with the one before it, and so on: its wishes are those of all.
        Resource start = resource is { Kind: ResourceKind.Group, Children.Count: > 0 } ? resource.Children[^1] : resource;
        ScoreTable table = start.Scores.Copy();
        AddPrimaries(ref table, start, start, 1f);
        return table;
    }

    /// <summary>
    /// How much what the clone goes with, and what goes with the clone, like an instance to be where it is. Its own score there
    /// does not count (scheduler case clone-recover-no-shuffle-8).
    /// </summary>
    public int WishesFor(Cluster cluster, Resource clone, Resource instance, Node current)
    {
        var table = new ScoreTable(cluster.Nodes) { [current] = current.BaseScore };
        foreach (Colocation c in ColocationLists.With(clone))
        {
            MergeInto(ref table, c.Primary, c, instance, c.Score / (float)Score.Infinity, onlyNonNegative: false);
        }

        foreach (Colocation c in ColocationLists.WithThis(clone))
        {
            if (c.HasInfluence(c.Dependent))
            {
                MergeInto(ref table, c.Dependent, c, instance, c.Score / (float)Score.Infinity, onlyNonNegative: false);
            }
        }

        return table[current] ?? 0;
    }

    private void AddPrimaries(ref ScoreTable table, Resource resource, Resource start, float factor)
    {
        if (resource.IsMerging)
        {
            return;
        }

        resource.IsMerging = true;
        foreach (Colocation c in ColocationLists.With(resource).Where(c => c.Primary != start))
        {
            ScoreTable work = table.Copy();
            float weight = factor * c.Score / Score.Infinity;
            AddBest(work, c.Primary, c, start, weight, onlyNonNegative: false);
            if (work.AnyAvailable())
            {
                AddPrimaries(ref work, c.Primary, start, weight);
                table = work;
            }
        }

        resource.IsMerging = false;
    }

    private void MergeInto(
        ref ScoreTable table, Resource dependent, Colocation c, Resource primary, float factor, bool onlyNonNegative)
    {
        if (dependent.Kind == ResourceKind.Group)
        {
            if (dependent.Children.Count > 0)
            {
                MergeInto(ref table, dependent.Children[0], c, primary, factor, onlyNonNegative);
            }

            return;
        }

        if (dependent.IsMerging || primary == dependent)
        {
            return;
        }

        dependent.IsMerging = true;
        ScoreTable work = table.Copy();
        AddBest(work, dependent, c, primary, factor, onlyNonNegative);
        if (work.AnyAvailable())
        {
            foreach (Colocation next in ColocationLists.WithThis(dependent))
            {
                if (next.HasInfluence(next.Dependent))
                {
                    MergeInto(
                        ref work, next.Dependent, next, primary, factor * next.Score / Score.Infinity, onlyNonNegative);
                }
            }

            foreach ((Node node, int score) in work.Entries.ToArray())
            {
                if (score == Frozen)
                {
                    work[node] = 1;
                }
            }

            table = work;
        }

        dependent.IsMerging = false;
    }

    private static void AddBest(
        ScoreTable work, Resource dependent, Colocation c, Resource primary, float factor, bool onlyNonNegative)
    {
        ScoreTable table = WishesOf(dependent, c);
        foreach ((Node node, int old) in work.Entries.ToArray())
        {
            if (old == Frozen)
            {
                continue;
            }

            int best = BestScore(table, node.Attribute(c.NodeAttribute), c.NodeAttribute);
            if (factor < 0 && best < 0)
            {
                if (!(primary.Stickiness < -best && AllowedOnExactlyOne(dependent) && c.HasInfluence(dependent)))
                {
                    continue;
                }
            }

            int delta = (int)Math.Round((double)(factor * best), MidpointRounding.AwayFromZero);
            if (delta == 0 && best != 0)
            {
                delta = factor > 0 ? 1 : factor < 0 ? -1 : 0;
            }

            int sum = Score.Add(old, Math.Clamp(delta, -Score.Infinity, Score.Infinity));
            if (onlyNonNegative && sum < 0)
            {
                if (old > 0)
                {
                    work[node] = Frozen;
                }

                continue;
            }

            work[node] = sum;
        }
    }

    /// <summary>The dependent's scores; a later member with a constraint of its own adds its group's locations.</summary>
    private static ScoreTable WishesOf(Resource dependent, Colocation c)
    {
        if (!dependent.InGroup || c.Dependent != dependent || c.Primary.Parent == dependent.Parent
            || dependent.Parent!.Children[0] == dependent)
        {
            return dependent.Scores;
        }

        ScoreTable table = dependent.Scores.Copy();
        foreach ((Node node, int score) in dependent.Parent.Scores.Entries)
        {
            table.Add(node, score);
        }

        return table;
    }

    private static bool AllowedOnExactlyOne(Resource resource) =>
        resource.Scores.Entries.Count(e => e.Score >= 0 && e.Node.Available) == 1;

    private static int BestScore(ScoreTable table, string value, string attribute)
    {
        int best = -Score.Infinity;
        foreach ((Node node, int score) in table.Entries)
        {
            if (score > best && node.Available
                && string.Equals(node.Attribute(attribute), value, StringComparison.OrdinalIgnoreCase))
            {
                best = score;
            }
        }

        return best;
    }
}
