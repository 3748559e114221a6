using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Cluster;

namespace Buoy.Shell.Tools;

/// <summary>What Pacemaker's tools have in common: the CIB, and failures in their words.</summary>
internal static class ToolFrame
{
    public static int Run(string tool, ShellServices services, TextWriter error, Func<ICibSource, ControlConnection,
        int> what)
    {
        using ControlConnection connection = services.Connect();
        try
        {
            return what(services.Source(connection), connection);
        }
        catch (CibException e)
        {
            error.Write(e.Status switch
            {
                ControlStatus.NotConnected => tool switch
                {
                    "crm_mon" => "error: Could not connect to launcher: Connection refused\ncrm_mon: Connection to "
                        + "cluster failed: Connection refused\n",
                    "crm_node" => "error: Could not connect to controller: Connection refused\n",
                    "crmadmin" => "error: Could not connect to controller: Connection refused\nerror: Command "
                        + "failed: Connection refused\n",
                    "crm_verify" => "crm_verify: CIB query failed: Input file not available\n",
                    "crm_resource" => "crm_resource: Could not connect to the CIB: Transport endpoint is not "
                        + "connected\n"
                        + "Error performing operation: Not connected\n",
                    _ => $"{tool}: Could not connect to the CIB: Transport endpoint is not connected\n",
                },
                ControlStatus.NoSuchObject when e.Message.StartsWith("Could not map", StringComparison.Ordinal) =>
                    $"{tool}: {e.Message}\n",
                _ => $"{tool}: Error performing operation: {e.Message}\n",
            });
            return tool == "crm_verify" && e.Status == ControlStatus.NotConnected ? 66 : e.Status;
        }
    }

    /// <summary>The name of this node: of the daemon, or of the machine on a CIB file.</summary>
    public static string ThisNode(ICibSource source, ControlConnection connection) =>
        source.IsLive ? connection.Membership().NodeName : Environment.MachineName;

    public static int Bad(string tool, string problem, TextWriter error)
    {
        error.Write($"{tool}: {problem}\n");
        return ControlStatus.Usage;
    }
}
