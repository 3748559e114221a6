using System.Text.Json.Serialization;

namespace Buoy.Control;

/// <summary>
/// One call of a local tool to the cluster daemon over the Unix socket <see cref="ControlPaths.Socket"/>. On the wire:
/// a 4-byte big-endian length, then this record as UTF-8 JSON. One answer (<see cref="ControlResponse"/>) per request, in
/// order; a connection may carry any number of requests.
/// </summary>
/// <param name="Command">What to do: one of <see cref="ControlCommand"/>.</param>
/// <param name="Arguments">Named arguments of the command; absent ones have the command's default.</param>
/// <param name="Body">Payload, for CIB commands an XML text.</param>
public sealed record ControlRequest(string Command, IReadOnlyDictionary<string, string> Arguments, string? Body = null);

/// <summary>The daemon's answer.</summary>
/// <param name="Status">0, or an exit status of Pacemaker's tools (<see cref="ControlStatus"/>).</param>
/// <param name="Output">What was asked for: XML, JSON or text, by the command.</param>
/// <param name="Error">For a person, in one or several lines, when <paramref name="Status"/> is not 0.</param>
public sealed record ControlResponse(int Status, string Output = "", string? Error = null);

/// <summary>Names of the daemon's commands. Each says its arguments, its body and its output.</summary>
public static class ControlCommand
{
    /// <summary>No arguments. Output: the whole live <c>cib</c> element, status section included.</summary>
    public const string CibQuery = "cib-query";

    /// <summary>
    /// Body: a list of <c>CibOperation</c> (JSON, Buoy.Cib). Argument <c>expect</c> (optional): admin_epoch.epoch that the
    /// CIB must still have, else status <see cref="ControlStatus.OldData"/>. Answered when this node applied it.
    /// Argument <c>client</c>: the tool's name, for <c>update-client</c>. Refused with <see cref="ControlStatus.NotSupported"/>
    /// and one line per reason when the scheduler cannot honour the result.
    /// </summary>
    public const string CibApply = "cib-apply";

    /// <summary>No arguments. Output: JSON <see cref="MembershipReport"/>.</summary>
    public const string Membership = "membership";

    /// <summary>Arguments <c>resource</c> (optional), <c>node</c> (optional). Forgets failures and operation history, and probes anew.</summary>
    public const string Cleanup = "cleanup";

    /// <summary>Argument <c>timeout</c> seconds. Answered when the cluster is idle (no transition running), status Timeout (124) else.</summary>
    public const string WaitIdle = "wait-idle";

    /// <summary>Output: JSON list of failover records, newest last.</summary>
    public const string History = "history";

    /// <summary>Argument <c>resource</c>. Output: why it is where it is, text.</summary>
    public const string Explain = "explain";

    /// <summary>Reload corosync.conf on every node (corosync-cfgtool -R).</summary>
    public const string Reload = "reload";

    /// <summary>Argument <c>votes</c>: set expected votes at run time (corosync-quorumtool -e).</summary>
    public const string SetExpectedVotes = "set-expected-votes";

    /// <summary>Argument <c>prefix</c>, <c>map</c> (icmap or stats). Output: JSON list of <see cref="MapEntry"/>.</summary>
    public const string MapList = "cmap-list";

    /// <summary>Arguments <c>key</c>, <c>type</c>, <c>value</c>. Error: Corosync's name of it.</summary>
    public const string MapSet = "cmap-set";

    /// <summary>Argument <c>key</c>. Error: Corosync's name of it.</summary>
    public const string MapDelete = "cmap-delete";

    /// <summary>Output: JSON list of <see cref="GroupEntry"/>: processes in groups, all nodes'.</summary>
    public const string GroupList = "cpg-list";

    /// <summary>Argument <c>node</c>: the daemon of that member ends at once (corosync-cfgtool -k).</summary>
    public const string KillNode = "kill-node";

    /// <summary>The log files are opened anew (corosync-cfgtool -L).</summary>
    public const string ReopenLogs = "reopen-logs";

    /// <summary>Orderly stop: resources are stopped or moved, the node leaves, the daemon exits.</summary>
    public const string Shutdown = "shutdown";
}

/// <summary>Exit statuses that the tools of Pacemaker give (crm_error(8)).</summary>
public static class ControlStatus
{
    public const int Ok = 0;
    public const int Error = 1;
    public const int NotSupported = 3;
    public const int Usage = 64;
    public const int Invalid = 78;
    public const int NotConnected = 102;
    public const int OldData = 103;
    public const int NoSuchObject = 105;
    public const int Exists = 108;
    public const int Timeout = 124;
}

/// <summary>Where the daemon and its tools meet. BUOY_RUN in the environment replaces /run/buoy.</summary>
public static class ControlPaths
{
    /// <summary>Folder of sockets and pid files.</summary>
    public static string RunFolder => Environment.GetEnvironmentVariable("BUOY_RUN") is { Length: > 0 } d ? d : "/run/buoy";

    /// <summary>The daemon's control socket.</summary>
    public static string Socket => Path.Combine(RunFolder, "cluster.sock");
}

/// <summary>The ring and quorum as the corosync tools show them.</summary>
public sealed record MembershipReport
{
    public required uint NodeId { get; init; }
    public required string NodeName { get; init; }
    public required string ClusterName { get; init; }
    public required string Transport { get; init; }
    public required ulong RingSeq { get; init; }
    public required uint RingRep { get; init; }
    public required string State { get; init; }
    public required bool Quorate { get; init; }
    public required string QuorumProvider { get; init; }
    public required int ExpectedVotes { get; init; }
    public required int HighestExpected { get; init; }
    public required int TotalVotes { get; init; }
    public required int Quorum { get; init; }

    /// <summary>Flags as corosync-quorumtool prints them: 2Node, Quorate, WaitForAll, LastManStanding, AutoTieBreaker …</summary>
    public required IReadOnlyList<string> Flags { get; init; }
    public required IReadOnlyList<MemberReport> Members { get; init; }
    public required IReadOnlyList<LinkReport> Links { get; init; }
    public required IReadOnlyDictionary<string, long> Counters { get; init; }
}

/// <summary>One configured or seen node.</summary>
public sealed record MemberReport(uint NodeId, string Name, int Votes, bool Present, bool Local, IReadOnlyList<string> Addresses);

/// <summary>One link of the local node and what is known of each peer on it.</summary>
public sealed record LinkReport(int LinkId, string Transport, string Address, IReadOnlyList<LinkPeerReport> Peers);

/// <summary>State of a peer on a link: localhost, connected, disconnected; and the path's MTU, 0 where it is not known.</summary>
public sealed record LinkPeerReport(uint NodeId, string State, int Mtu = 0);

/// <summary>A key of cmap: i8 … u64, flt, dbl, str, bin (hexadecimal digits).</summary>
public sealed record MapEntry(string Key, string Type, string Value);

/// <summary>A process in a group; each character of the group's name is one byte.</summary>
public sealed record GroupEntry(string Group, uint ProcessId, uint NodeId);

/// <summary>One failover, step by step, in ms after the first sign.</summary>
public sealed record FailoverRecord
{
    public required DateTimeOffset At { get; init; }
    public required string Cause { get; init; }
    public required IReadOnlyList<FailoverStep> Steps { get; init; }
}

/// <summary>A step of a failover: what was done and how long after the first sign.</summary>
public sealed record FailoverStep(string What, double Milliseconds);

/// <summary>Source-generated JSON of the control protocol.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(ControlResponse))]
[JsonSerializable(typeof(MembershipReport))]
[JsonSerializable(typeof(List<FailoverRecord>))]
[JsonSerializable(typeof(List<MapEntry>))]
[JsonSerializable(typeof(List<GroupEntry>))]
public sealed partial class ControlJson : JsonSerializerContext;
