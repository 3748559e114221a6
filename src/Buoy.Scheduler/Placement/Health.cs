namespace Buoy.Scheduler;

/// <summary>Node health (SCHEDULER 3.2): the sum of all <c>#health...</c> attributes under the chosen strategy.</summary>
internal static class Health
{
    public static int Value(ClusterOptions options, Node node)
    {
        if (options.HealthStrategy == "none")
        {
            return 0;
        }

        int sum = options.HealthStrategy == "progressive" ? options.HealthBase : 0;
        foreach ((string name, string value) in node.Attributes)
        {
            if (name.StartsWith("#health", StringComparison.Ordinal))
            {
                sum = Score.Add(sum, One(options, value));
            }
        }

        return sum;
    }

    /// <summary>One attribute's value.</summary>
    public static int One(ClusterOptions options, string value)
    {
        (int green, int yellow, int red) = options.HealthStrategy switch
        {
            "migrate-on-red" => (0, 0, -Score.Infinity),
            "only-green" => (0, -Score.Infinity, -Score.Infinity),
            "progressive" or "custom" => (options.HealthGreen, options.HealthYellow, options.HealthRed),
            _ => (0, 0, 0),
        };
        return value.ToLowerInvariant() switch
        {
            "green" => green,
            "yellow" => yellow,
            "red" => red,
            _ => Score.Parse(value) ?? 0,
        };
    }

    /// <summary>What the node list says after a node's name; null for a healthy one.</summary>
    public static string? Text(ClusterOptions options, Node node)
    {
        if (options.HealthStrategy == "none")
        {
            return null;
        }

        bool red = false, yellow = false;
        foreach ((string name, string value) in node.Attributes)
        {
            if (!name.StartsWith("#health", StringComparison.Ordinal))
            {
                continue;
            }

            if (Score.Parse(value) is int score)
            {
                red |= score <= RedScore(options);
                yellow |= score < 0 && score <= YellowScore(options);
            }
            else
            {
                red |= value.Equals("red", StringComparison.OrdinalIgnoreCase);
                yellow |= value.Equals("yellow", StringComparison.OrdinalIgnoreCase);
            }
        }

        return red ? "health is RED" : yellow ? "health is YELLOW" : null;
    }

    private static int YellowScore(ClusterOptions options) =>
        options.HealthStrategy is "progressive" or "custom" ? options.HealthYellow
        : options.HealthStrategy == "only-green" ? -Score.Infinity : 0;

    private static int RedScore(ClusterOptions options) =>
        options.HealthStrategy is "progressive" or "custom" ? options.HealthRed : -Score.Infinity;
}
