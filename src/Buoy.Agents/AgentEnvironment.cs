using System.Collections;
using System.Globalization;

namespace Buoy.Agents;

/// <summary>
/// The environment that script agents get (OCF Resource Agent API 1.1 section 3, and what heartbeat's add).
/// </summary>
internal static class AgentEnvironment
{
    private const string FeatureSet = "3.19.0";
    private static readonly string[] OfTheDaemon =
        ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

    /// <summary>Where the tools that agents call find this daemon.</summary>
    private const string ForTools = "BUOY_RUN";

    private const string SystemPath = "/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>The daemon's own environment without what belongs to agents or to the daemon alone.</summary>
    public static Dictionary<string, string> Inherited()
    {
        var result = new Dictionary<string, string>();
        foreach (DictionaryEntry e in Environment.GetEnvironmentVariables())
        {
            string name = (string)e.Key;
            if (!name.StartsWith("OCF_", StringComparison.Ordinal) && !name.StartsWith("HA_", StringComparison.Ordinal)
                && (!name.StartsWith("BUOY_", StringComparison.Ordinal) || name == ForTools) && !OfTheDaemon.Contains(name))
            {
                result[name] = (string?)e.Value ?? "";
            }
        }

        return result;
    }

    /// <summary>The environment of one operation of an OCF agent.</summary>
    public static Dictionary<string, string> ForOcf(
        AgentRequest request, AgentExecutorOptions options, Dictionary<string, string> inherited)
    {
        var env = new Dictionary<string, string>(inherited);
        env["PATH"] = env.TryGetValue("PATH", out string? path) && path.Length > 0 ? $"{path}:{SystemPath}"
            : SystemPath;
        if (options.ToolFolder is { } tools)
        {
            env["PATH"] = $"{tools}:{env["PATH"]}";
        }

        env["OCF_ROOT"] = options.OcfRoot;
        env["OCF_RA_VERSION_MAJOR"] = "1";
        env["OCF_RA_VERSION_MINOR"] = "1";
        env["OCF_RESOURCE_INSTANCE"] = request.ResourceId;
        env["OCF_RESOURCE_TYPE"] = request.Agent.Type;
        env["OCF_RESOURCE_PROVIDER"] = request.Agent.Provider ?? "";
        env["OCF_CHECK_LEVEL"] = "0";
        env["OCF_RESKEY_crm_feature_set"] = FeatureSet;
        env["OCF_RESKEY_CRM_meta_interval"] = request.IntervalMs.ToString(CultureInfo.InvariantCulture);
        env["OCF_RESKEY_CRM_meta_timeout"] = request.TimeoutMs.ToString(CultureInfo.InvariantCulture);
        env["OCF_RESKEY_CRM_meta_name"] = request.Task;
        foreach (var (name, value) in request.Attributes)
        {
            // Shell variables have no hyphens; the check level is no parameter of the agent.
            string key = name.StartsWith("CRM_meta_", StringComparison.Ordinal) ? name.Replace('-', '_') : name;
            env["OCF_RESKEY_" + key] = value;
            if (key is "OCF_CHECK_LEVEL" or "CRM_meta_OCF_CHECK_LEVEL")
            {
                env["OCF_CHECK_LEVEL"] = value;
            }
        }

        env.Remove("OCF_RESKEY_OCF_CHECK_LEVEL");
        env["HA_SBIN_DIR"] = options.ToolFolder ?? "/usr/sbin";
        env["HA_RSCTMP"] = options.AgentStateDirectory;
        env["HA_VARRUN"] = "/var/run/";
        env["HA_LOGFACILITY"] = "daemon";
        env["HA_logfacility"] = "daemon";
        env["HA_debug"] = "0";
        if (options.DebugLog is { } log)
        {
            env["HA_DEBUGLOG"] = log;
        }

        return env;
    }

    /// <summary>NAME=VALUE for exec.</summary>
    public static List<string> Lines(Dictionary<string, string> environment) =>
        [.. environment.Select(static e => $"{e.Key}={e.Value}")];
}
