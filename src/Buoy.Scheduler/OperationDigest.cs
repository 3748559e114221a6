using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Buoy.Scheduler;

/// <summary>Digests that are recorded with an operation's result.</summary>
/// <param name="All">Attribute <c>op-digest</c>.</param>
/// <param name="Restart">Attribute <c>op-restart-digest</c>; null where no parameter list was given.</param>
public sealed record OperationDigests(string All, string? Restart)
{
    /// <summary>Attribute <c>op-secure-digest</c>: without the secret parameters and pcmk_*; null where none are named.</summary>
    public string? Secure { get; init; }
}

/// <summary>
/// Digests of an operation's definition (SCHEDULER 4.5): the scheduler compares what is recorded with what is configured,
/// and restarts, reloads or reschedules on a difference.
/// </summary>
public static class OperationDigest
{
    private static readonly HashSet<string> Filtered = new(StringComparer.Ordinal)
    {
        "id", "crm_feature_set", "on_node", "on_node_uuid", "op-digest", "pcmk_external_ip",
    };

    /// <summary>Digests of one operation.</summary>
    /// <param name="resourceParameters">The resource's parameters on the node.</param>
    /// <param name="operationParameters">The operation's own instance attributes; the resource's win.</param>
    /// <param name="intervalMs">0 for an operation that runs once; recurring ones include their timeout.</param>
    /// <param name="timeoutMs">The operation's timeout.</param>
    /// <param name="forceRestart">
    /// Attribute <c>op-force-restart</c>: names, between blanks, of the parameters that cannot be reloaded; null = the agent
    /// does not reload.
    /// </param>
    /// <param name="secret">Attribute <c>op-secure-params</c>: names of parameters that copies of the CIB may hide.</param>
    public static OperationDigests All(
        IReadOnlyDictionary<string, string> resourceParameters, IReadOnlyDictionary<string, string> operationParameters,
        long intervalMs, long timeoutMs, string? forceRestart = null, string? secret = null)
    {
        var all = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach ((string name, string value) in resourceParameters)
        {
            if (!Filtered.Contains(name) && !name.StartsWith("CRM_meta_", StringComparison.Ordinal))
            {
                all[name] = value;
            }
        }

        foreach ((string name, string value) in operationParameters)
        {
            if (!Filtered.Contains(name) && !name.StartsWith("CRM_meta_", StringComparison.Ordinal))
            {
                all.TryAdd(name, value);
            }
        }

        string? restart = null;
        if (forceRestart is not null)
        {
            string[] names = forceRestart.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            restart = Digest(all.Where(p => names.Contains(p.Key)));
        }

        string? secure = null;
        if (secret is not null)
        {
            string[] names = secret.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            secure = Digest(all.Where(
                p => !names.Contains(p.Key) && !p.Key.StartsWith("pcmk_", StringComparison.Ordinal)));
        }

        if (intervalMs > 0)
        {
            all["CRM_meta_timeout"] = timeoutMs.ToString(CultureInfo.InvariantCulture);
        }

        return new OperationDigests(Digest(all), restart) { Secure = secure };
    }

    /// <summary>MD5 of a blank, the parameters as one XML element, and a newline.</summary>
    public static string Digest(IEnumerable<KeyValuePair<string, string>> sorted)
    {
        var text = new StringBuilder(" <parameters");
        foreach ((string name, string value) in sorted)
        {
            text.Append(' ').Append(name).Append("=\"").Append(XmlText.Escape(value)).Append('"');
        }

        text.Append("/>\n");
        return Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
