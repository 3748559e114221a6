namespace Buoy.Scheduler;

/// <summary>What the configuration asks for when an operation fails (SCHEDULER 1.4).</summary>
internal static class OnFailPolicy
{
    public static OnFail Of(Cluster cluster, Resource leaf, string task, long intervalMs)
    {
        string? text = leaf.Operations.Meta(task, intervalMs).GetValueOrDefault("on-fail")?.ToLowerInvariant();
        if (text is null && task == "demote")
        {
            text = leaf.Operations.All
                .Where(o => o is { Name: "monitor", IntervalMs: > 0, Enabled: true, Role: ResourceRole.Promoted })
                .Select(o => leaf.Operations.Meta("monitor", o.IntervalMs).GetValueOrDefault("on-fail")?.ToLowerInvariant())
                .FirstOrDefault(v => v is not null and not "demote");
        }

        OnFail? policy = text switch
        {
            "ignore" or "nothing" => OnFail.Ignore,
            "restart" => OnFail.Restart,
            "restart-container" => OnFail.RestartContainer,
            "migrate" => OnFail.Ban,
            "block" => OnFail.Block,
            "stop" => OnFail.Stop,
            "standby" => OnFail.Standby,
            "fence" => cluster.FencingOn ? OnFail.Fence : OnFail.Stop,
            "demote" when task == "promote" || IsPromotedMonitor(leaf, task, intervalMs) => OnFail.Demote,
            _ => null,
        };
        if (task == "stop")
        {
            return policy switch
            {
                OnFail.Fence or OnFail.Block or OnFail.Ignore or OnFail.Restart or OnFail.Ban or OnFail.RestartContainer
                    => policy.Value,
                _ when text == "fence" => OnFail.Block,
                _ => cluster.FencingOn ? OnFail.Fence : OnFail.Block,
            };
        }

        return policy ?? OnFail.Restart;
    }

    private static bool IsPromotedMonitor(Resource leaf, string task, long intervalMs) =>
        task == "monitor" && intervalMs > 0
        && leaf.Operations.Find(task, intervalMs) is { Role: ResourceRole.Promoted };
}
