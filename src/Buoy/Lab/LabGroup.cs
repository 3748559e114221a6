using System.Diagnostics;
using System.Globalization;
using System.Text;
using Buoy.Control;
using Buoy.Linux;
using Buoy.Linux.Corosync;

namespace Buoy.Lab;

/// <summary>One process in a process group, of our daemon or of the real Corosync; driven by one thread.</summary>
internal abstract class LabGroup : IDisposable
{
    /// <summary>A message: node, process, payload.</summary>
    public required Action<uint, uint, ReadOnlySpan<byte>> Delivered { get; init; }

    /// <summary>A change: members, left, joined, each <c>NODE.REASON</c>; and how many members there are.</summary>
    public required Action<string, int> Changed { get; init; }

    public abstract void Join(string group);

    public abstract void Leave();

    /// <summary>False: not now.</summary>
    public abstract bool Send(ReadOnlySpan<byte> payload);

    /// <summary>Takes what is told; waits at most so long where nothing is.</summary>
    public abstract void Poll(int microseconds);

    public abstract void Dispose();

    public static LabGroup Open(
        string engine, Action<uint, uint, ReadOnlySpan<byte>> delivered, Action<string, int> changed) => engine switch
        {
            "ring" => new OfBuoy { Delivered = delivered, Changed = changed },
            "corosync" => new OfCorosync { Delivered = delivered, Changed = changed },
            _ => throw new LabException($"there is no engine '{engine}'"),
        };

    /// <summary><c>buoy lab group ring|corosync</c>: join NAME, say TEXT, leave on the input; change and msg on the
    /// output.</summary>
    public static int Run(string[] args)
    {
        using var group = Open(
            args[0], (node, _, payload) => Say($"msg {node} {Encoding.UTF8.GetString(payload)}"), (text, _) => Say("change " + text));
        var lines = new System.Collections.Concurrent.ConcurrentQueue<string?>();
        new Thread(() =>
        {
            string? line;
            do
            {
                line = Console.In.ReadLine();
                lines.Enqueue(line);
            }
            while (line is not null);
        }) { IsBackground = true }.Start();
        Say("ready");
        while (true)
        {
            group.Poll(5000);
            while (lines.TryDequeue(out string? line))
            {
                switch (line?.Split(' ', 2))
                {
                    case null:
                        return 0;
                    case ["join", var name]:
                        group.Join(name);
                        break;
                    case ["say", var text]:
                        while (!group.Send(Encoding.UTF8.GetBytes(text)))
                        {
                            group.Poll(1000);
                        }

                        break;
                    case ["leave"]:
                        group.Leave();
                        break;
                    default:
                        Say("error " + line);
                        break;
                }
            }
        }
    }

    private static void Say(string text)
    {
        Console.Out.WriteLine(text);
        Console.Out.Flush();
    }

    private sealed class OfBuoy : LabGroup
    {
        private readonly ServiceClient _client = ServiceClient.TryConnect() ?? throw new LabException("no daemon answers");

        public override void Join(string group) => _client.Join(group);

        public override void Leave() => _client.Leave();

        public override bool Send(ReadOnlySpan<byte> payload)
        {
            _client.Multicast(payload);
            return true;
        }

        public override void Poll(int microseconds)
        {
            if (!_client.HasBuffered && !_client.Socket.Poll(microseconds, System.Net.Sockets.SelectMode.SelectRead))
            {
                return;
            }

            do
            {
                if (!_client.Read(out var e))
                {
                    throw new LabException("the daemon has gone");
                }

                switch (e.Kind)
                {
                    case ServiceProtocol.Deliver:
                        Delivered(e.Sender.NodeId, e.Sender.ProcessId, e.Payload);
                        break;
                    case ServiceProtocol.Changed:
                        var (members, left, joined) = e.Change;
                        Changed(
                            $"{string.Join(',', members.Select(m => m.NodeId).Order())}|{List(left)}|{List(joined)}", members.Length);
                        break;
                    case ServiceProtocol.Refused:
                        throw new LabException(e.Text);
                    default:
                        break;
                }
            }
            while (_client.HasBuffered);
        }

        public override void Dispose() => _client.Dispose();

        private static string List(GroupMember[] list) =>
            string.Join(',', list.OrderBy(m => m.NodeId).Select(m => $"{m.NodeId}:{m.Reason}"));
    }

    private sealed class OfCorosync : LabGroup, ICpgSink
    {
        private readonly EventLoop _loop = new();
        private readonly CpgSession _session;
        private string _group = "";
        private bool _told;

        public OfCorosync()
        {
            _session = CpgSession.TryOpen(this, out var status) ?? throw new LabException(CorosyncStatusText.Of(status));
            _loop.Add(_session.Fd, PollEvents.Readable, _ =>
            {
                _told = true;
                if (_session.Dispatch() is var s and not (CorosyncStatus.Ok or CorosyncStatus.TryAgain))
                {
                    throw new LabException(CorosyncStatusText.Of(s));
                }
            });
        }

        public override void Join(string group)
        {
            _group = group;
            CorosyncStatus status;
            // "Try again" has no event that ends it (cpg_join(3)): until then what is due on the connection is taken.
            while ((status = _session.Join(group)) == CorosyncStatus.TryAgain)
            {
                _loop.RunOnce(10);
            }

            if (status != CorosyncStatus.Ok)
            {
                throw new LabException($"join: {CorosyncStatusText.Of(status)}");
            }
        }

        public override void Leave() => _session.Leave(_group);

        public override bool Send(ReadOnlySpan<byte> payload) => _session.Multicast(payload, default) == CorosyncStatus.Ok;

        public override void Poll(int microseconds)
        {
            _told = false;
            _loop.RunOnce(0);
            if (!_told && microseconds > 0)
            {
                _loop.RunOnce(Math.Max(1, microseconds / 1000));
            }
        }

        public override void Dispose()
        {
            _session.Dispose();
            _loop.Dispose();
        }

        public void OnDeliver(uint nodeId, uint processId, ReadOnlySpan<byte> message) => Delivered(nodeId, processId, message);

        public void OnGroup(ReadOnlySpan<CpgAddress> members, ReadOnlySpan<CpgAddress> left, ReadOnlySpan<CpgAddress> joined) =>
            Changed(
                $"{string.Join(',', members.ToArray().Select(m => m.NodeId).Order())}|{List(left)}|{List(joined)}", members.Length);

        public void OnRing(uint rep, ulong seq, ReadOnlySpan<uint> members)
        {
        }

        private static string List(ReadOnlySpan<CpgAddress> list) =>
            string.Join(',', list.ToArray().OrderBy(m => m.NodeId).Select(m => $"{m.NodeId}:{m.Reason}"));
    }
}

/// <summary>
/// <c>buoy lab ringload ring|corosync NODES SIZE SECONDS PIDFILE</c>: joins a group, waits until all nodes are in it,
/// sends as
/// fast as the window lets it, then slowly for the latency; prints one line of what it measured here.
/// </summary>
internal static class LabRingLoad
{
    /// <summary>Own messages under way at most: 256, or this many bytes of them.</summary>
    private const int Window = 256, WindowBytes = 1 << 20;

    /// <summary>One message per so long in the slow part, µs.</summary>
    private const long SlowEvery = 5000;

    public static int Run(string[] args)
    {
        var c = CultureInfo.InvariantCulture;
        int nodes = int.Parse(args[1], c), size = Math.Max(16, int.Parse(args[2], c)), daemon = int.Parse(File.ReadAllText(args[4]), c);
        double seconds = double.Parse(args[3], c);
        int members = 0, outstanding = 0, window = Math.Clamp(WindowBytes / size, 8, Window);
        long delivered = 0;
        uint me = 0;
        var latencies = new List<long>();
        byte[] message = new byte[size];
        uint process = (uint)Environment.ProcessId;
        BitConverter.TryWriteBytes(message.AsSpan(8), Random.Shared.NextInt64());
        long mark = BitConverter.ToInt64(message, 8);
        using var group = LabGroup.Open(
            args[0], (node, _, payload) =>
            {
                delivered++;
                if (BitConverter.ToInt64(payload[8..]) == mark)
                {
                    me = node;
                    outstanding--;
                    latencies.Add(EventLoop.NowMicros - BitConverter.ToInt64(payload));
                }
            },
            (_, n) => members = n);
        group.Join("bench");
        while (members < nodes)
        {
            group.Poll(10_000);
        }

        void Fill(int most)
        {
            while (outstanding < most)
            {
                BitConverter.TryWriteBytes(message, EventLoop.NowMicros);
                if (!group.Send(message))
                {
                    return;
                }

                outstanding++;
            }
        }

        var clock = Stopwatch.StartNew();
        while (clock.Elapsed.TotalSeconds < 0.5)
        {
            Fill(window);
            group.Poll(1000);
        }

        // The measured part: all send, all receive.
        double daemonBefore = Cpu(daemon), clientBefore = Cpu((int)process);
        (delivered, long begin) = (0, EventLoop.NowMicros);
        for (clock.Restart(); clock.Elapsed.TotalSeconds < seconds;)
        {
            Fill(window);
            group.Poll(1000);
        }

        double took = (EventLoop.NowMicros - begin) / 1e6, count = delivered;
        double daemonCpu = Cpu(daemon) - daemonBefore, clientCpu = Cpu((int)process) - clientBefore;
        long resident = LabProcess.Resident(File.ReadLines($"/proc/{daemon}/status"));
        while (outstanding > 0)
        {
            group.Poll(1000);
        }

        // The slow part: what one message takes from the sender to its own delivery.
        latencies.Clear();
        long next = EventLoop.NowMicros;
        for (clock.Restart(); clock.Elapsed.TotalSeconds < Math.Min(seconds, 2);)
        {
            if (EventLoop.NowMicros >= next)
            {
                next += SlowEvery;
                Fill(outstanding + 1);
            }

            group.Poll(1000);
        }

        latencies.Sort();
        long At(double q) => latencies.Count == 0 ? 0 : latencies[(int)(q * (latencies.Count - 1))];
        Console.Out.WriteLine(string.Create(c,
            $"load {me} {count / took:F0} {At(0.5)} {At(0.99)} {daemonCpu * 1e6 / Math.Max(1, count):F2} "
            + $"{clientCpu * 1e6 / Math.Max(1, count):F2} {resident}"));
        Console.Out.Flush();
        // The others may not be done: who leaves early would change what they measure.
        for (clock.Restart(); clock.Elapsed.TotalSeconds < 1;)
        {
            group.Poll(10_000);
        }

        return 0;
    }

    /// <summary>utime + stime, seconds.</summary>
    private static double Cpu(int pid)
    {
        string stat = File.ReadAllText($"/proc/{pid}/stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / 100.0;
    }
}
