namespace Buoy.Balancer.Configuration;

/// <summary>Finds the keyword somebody may have meant: the most alike by shared pairs of letters (Dice's coefficient).</summary>
internal static class Suggestions
{
    private const double Enough = 0.55;
    private const double EnoughForShort = 0.5;
    private const int Short = 3;

    /// <summary>The ending of a message: <c>; did you mean 'mode' maybe ?</c>, or nothing.</summary>
    public static string For(string word, IEnumerable<string> known, string lead = "; did") =>
        Best(word, known) is { } best ? $"{lead} you mean '{best}' maybe ?" : "";

    /// <summary>The most alike keyword, or null.</summary>
    public static string? Best(string word, IEnumerable<string> known)
    {
        var pairs = Pairs(word);
        string? best = null;
        double score = word.Length <= Short ? EnoughForShort : Enough;
        foreach (string k in known)
        {
            var other = Pairs(k);
            int total = pairs.Count + other.Count;
            int shared = 0;
            foreach (var p in pairs)
            {
                shared += other.Remove(p) ? 1 : 0;
            }

            double s = 2.0 * shared / total;
            if (s > score || (best is null && s >= score))
            {
                (best, score) = (k, s);
            }
        }

        return best;
    }

    private static List<(char, char)> Pairs(string word)
    {
        var pairs = new List<(char, char)>(word.Length + 1);
        char last = '^';
        foreach (char c in word)
        {
            pairs.Add((last, c));
            last = c;
        }

        pairs.Add((last, '$'));
        return pairs;
    }
}
