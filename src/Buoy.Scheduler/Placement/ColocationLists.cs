namespace Buoy.Scheduler;

/// <summary>The colocations that count for a resource, its own and those it has from others (SCHEDULER 3.5).</summary>
internal static class ColocationLists
{
    /// <summary>Inserts in order; an equal one goes before those already there.</summary>
    public static void Insert(List<Colocation> list, Colocation c, bool byPrimary)
    {
        int at = 0;
        while (at < list.Count && Compare(c, list[at], byPrimary) > 0)
        {
            at++;
        }

        list.Insert(at, c);
    }

    /// <summary>"This with": where it has to go.</summary>
    public static List<Colocation> With(Resource resource) => Collect(resource, byPrimary: true);

    /// <summary>"With this": who comes along.</summary>
    public static List<Colocation> WithThis(Resource resource) => Collect(resource, byPrimary: false);

    private static List<Colocation> Collect(Resource resource, bool byPrimary)
    {
        var list = new List<Colocation>();
        if (resource.Parent is { Kind: ResourceKind.Group } group)
        {
            CollectMember(list, resource, group, byPrimary);
        }
        else
        {
            AddAll(list, Own(resource, byPrimary), byPrimary);
            if (resource.Kind == ResourceKind.Group)
            {
                AddOtherMembers(list, resource, byPrimary);
            }

            for (Resource? p = resource.Parent; p is not null; p = p.Parent)
            {
                AddAll(list, Own(p, byPrimary), byPrimary);
            }
        }

        return list;
    }

    private static void CollectMember(List<Colocation> list, Resource member, Resource group, bool byPrimary)
    {
        AddAll(list, Own(member, byPrimary), byPrimary);
        bool representative = !group.Collocated
            || member == (byPrimary ? group.Children[0] : group.Children[^1]);
        if (representative)
        {
            for (Resource? p = group; p is not null; p = p.Parent)
            {
                AddAll(list, Own(p, byPrimary), byPrimary);
            }

            if (byPrimary && group.Collocated)
            {
                foreach (Resource other in group.Children.Where(o => o != member))
                {
                    AddAll(list, Own(other, byPrimary).Where(c => c.Primary.Parent != group), byPrimary);
                }
            }
        }
        else if (byPrimary)
        {
            // After an unmanaged member the chain from the first one is cut, so the others need the group's own limits.
            foreach (Resource before in group.Children.TakeWhile(o => o != member))
            {
                if (!before.Managed)
                {
                    for (Resource? p = group; p is not null; p = p.Parent)
                    {
                        AddAll(list, Own(p, byPrimary).Where(c => c.Score >= Score.Infinity), byPrimary);
                    }

                    break;
                }
            }
        }
    }

    private static void AddOtherMembers(List<Colocation> list, Resource group, bool byPrimary)
    {
        if (!byPrimary || !group.Collocated)
        {
            return;
        }

        foreach (Resource member in group.Children)
        {
            AddAll(list, Own(member, byPrimary).Where(c => c.Primary.Parent != group), byPrimary);
        }
    }

    private static List<Colocation> Own(Resource resource, bool byPrimary) =>
        byPrimary ? resource.With : resource.WithThis;

    private static void AddAll(List<Colocation> list, IEnumerable<Colocation> more, bool byPrimary)
    {
        foreach (Colocation c in more)
        {
            Insert(list, c, byPrimary);
        }
    }

    private static int Compare(Colocation a, Colocation b, bool byPrimary)
    {
        Resource x = byPrimary ? a.Primary : a.Dependent, y = byPrimary ? b.Primary : b.Dependent;
        if (x.Priority != y.Priority)
        {
            return y.Priority.CompareTo(x.Priority);
        }

        if (x.Kind != y.Kind)
        {
            return y.Kind.CompareTo(x.Kind);
        }

        if (x.Kind == ResourceKind.Clone && x.Clone!.Promotable != y.Clone!.Promotable)
        {
            return x.Clone.Promotable ? -1 : 1;
        }

        return string.CompareOrdinal(x.Id, y.Id);
    }
}
