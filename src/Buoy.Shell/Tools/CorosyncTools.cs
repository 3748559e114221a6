using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Cluster;

namespace Buoy.Shell.Tools;

/// <summary>corosync-quorumtool, -cfgtool, -cmapctl, -cpgtool and -keygen: options, texts and statuses of Corosync
/// 3.1.</summary>
internal sealed partial class CorosyncTools(ShellServices services)
{
    private int Connected(TextWriter error, string absent, Func<ControlConnection, int> what)
    {
        using ControlConnection connection = services.Connect();
        if (!connection.IsUp)
        {
            error.Write(absent);
            return 1;
        }

        try
        {
            return what(connection);
        }
        catch (CibException e)
        {
            error.Write(e.Message.TrimEnd('\n') + "\n");
            return 1;
        }
    }
}
