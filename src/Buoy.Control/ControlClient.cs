using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text.Json;

namespace Buoy.Control;

/// <summary>The tools' side of the control socket: one blocking call at a time.</summary>
public sealed class ControlClient : IDisposable
{
    /// <summary>Largest message either side takes, in bytes: a CIB of thousands of resources fits.</summary>
    public const int MaxMessage = 64 << 20;

    private readonly Socket _socket;

    private ControlClient(Socket socket) => _socket = socket;

    /// <summary>Connects to the daemon of this node, or returns null where none answers.</summary>
    public static ControlClient? TryConnect(string? path = null)
    {
        var s = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            s.Connect(new UnixDomainSocketEndPoint(path ?? ControlPaths.Socket));
            return new ControlClient(s);
        }
        catch (SocketException)
        {
            s.Dispose();
            return null;
        }
    }

    /// <summary>Sends a request and waits for its answer. A daemon that goes away gives <see cref="ControlStatus.NotConnected"/>.</summary>
    public ControlResponse Call(ControlRequest request)
    {
        try
        {
            byte[] body = JsonSerializer.SerializeToUtf8Bytes(request, ControlJson.Default.ControlRequest);
            byte[] head = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(head, body.Length);
            SendAll(head);
            SendAll(body);
            ReceiveAll(head);
            int length = BinaryPrimitives.ReadInt32BigEndian(head);
            if (length is < 0 or > MaxMessage)
            {
                return new ControlResponse(ControlStatus.Error, "", $"the daemon's answer has an impossible length of {length}");
            }

            byte[] answer = new byte[length];
            ReceiveAll(answer);
            return JsonSerializer.Deserialize(answer, ControlJson.Default.ControlResponse)
                ?? new ControlResponse(ControlStatus.Error, "", "the daemon's answer is empty");
        }
        catch (SocketException e)
        {
            return new ControlResponse(ControlStatus.NotConnected, "", $"not connected to the cluster: {e.Message}");
        }
    }

    /// <summary>Shorthand for <see cref="Call(ControlRequest)"/> with named arguments.</summary>
    public ControlResponse Call(string command, string? body = null, params (string Name, string Value)[] arguments) =>
        Call(new ControlRequest(command, arguments.ToDictionary(a => a.Name, a => a.Value), body));

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private void SendAll(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            data = data[_socket.Send(data)..];
        }
    }

    private void ReceiveAll(Span<byte> data)
    {
        while (!data.IsEmpty)
        {
            int n = _socket.Receive(data);
            if (n == 0)
            {
                throw new SocketException((int)SocketError.ConnectionReset);
            }

            data = data[n..];
        }
    }
}
