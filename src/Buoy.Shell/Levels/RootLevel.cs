namespace Buoy.Shell.Levels;

/// <summary>The top of the shell.</summary>
internal sealed class RootLevel(Crm crm) : Level(crm)
{
    private static readonly string[] SubLevels = ["configure", "resource", "node", "cluster", "corosync", "ra", "options", "maintenance"];

    public override string Name => "";

    public override IReadOnlyList<string> Commands { get; } =
    [
        .. SubLevels, "status", "verify", "history", "explain", "wait",
        "assist", "cib", "cibstatus", "report", "resource-agent", "sbd", "script", "site", "template",
    ];

    public override IReadOnlyDictionary<string, string> Aliases { get; } = new Dictionary<string, string>
    {
        ["st"] = "status", ["stat"] = "status", ["conf"] = "configure", ["cfg"] = "configure", ["res"] = "resource", ["rsc"] = "resource",
    };

    public override bool IsLevel(string command) => SubLevels.Contains(command);

    public override Level MakeLevel(string command) => command switch
    {
        "configure" => new ConfigureLevel(Crm),
        "resource" => new ResourceLevel(Crm),
        "node" => new NodeLevel(Crm),
        "cluster" => new ClusterLevel(Crm),
        "corosync" => new CorosyncLevel(Crm),
        "ra" => new RaLevel(Crm),
        "maintenance" => new MaintenanceLevel(Crm),
        _ => new OptionsLevel(Crm),
    };

    public override bool Run(string command, IReadOnlyList<string> arguments)
    {
        switch (command)
        {
            case "status":
                return StatusCommand.Run(Crm, arguments);
            case "verify":
                return new ConfigureLevel(Crm).Run("verify", []);
            case "history":
                return HistoryCommand.Run(Crm, arguments);
            case "explain":
                if (arguments.Count != 1)
                {
                    return Usage("explain", "rsc", arguments.Count);
                }

                Crm.Output.Write(Crm.Connection.Call(Control.ControlCommand.Explain, null, ("resource", arguments[0])).TrimEnd('\n') + "\n");
                return true;
            case "wait":
                Crm.Wait = true;
                return Crm.WaitIfAsked();
            default:
                Crm.Messages.Error($"{command}: not supported");
                return false;
        }
    }
}
