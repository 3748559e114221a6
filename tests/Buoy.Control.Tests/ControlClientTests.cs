using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text.Json;
using CsCheck;

namespace Buoy.Control.Tests;

/// <summary>The tools' side of the control socket, against servers that behave and servers that do not.</summary>
public sealed class ControlClientTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"buoy-control-{Guid.NewGuid():N}.sock");
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public ControlClientTests()
    {
        _listener.Bind(new UnixDomainSocketEndPoint(_path));
        _listener.Listen();
    }

    public void Dispose()
    {
        _listener.Dispose();
        File.Delete(_path);
    }

    private ControlResponse CallWith(Func<ControlRequest, byte[]> answer, ControlRequest request)
    {
        var server = new Thread(() =>
        {
            using var s = _listener.Accept();
            using var r = new BinaryReader(new NetworkStream(s));
            byte[] body = r.ReadBytes(BinaryPrimitives.ReadInt32BigEndian(r.ReadBytes(4)));
            s.Send(answer(JsonSerializer.Deserialize(body, ControlJson.Default.ControlRequest)!));
        });
        server.Start();
        using var client = ControlClient.TryConnect(_path);
        var response = client!.Call(request);
        server.Join();
        return response;
    }

    private static byte[] Frame(int length, ReadOnlySpan<byte> body)
    {
        byte[] frame = new byte[4 + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, length);
        body.CopyTo(frame.AsSpan(4));
        return frame;
    }

    private static byte[] Frame(ControlResponse r)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(r, ControlJson.Default.ControlResponse);
        return Frame(body.Length, body);
    }

    [Fact]
    public void Call_OfAnything_ArrivesAsItWasSent() =>
        Gen.Select(Gen.String, Gen.Dictionary(Gen.String, Gen.String), Gen.String).Sample((command, arguments, body) =>
        {
            ControlRequest? seen = null;
            var response = CallWith(
                r =>
                {
                    seen = r;
                    return Frame(new ControlResponse(ControlStatus.Exists, r.Body ?? "", "it exists"));
                },
                new ControlRequest(command, arguments, body));
            Assert.Equal(Clean(command), seen!.Command);
            Assert.Equal(arguments.Count, seen.Arguments.Count);
            Assert.Equal((ControlStatus.Exists, Clean(body), "it exists"),
                (response.Status, response.Output, response.Error));
        }, iter: 50, threads: 1);

    // Lone surrogates are no text: JSON replaces them.
    private static string Clean(string text) =>
        System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text));

    [Theory]
    [InlineData(-1)]
    [InlineData(ControlClient.MaxMessage + 1)]
    public void Call_AnsweredWithAnImpossibleLength_IsAnError(int length) =>
        Assert.Equal(ControlStatus.Error, CallWith(_ => Frame(length, []), Query()).Status);

    [Fact]
    public void Call_AnsweredInPart_IsNotConnected() =>
        Assert.Equal(ControlStatus.NotConnected, CallWith(_ => Frame(100, [1, 2, 3]), Query()).Status);

    [Fact]
    public void TryConnect_WithoutADaemon_IsNull()
    {
        using var client = ControlClient.TryConnect(_path + ".none");
        Assert.Null(client);
    }

    private static ControlRequest Query() => new(ControlCommand.CibQuery, new Dictionary<string, string>());
}
