using Buoy.Cluster;
using Buoy.Control;
using Microsoft.Extensions.Logging;

namespace Buoy.Composition;

/// <summary>
/// Links under the tools' names, for agents: an agent that calls crm_attribute must reach this cluster, whatever else is
/// installed.
/// </summary>
internal static class ToolLinks
{
    /// <summary>Lays them in the run folder; null, with a line in the log, where that cannot be written.</summary>
    public static string? Lay(ILogger logger)
    {
        string folder = Path.Combine(ControlPaths.RunFolder, "tools");
        try
        {
            Directory.CreateDirectory(folder);
            foreach (string name in Commands.Names.Where(static n => n != "haproxy"))
            {
                var link = new FileInfo(Path.Combine(folder, name));
                if (link.LinkTarget != Environment.ProcessPath)
                {
                    link.Delete();
                    File.CreateSymbolicLink(link.FullName, Environment.ProcessPath!);
                }
            }

            return folder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            RingLog.Line(logger, LogLevel.Warning, $"agents get no tools of this cluster: {e.Message}");
            return null;
        }
    }
}
