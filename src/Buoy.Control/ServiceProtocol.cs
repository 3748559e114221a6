namespace Buoy.Control;

/// <summary>
/// The daemon's socket for process groups and notifications, <see cref="Socket"/>. Both ways frames
/// <c>[length:4][kind:1][body]</c>, little endian, the length counting kind and body. A connection is in one group at
/// most.
/// </summary>
public static class ServiceProtocol
{
    /// <summary>Bytes before the body.</summary>
    public const int HeadSize = 5;

    /// <summary>Largest message of a process group, bytes.</summary>
    public const int MaxPayload = (1 << 20) - 256;

    /// <summary>To the daemon: join the group that the body names (1 to 128 bytes).</summary>
    public const byte Join = 1;

    /// <summary>To the daemon: leave it in order.</summary>
    public const byte Leave = 2;

    /// <summary>To the daemon: a message for the group.</summary>
    public const byte Multicast = 3;

    /// <summary>To the daemon: tell changes of cmap: <c>[prefix:1]</c> and the key or prefix.</summary>
    public const byte TrackMap = 4;

    /// <summary>To the daemon: tell the quorum now and when it changes.</summary>
    public const byte TrackQuorum = 5;

    /// <summary>
    /// To the daemon: keep this process available: name, policy (quit, restart, quorum-quit, quorum-restart), interval
    /// in ms,
    /// number of the warning signal, then the command that starts it again and its arguments; a zero byte between them.
    /// </summary>
    public const byte Register = 6;

    /// <summary>To the daemon: the process begins; its health is asked from <see cref="MayRun"/> on.</summary>
    public const byte Begin = 7;

    /// <summary>To the daemon: the process is alive.</summary>
    public const byte Alive = 8;

    /// <summary>To the daemon: the process is no longer to be watched.</summary>
    public const byte End = 9;

    /// <summary>To the client: a message: <c>[node:4][pid:4][payload]</c>.</summary>
    public const byte Deliver = 65;

    /// <summary>
    /// To the client: the group changed: three counts of 2 bytes (members, left, joined), then
    /// <c>[node:4][pid:4][reason:4]</c> each.
    /// </summary>
    public const byte Changed = 66;

    /// <summary>To the client: what it asked is refused, in words.</summary>
    public const byte Refused = 67;

    /// <summary>To the client: <c>[event:1]</c> (0 create, 1 modify, 2 delete), then key, type and value, a zero byte
    /// after each.</summary>
    public const byte MapChange = 68;

    /// <summary>To the client: the quorum: <c>[quorate:1][ring seq:8][ring rep:4]</c> and the members, 4 bytes
    /// each.</summary>
    public const byte Quorum = 69;

    /// <summary>To the client: registered, <c>[instance:4]</c>: 1 = started by itself, more = restarted.</summary>
    public const byte Registered = 70;

    /// <summary>To the client: it may run: the node is quorate, or the process does not need that.</summary>
    public const byte MayRun = 71;

    /// <summary>Beside the control socket.</summary>
    public static string Socket => Path.Combine(ControlPaths.RunFolder, SocketName);

    /// <summary>Its file name.</summary>
    public const string SocketName = "services.sock";
}
