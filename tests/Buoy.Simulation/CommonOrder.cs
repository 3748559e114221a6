namespace Buoy.Simulation;

/// <summary>Is there one order of events that agrees with the stories of all who saw some of them?</summary>
internal static class CommonOrder
{
    /// <summary>
    /// Takes what is next in every story that has it, as long as there is such an event. Null: all were taken, in an
    /// order that all stories agree with. Else how many are left and one of them: they wait for each other.
    /// </summary>
    /// <param name="stories">Events by number, in the order each was told them.</param>
    /// <param name="times">How often each event is in all stories together.</param>
    public static (int Left, int Event)? FirstStuck(IReadOnlyList<List<int>> stories, IReadOnlyList<int> times)
    {
        int[] next = new int[stories.Count];
        int[] waiting = [.. times];
        var ready = new Stack<int>();

        void Await(int story)
        {
            if (next[story] < stories[story].Count && --waiting[stories[story][next[story]]] == 0)
            {
                ready.Push(stories[story][next[story]]);
            }
        }

        for (int i = 0; i < stories.Count; i++)
        {
            Await(i);
        }

        int left = times.Count;
        while (ready.TryPop(out int taken))
        {
            left--;
            for (int i = 0; i < stories.Count; i++)
            {
                if (next[i] < stories[i].Count && stories[i][next[i]] == taken)
                {
                    next[i]++;
                    Await(i);
                }
            }
        }

        if (left == 0)
        {
            return null;
        }

        int stuck = Enumerable.Range(0, stories.Count).First(i => next[i] < stories[i].Count);
        return (left, stories[stuck][next[stuck]]);
    }
}
