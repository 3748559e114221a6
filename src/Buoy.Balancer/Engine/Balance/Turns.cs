namespace Buoy.Balancer.Engine.Balance;

/// <summary>
/// The two orders in which the original goes round servers of different weights, worked out when weights change so that
/// a pick is one step.
/// </summary>
internal static class Turns
{
    /// <summary>Longest turn; beyond it weights are scaled down.</summary>
    private const int Longest = 65536;

    /// <summary>
    /// static-rr and maps: every step adds each weight to its server's account; the first account that holds a whole
    /// turn pays for the step, else the first that is not overdrawn.
    /// </summary>
    public static int[] Map(IReadOnlyList<Candidate> servers)
    {
        var weights = Weights(servers, out int sum);
        var account = new int[weights.Length];
        var turn = new int[sum];
        for (int i = 0; i < sum; i++)
        {
            int payer = -1;
            bool rich = false;
            for (int k = 0; k < weights.Length; k++)
            {
                account[k] += weights[k];
                if (!rich && account[k] >= sum)
                {
                    (payer, rich) = (k, true);
                }
                else if (payer < 0 && account[k] >= 0)
                {
                    payer = k;
                }
            }

            account[payer] -= sum;
            turn[i] = servers[payer].Server;
        }

        return turn;
    }

    /// <summary>
    /// roundrobin: servers enter the turn heaviest first, wherever no server that is in it is due. A server is due again
    /// a turn divided by its weight later (whole steps, the rest is kept); among those due the earliest goes first, then
    /// the one with the smallest rest less weight, then the one that waits longest. From the second turn on it repeats.
    /// </summary>
    /// <param name="loop">Where the order goes on after its end: the first turn may differ from all later ones.</param>
    public static int[] Dynamic(IReadOnlyList<Candidate> servers, out int loop)
    {
        var weights = Weights(servers, out int sum);
        int n = weights.Length;
        int[] entering = [.. Enumerable.Range(0, n).OrderByDescending(i => weights[i])];
        var queue = new PriorityQueue<int, (int Due, int Left, int Since)>();
        var due = new int[n];
        var rest = new int[n];
        var turn = new int[2 * sum];
        int entered = 0;
        for (int at = 0; at < turn.Length; at++)
        {
            int next;
            if (entered < n && !(queue.TryPeek(out _, out var first) && first.Due <= at))
            {
                next = entering[entered++];
                due[next] = at;
            }
            else
            {
                next = queue.Dequeue();
            }

            turn[at] = servers[next].Server;
            due[next] += sum / weights[next];
            rest[next] += sum % weights[next];
            if (rest[next] >= weights[next])
            {
                rest[next] -= weights[next];
                due[next]++;
            }

            queue.Enqueue(next, (due[next], rest[next] - weights[next], at));
        }

        bool same = turn.AsSpan(0, sum).SequenceEqual(turn.AsSpan(sum));
        loop = same ? 0 : sum;
        return same ? turn[..sum] : turn;
    }

    private static int[] Weights(IReadOnlyList<Candidate> servers, out int sum)
    {
        long total = servers.Sum(s => (long)s.Weight);
        int divisor = 1;
        long scale = 1;
        if (total > Longest / 4)
        {
            divisor = servers.Aggregate(0, (a, s) => Gcd(a, s.Weight));
            scale = ((total / divisor) + Longest - 1) / Longest;
        }

        int[] weights = [.. servers.Select(s => (int)Math.Max(1, s.Weight / divisor / scale))];
        sum = weights.Sum();
        return weights;
    }

    private static int Gcd(int a, int b) => b == 0 ? a : Gcd(b, a % b);
}
