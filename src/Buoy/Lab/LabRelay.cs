using System.Net;
using System.Net.Sockets;

namespace Buoy.Lab;

/// <summary>
/// Carries connections between a Unix socket and a TCP address: the lab's stats page comes out of its namespaces through one
/// (in the client's host: Unix socket to the floating address) and onto 127.0.0.1 through the other (outside).
/// </summary>
internal static class LabRelay
{
    /// <summary><c>lab relay unix:PATH tcp:ADDRESS:PORT</c> or the other way round: listen on the first, connect to the second.</summary>
    public static int Run(string[] args)
    {
        var from = Parse(args[0]);
        var to = Parse(args[1]);
        Serve(from, to, CancellationToken.None).GetAwaiter().GetResult();
        return 0;
    }

    /// <summary>Relays until cancelled.</summary>
    public static async Task Serve(EndPoint from, EndPoint to, CancellationToken cancel)
    {
        using var listener = New(from);
        listener.Bind(from);
        listener.Listen(64);
        try
        {
            while (true)
            {
                _ = Connection(await listener.AcceptAsync(cancel).ConfigureAwait(false), to);
            }
        }
        catch (OperationCanceledException)
        {
            return;
        }
    }

    private static EndPoint Parse(string text) => text.StartsWith("unix:", StringComparison.Ordinal)
        ? new UnixDomainSocketEndPoint(text[5..])
        : IPEndPoint.Parse(text[4..]);

    private static Socket New(EndPoint e) => e is UnixDomainSocketEndPoint
        ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        : new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    private static async Task Connection(Socket client, EndPoint to)
    {
        using var a = client;
        using var b = New(to);
        try
        {
            await b.ConnectAsync(to).ConfigureAwait(false);
            using var x = new NetworkStream(a);
            using var y = new NetworkStream(b);
            await Task.WhenAny(x.CopyToAsync(y), y.CopyToAsync(x)).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            // The other side is away (a failover is being watched): the browser sees a closed connection, and asks again.
            return;
        }
    }
}
