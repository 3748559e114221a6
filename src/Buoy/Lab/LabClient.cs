using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Buoy.Lab;

/// <summary>What the client saw between two marks.</summary>
/// <param name="Mark">Name of the interval, as the mark that ended it said.</param>
/// <param name="Requests">New connections begun in it.</param>
/// <param name="Failed">Of these, without an answer within the client's patience.</param>
/// <param name="OutageMs">Longest time from the start of a failed request to the end of the next successful one; 0 = none failed.</param>
/// <param name="Errors">Failures by kind.</param>
/// <param name="P50Ms">Median time of successful requests.</param>
/// <param name="P99Ms">99th percentile of them.</param>
/// <param name="Via">Addresses of the nodes that carried requests.</param>
/// <param name="Servers">API servers that answered.</param>
/// <param name="LongAlive">Long-lived streams still receiving.</param>
/// <param name="LongEnded">Long-lived streams that ended in the interval (each is opened anew).</param>
internal sealed record LabInterval(
    string Mark, int Requests, int Failed, double OutageMs, IReadOnlyDictionary<string, int> Errors, double P50Ms, double P99Ms,
    IReadOnlyList<string> Via, IReadOnlyList<string> Servers, int LongAlive, int LongEnded);

/// <summary>A line of the client's output: a change of the service as it sees it, or a finished interval.</summary>
internal sealed record LabClientEvent(string Kind, LabInterval? Interval = null);

/// <summary>Source-generated JSON of the lab.</summary>
[JsonSerializable(typeof(LabClientEvent))]
[JsonSerializable(typeof(List<LabInterval>))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class LabJson : JsonSerializerContext;

/// <summary>
/// The client on the segment: a new TLS connection with <c>GET /readyz</c> every 10 ms, and watch streams held open. It prints
/// <c>up</c> and <c>down</c> as the service changes, and an interval's figures for every line "mark NAME" on its standard input.
/// </summary>
internal sealed class LabClient
{
    private const int EveryMs = 10;
    private const int PatienceMs = 400;
    private readonly IPEndPoint _target;
    private readonly object _gate = new();
    private readonly List<(long Start, long End, string? Error, string Via, string Server)> _done = [];
    private readonly int _streams;
    private int _alive;
    private int _ended;
    private bool? _up;
    private long _lastFailedStart;
    private long _intervalStart;

    private LabClient(IPEndPoint target, int streams)
    {
        _target = target;
        _streams = streams;
    }

    /// <summary><c>lab client ADDRESS:PORT STREAMS</c></summary>
    public static int Run(string[] args)
    {
        var client = new LabClient(IPEndPoint.Parse(args[0]), int.Parse(args[1], CultureInfo.InvariantCulture));
        var requests = new Thread(client.Requests) { IsBackground = true };
        client._intervalStart = Stopwatch.GetTimestamp();
        requests.Start();
        for (int i = 0; i < client._streams; i++)
        {
            _ = client.Stream();
        }

        while (Console.In.ReadLine() is { } line)
        {
            if (line.StartsWith("mark ", StringComparison.Ordinal))
            {
                client.Print(new LabClientEvent("interval", client.Interval(line[5..])));
            }
        }

        return 0;
    }

    private static double Ms(long ticks) => ticks * 1000.0 / Stopwatch.Frequency;

    private static string Word(string text, int number)
    {
        var words = text.Trim().Split(' ');
        return words.Length > number ? words[number] : "";
    }

    private void Requests()
    {
        long next = Stopwatch.GetTimestamp();
        long step = Stopwatch.Frequency * EveryMs / 1000;
        while (true)
        {
            _ = Task.Run(One);
            next += step;
            long now = Stopwatch.GetTimestamp();
            if (next > now)
            {
                Thread.Sleep(TimeSpan.FromMilliseconds(Ms(next - now)));
            }
            else if (Ms(now - next) > 500)
            {
                next = now; // The machine itself stalled: no burst afterwards.
            }
        }
    }

    private async Task One()
    {
        long start = Stopwatch.GetTimestamp();
        string? error = null;
        string via = "", server = "", stage = "connect";
        try
        {
            using var patience = new CancellationTokenSource(PatienceMs);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(_target, patience.Token).ConfigureAwait(false);
            stage = "TLS";
            using var stream = await Secure(socket, patience.Token).ConfigureAwait(false);
            stage = "answer";
            await stream.WriteAsync("GET /readyz HTTP/1.1\r\nHost: kubernetes\r\n\r\n"u8.ToArray(), patience.Token).ConfigureAwait(false);
            var buffer = new byte[2048];
            int n = await stream.ReadAsync(buffer, patience.Token).ConfigureAwait(false);
            string text = Encoding.ASCII.GetString(buffer, 0, n);
            int body = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (!text.StartsWith("HTTP/1.1 200", StringComparison.Ordinal) || body < 0)
            {
                error = n == 0 ? "closed" : "bad answer";
            }
            else
            {
                server = Word(text[body..], 1);
                via = Word(text[body..], 2);
            }
        }
        catch (OperationCanceledException)
        {
            error = stage + " time-out";
        }
        catch (SocketException e)
        {
            error = $"{stage}: {e.SocketErrorCode}";
        }
        catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
        {
            error = stage + ": closed";
        }

        Note(start, Stopwatch.GetTimestamp(), error, via, server);
    }

    private void Note(long start, long end, string? error, string via, string server)
    {
        lock (_gate)
        {
            _done.Add((start, end, error, via, server));
            if (error is not null)
            {
                _lastFailedStart = Math.Max(_lastFailedStart, start);
            }

            // A success that began before the latest failure says nothing of now.
            if (error is null && start < _lastFailedStart)
            {
                return;
            }

            if (_up != (error is null))
            {
                _up = error is null;
                Print(new LabClientEvent(_up.Value ? "up" : "down"));
            }
        }
    }

    private LabInterval Interval(string mark)
    {
        lock (_gate)
        {
            var all = _done.Where(d => d.Start >= _intervalStart).OrderBy(d => d.Start).ToList();
            _done.Clear();
            _intervalStart = Stopwatch.GetTimestamp();
            double outage = 0;
            long? from = null;
            foreach (var d in all)
            {
                if (d.Error is not null)
                {
                    from ??= d.Start;
                }
                else if (from is { } f)
                {
                    outage = Math.Max(outage, Ms(d.End - f));
                    from = null;
                }
            }

            if (from is { } open)
            {
                outage = Math.Max(outage, Ms(_intervalStart - open));
            }

            var times = all.Where(d => d.Error is null).Select(d => Ms(d.End - d.Start)).Order().ToArray();
            int ended = _ended;
            _ended = 0;
            return new LabInterval(
                mark, all.Count, all.Count(d => d.Error is not null), Math.Round(outage, 1),
                all.Where(d => d.Error is not null).GroupBy(d => d.Error!).ToDictionary(g => g.Key, g => g.Count()),
                times.Length == 0 ? 0 : Math.Round(times[times.Length / 2], 2),
                times.Length == 0 ? 0 : Math.Round(times[(int)(times.Length * 0.99)], 2),
                [.. all.Where(d => d.Via.Length > 0).Select(d => d.Via).Distinct()],
                [.. all.Where(d => d.Server.Length > 0).Select(d => d.Server).Distinct().Order()], _alive, ended);
        }
    }

    private async Task Stream()
    {
        while (true)
        {
            bool counted = false;
            try
            {
                using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                using var start = new CancellationTokenSource(5000);
                await socket.ConnectAsync(_target, start.Token).ConfigureAwait(false);
                using var stream = await Secure(socket, start.Token).ConfigureAwait(false);
                await stream.WriteAsync("GET /api/v1/watch HTTP/1.1\r\nHost: kubernetes\r\n\r\n"u8.ToArray(), start.Token).ConfigureAwait(false);
                var buffer = new byte[4096];
                while (true)
                {
                    // An event comes every 100 ms: three seconds of silence mean that the stream is dead.
                    using var patience = new CancellationTokenSource(3000);
                    if (await stream.ReadAsync(buffer, patience.Token).ConfigureAwait(false) == 0)
                    {
                        break;
                    }

                    if (!counted)
                    {
                        counted = true;
                        Interlocked.Increment(ref _alive);
                    }
                }
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or IOException
                or System.Security.Authentication.AuthenticationException)
            {
                // How it ended is the same to a watcher: it must open a new one.
                await Task.Delay(50).ConfigureAwait(false);
            }

            if (counted)
            {
                Interlocked.Decrement(ref _alive);
                Interlocked.Increment(ref _ended);
            }
        }
    }

    private static async Task<SslStream> Secure(Socket socket, CancellationToken cancel)
    {
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: false));
        await stream.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = "kubernetes",
                // The lab's servers make their certificates themselves; the client measures reachability, not identity.
                RemoteCertificateValidationCallback = static (_, _, _, _) => true,
            },
            cancel).ConfigureAwait(false);
        return stream;
    }

    private void Print(LabClientEvent e)
    {
        lock (Console.Out)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(e, LabJson.Default.LabClientEvent));
            Console.Out.Flush();
        }
    }
}
