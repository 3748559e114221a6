namespace Buoy.Demo;

/// <summary>Options of <c>buoy demo</c>.</summary>
/// <param name="Keep">Leave the lab running afterwards, until Ctrl-C, with the stats page on 127.0.0.1.</param>
/// <param name="Json">Print the result as JSON only.</param>
/// <param name="Files">Folder with the user's haproxy.cfg, corosync.conf and cluster.crm; null = the seed's.</param>
/// <param name="Streams">Long-lived watch streams held open.</param>
internal sealed record DemoOptions(bool Keep, bool Json, string? Files, int Streams);
