namespace Buoy.Balancer.Rules.Actions;

/// <summary>use-service: the balancer's own service answers the request (manual 4.2, "http-request use-service").</summary>
internal sealed class ServiceAction(string name) : RuleAction
{
    /// <summary>The exporter of metrics for Prometheus.</summary>
    public const string Prometheus = "prometheus-exporter";

    public override RuleResult Run(RuleRun run)
    {
        run.Service = name;
        return RuleResult.Service;
    }
}
