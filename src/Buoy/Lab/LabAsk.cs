using System.Net.Sockets;
using System.Text;

namespace Buoy.Lab;

/// <summary>Sends one line to a Unix socket and prints what comes back: the runtime API without socat.</summary>
internal static class LabAsk
{
    /// <summary><c>lab ask SOCKET LINE</c>; 1 where nobody listens.</summary>
    public static int Run(string[] args)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(args[0]));
        }
        catch (SocketException e)
        {
            Console.Error.WriteLine($"{args[0]}: {e.Message}");
            return 1;
        }

        socket.Send(Encoding.UTF8.GetBytes(args[1] + "\n"));
        using var reader = new StreamReader(new NetworkStream(socket));
        Console.Out.Write(reader.ReadToEnd());
        return 0;
    }
}
