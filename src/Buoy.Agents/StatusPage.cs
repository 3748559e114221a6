using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Linux;

namespace Buoy.Agents;

/// <summary>Asks a status page by HTTP/1.0 GET; any 2xx or 3xx answer is a sign of life.</summary>
internal sealed class StatusPage : IRunningOperation
{
    private readonly CancellationTokenSource _stop = new();

    /// <inheritdoc/>
    public void Abort() => _stop.Cancel();

    public static StatusPage Ask(EventLoop loop, Uri url, int timeoutMs, Action<Outcome> end)
    {
        var result = new StatusPage();
        result._stop.CancelAfter(timeoutMs);
        _ = result.AskAsync(url).ContinueWith(
            t => loop.Post(() => end(t.Result)), CancellationToken.None, TaskContinuationOptions.None,
            TaskScheduler.Default);
        return result;
    }

    private async Task<Outcome> AskAsync(Uri url)
    {
        try
        {
            var address = IPAddress.Parse(url.Host.Trim('[', ']'));
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(new IPEndPoint(address, url.Port), _stop.Token).ConfigureAwait(false);
            string request = $"GET {url.PathAndQuery} HTTP/1.0\r\nHost: {url.Authority}\r\n\r\n";
            await socket.SendAsync(Encoding.ASCII.GetBytes(request), _stop.Token).ConfigureAwait(false);
            byte[] head = new byte[12];
            int have = 0, n;
            while (have < head.Length
                && (n = await socket.ReceiveAsync(head.AsMemory(have), _stop.Token).ConfigureAwait(false)) > 0)
            {
                have += n;
            }

            string line = Encoding.ASCII.GetString(head, 0, have);
            bool answered = have == head.Length && line.StartsWith("HTTP/1.", StringComparison.Ordinal)
                && int.TryParse(line.AsSpan(9, 3), NumberStyles.None, CultureInfo.InvariantCulture, out int status)
                && status is >= 200 and < 400;
            return answered ? new Outcome(Ocf.Ok)
                : new Outcome(Ocf.Error, $"{url} answers \"{line}\": expected status 2xx or 3xx");
        }
        catch (OperationCanceledException)
        {
            return new Outcome(Ocf.Error, $"{url} does not answer in time", OperationStatus.Timeout);
        }
        catch (SocketException e)
        {
            return new Outcome(Ocf.Error, $"{url}: {e.Message}");
        }
    }
}
