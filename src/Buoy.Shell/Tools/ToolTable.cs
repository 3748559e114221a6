namespace Buoy.Shell.Tools;

/// <summary>The tools by the names they are started under.</summary>
public static class ToolTable
{
    /// <summary>Name → entry. A tool takes its arguments without its own name and gives its exit status.</summary>
    public static IReadOnlyDictionary<string, ToolMain> Create(ShellServices services)
    {
        var corosync = new CorosyncTools(services);
        var attributes = new AttributeTools(services);
        var tools = new Dictionary<string, ToolMain>
        {
            ["crm"] = (a, i, o, e) => Crm.Run(a, i, o, e, services),
            ["cibadmin"] = new CibAdmin(services).Run,
            ["crm_mon"] = new CrmMon(services).Run,
            ["crm_node"] = new NodeTools(services).CrmNode,
            ["crmadmin"] = new NodeTools(services).CrmAdmin,
            ["crm_attribute"] = attributes.CrmAttribute,
            ["crm_master"] = attributes.CrmMaster,
            ["attrd_updater"] = attributes.AttrdUpdater,
            ["crm_standby"] = attributes.CrmStandby,
            ["crm_failcount"] = attributes.CrmFailCount,
            ["crm_resource"] = new CrmResource(services).Run,
            ["crm_diff"] = CrmDiff.Run,
            ["crm_verify"] = new CrmVerify(services).Run,
            ["corosync-quorumtool"] = corosync.QuorumTool,
            ["corosync-cfgtool"] = corosync.CfgTool,
            ["corosync-cmapctl"] = corosync.CmapCtl,
            ["corosync-cpgtool"] = corosync.CpgTool,
            ["corosync-keygen"] = corosync.KeyGen,
        };
        if (services.Simulate is { } simulate)
        {
            tools["crm_simulate"] = simulate;
        }

        return tools;
    }
}
