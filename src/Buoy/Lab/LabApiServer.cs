using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Buoy.Lab;

/// <summary>
/// A stand-in for kube-apiserver: TLS, <c>GET /readyz</c>, and <c>GET /api/v1/watch</c>, a chunked stream with an event every 100 ms.
/// The answers name the server and the address the connection came from, so that a client sees who carried it.
/// </summary>
internal static class LabApiServer
{
    /// <summary><c>lab apiserver NAME ADDRESS:PORT</c></summary>
    public static int Run(string[] args)
    {
        string name = args[0];
        using var certificate = Certificate(name);
        var context = SslStreamCertificateContext.Create(certificate, null, offline: true);
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(IPEndPoint.Parse(args[1]));
        listener.Listen(1024);
        Console.WriteLine("ready");
        Serve(listener, name, context).GetAwaiter().GetResult();
        return 0;
    }

    private static X509Certificate2 Certificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var now = DateTimeOffset.UtcNow;
        using var made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(30));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
    }

    private static async Task Serve(Socket listener, string name, SslStreamCertificateContext context)
    {
        while (true)
        {
            var socket = await listener.AcceptAsync().ConfigureAwait(false);
            _ = Connection(socket, name, context);
        }
    }

    private static async Task Connection(Socket socket, string name, SslStreamCertificateContext context)
    {
        // A client that goes away, or is no TLS client at all (a health check), is the normal end of a connection here.
        try
        {
            socket.NoDelay = true;
            string from = (socket.RemoteEndPoint as IPEndPoint)?.Address.ToString() ?? "?";
            using var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
            await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = context,
                EnabledSslProtocols = SslProtocols.None,
            }).ConfigureAwait(false);
            var buffer = new byte[8192];
            int have = 0;
            while (true)
            {
                int n = await stream.ReadAsync(buffer.AsMemory(have)).ConfigureAwait(false);
                if (n == 0)
                {
                    return;
                }

                have += n;
                int end = buffer.AsSpan(0, have).IndexOf("\r\n\r\n"u8);
                if (end < 0)
                {
                    if (have == buffer.Length)
                    {
                        return;
                    }

                    continue;
                }

                string head = Encoding.ASCII.GetString(buffer, 0, end);
                buffer.AsSpan(end + 4, have - end - 4).CopyTo(buffer);
                have -= end + 4;
                if (head.StartsWith("GET /api/v1/watch ", StringComparison.Ordinal))
                {
                    await Watch(stream, name, from).ConfigureAwait(false);
                    return;
                }

                bool ready = head.StartsWith("GET /readyz ", StringComparison.Ordinal);
                string body = ready ? $"ok {name} {from}\n" : "not found\n";
                await stream.WriteAsync(Encoding.ASCII.GetBytes(
                    $"HTTP/1.1 {(ready ? "200 OK" : "404 Not Found")}\r\nContent-Type: text/plain\r\nContent-Length: {body.Length}\r\n\r\n{body}"))
                    .ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or AuthenticationException)
        {
            return;
        }
    }

    private static async Task Watch(SslStream stream, string name, string from)
    {
        await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"u8.ToArray()).ConfigureAwait(false);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        for (long i = 1; await timer.WaitForNextTickAsync().ConfigureAwait(false); i++)
        {
            string line = string.Create(CultureInfo.InvariantCulture, $"{{\"type\":\"BOOKMARK\",\"server\":\"{name}\",\"via\":\"{from}\",\"number\":{i}}}\n");
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"{line.Length:x}\r\n{line}\r\n")).ConfigureAwait(false);
        }
    }
}
