using Buoy.Lab.Bench;

namespace Buoy.Lab;

/// <summary>The lab's helpers, started by itself inside its hosts: <c>buoy lab ROLE …</c>.</summary>
internal static class LabRoles
{
    /// <summary>Runs a role; 64 for an unknown one.</summary>
    public static int Run(string[] args) => args switch
    {
        ["apiserver", ..] => LabApiServer.Run(args[1..]),
        ["dns", ..] => LabDns.Run(args[1..]),
        ["syslog", ..] => LabSyslog.Run(args[1..]),
        ["client", ..] => LabClient.Run(args[1..]),
        ["relay", ..] => LabRelay.Run(args[1..]),
        ["engine", ..] => LabEngine.Run(args[1..]),
        ["managed", _, _] => LabManaged.Run(args[1..]),
        ["group", _] => LabGroup.Run(args[1..]),
        ["ringload", _, _, _, _, _] => LabRingLoad.Run(args[1..]),
        ["ringbench", ..] => LabRingBench.Run(args[1..]),
        ["owners", _, _, _] => LabOwners.Run(args[1..]),
        ["cut", _] or ["mend"] or ["rules"] => LabCut.Run(args),
        ["benchbackend", _] => BenchBackend.Run(args[1..]),
        ["benchload", ..] => BenchLoad.Run(args[1..]),
        ["bench", ..] => BalancerBench.Run(args[1..]),
        ["ask", _, _] => LabAsk.Run(args[1..]),
        _ => Unknown(),
    };

    private static int Unknown()
    {
        Console.Error.WriteLine("buoy lab: the lab's own helpers (apiserver, dns, syslog, client, relay, ask, engine, group, ringload, ringbench, bench, benchload, benchbackend, managed, owners, cut, mend, rules); see 'buoy demo'");
        return 64;
    }
}
