using Buoy.Composition;
using Buoy.Demo;
using Buoy.Lab;

return args switch
{
    ["lab", ..] => LabRoles.Run(args[1..]),
    ["demo", ..] => DemoCommand.Run(args[1..]),
    ["cluster", ..] => ClusterCommand.Run(args[1..]),
    ["balancer", ..] => Buoy.Balancer.Host.BalancerProgram.Run(args[1..], new BalancerParts(), ["buoy", "balancer"]),
    ["crm_simulate", ..] => Buoy.Scheduler.CrmSimulate.Run(args[1..], DateTimeOffset.UtcNow, File.ReadAllText, File.WriteAllText, Console.Write),
    _ => 64,
};
