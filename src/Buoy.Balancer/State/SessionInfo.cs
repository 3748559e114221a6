using System.Net;

namespace Buoy.Balancer.State;

/// <summary>A stream that a shard works on, for <c>show sess</c>. Times in ms, -1 = none.</summary>
/// <param name="Id">Names it as long as it lives; never 0.</param>
/// <param name="Backend">Index of its backend, -1 = none yet.</param>
/// <param name="Server">Index of its server, -1 = none.</param>
/// <param name="Source">The client; null = a Unix socket.</param>
/// <param name="Local">Where the client connected to; null = a Unix socket.</param>
/// <param name="ServerLocal">Our end of the connection to the server; null = none.</param>
/// <param name="State">In the engine's words: Queued, Connecting, Joined …</param>
/// <param name="Age">Since the client came.</param>
/// <param name="Expires">Until its time-out.</param>
/// <param name="Idle">Since the client's and since the server's last traffic.</param>
public readonly record struct SessionInfo(
    long Id, int Frontend, int Bind, int Backend, int Server, IPEndPoint? Source, IPEndPoint? Local,
    IPEndPoint? ServerLocal, string State, long Age, long Expires, (long Client, long Server) Idle, int Fd, int ServerFd,
    int Retries, long BytesIn, long BytesOut);
