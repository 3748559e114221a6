using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Buoy.Linux;
using Buoy.Membership;
using Buoy.Membership.Corosync;
using Buoy.Membership.Host;

namespace Buoy.Lab;

/// <summary>
/// <c>buoy lab engine ring|corosync</c>: one cluster engine alone, driven by lines on standard input, telling what it
/// delivers by lines on standard output. The conformance suite runs it on every node of a world.
/// <code>
/// in:   send TEXT | burst COUNT SIZE | expected VOTES | status | digest | leave
/// out:  node ID NAME | view SEQ.REP QUORATE ID:JOINED,… LEFT CAME | quorum 0|1 | msg SENDER LENGTH TEXT
///       full TIMES | digest COUNT HASH | status EXPECTED TOTAL QUORUM | error TEXT | left
/// </code>
/// </summary>
internal sealed class LabEngine : IClusterEngineSink
{
    /// <summary>Messages up to this size are shown; longer ones only by length. Those of a burst are never shown.</summary>
    private const int ShownSize = 100;

    private const byte BurstMark = (byte)'#';
    private readonly EventLoop _loop = new();
    private readonly IClusterEngine _engine;
    private readonly IncrementalHash _order = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly Dictionary<uint, int> _lastOfBurst = [];
    private long _count;
    private int _burstNumber;

    private LabEngine(string engine) => _engine = engine switch
    {
        "ring" => RingEngine.Create(_loop, new RingOptions { Log = Log }),
        "corosync" => CorosyncEngine.Create(_loop, new CorosyncOptions { Log = Log, Group = "conformance" }),
        _ => throw new LabException($"there is no engine '{engine}'"),
    };

    /// <summary>Runs until told to leave, or the input ends.</summary>
    public static int Run(string[] args)
    {
        try
        {
            new LabEngine(args is [var engine] ? engine : "").Run();
            return 0;
        }
        catch (Exception e) when (e is IOException or LabException)
        {
            Console.Error.WriteLine($"buoy lab engine: {e.Message}");
            return 1;
        }
    }

    /// <inheritdoc/>
    public void OnView(ClusterView view) => Say(
        $"view {view.RingId.Seq:x}.{view.RingId.Rep} {(view.Quorate ? 1 : 0)} "
        + string.Join(',', view.Members.Select(m => $"{m.NodeId}:{m.Joined:x}")) + $" {Ids(view.Left)} {Ids(view.Came)}");

    /// <inheritdoc/>
    public void OnQuorum(bool quorate) => Say($"quorum {(quorate ? 1 : 0)}");

    /// <inheritdoc/>
    public void OnMessage(uint sender, ReadOnlySpan<byte> payload)
    {
        _count++;
        Span<byte> head = stackalloc byte[8];
        BitConverter.TryWriteBytes(head, sender);
        BitConverter.TryWriteBytes(head[4..], payload.Length);
        _order.AppendData(head);
        _order.AppendData(payload);
        if (payload.Length > 0 && payload[0] == BurstMark)
        {
            int number = BitConverter.ToInt32(payload[1..]);
            if (number != _lastOfBurst.GetValueOrDefault(sender) + 1)
            {
                Say($"error message {number} of node {sender} came after {_lastOfBurst.GetValueOrDefault(sender)}");
            }

            _lastOfBurst[sender] = number;
            return;
        }

        string text = payload.Length <= ShownSize ? Encoding.UTF8.GetString(payload) : "-";
        Say($"msg {sender} {payload.Length} {text}");
    }

    private void Run()
    {
        Say($"node {_engine.LocalNodeId} {_engine.LocalNodeName}");
        new Thread(ReadInput) { IsBackground = true }.Start();
        _engine.Start(this);
        _loop.Run();
        _engine.Dispose();
    }

    private void ReadInput()
    {
        while (Console.In.ReadLine() is { } line)
        {
            _loop.Post(() => Handle(line.Split(' ', 2)));
        }

        _loop.Stop();
    }

    private void Handle(string[] words)
    {
        switch (words)
        {
            case ["send", var text]:
                Say(_engine.TrySend(Encoding.UTF8.GetBytes(text)) ? "sent" : "full 1");
                break;
            case ["large", var size]:
                Say(_engine.TrySend(new byte[Number(size)]) ? "sent" : "full 1");
                break;
            case ["burst", var what]:
                string[] parts = what.Split(' ');
                Burst(Number(parts[0]), Number(parts[1]), 0);
                break;
            case ["expected", var votes]:
                Say(_engine.SetExpectedVotes(Number(votes)) is { } error ? $"error {error}" : "sent");
                break;
            case ["status"]:
                var s = _engine.Status;
                Say($"status {s.ExpectedVotes} {s.TotalVotes} {s.Quorum}");
                break;
            case ["digest"]:
                Say($"digest {_count} {Convert.ToHexString(_order.GetCurrentHash())[..16]}");
                break;
            case ["leave"]:
                _engine.Leave();
                Say("left");
                _loop.Stop();
                break;
            default:
                Say($"error unknown command {words[0]}");
                break;
        }
    }

    /// <summary>As many as the engine takes, the rest when it takes more; then how often it said no.</summary>
    private void Burst(int left, int size, int full)
    {
        byte[] message = new byte[Math.Max(size, 5)];
        message[0] = BurstMark;
        for (; left > 0; left--)
        {
            BitConverter.TryWriteBytes(message.AsSpan(1), _burstNumber + 1);
            if (!_engine.TrySend(message))
            {
                _loop.Schedule(1, () => Burst(left, size, full + 1));
                return;
            }

            _burstNumber++;
        }

        Say($"full {full}");
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static string Ids(IReadOnlyList<uint> ids) => ids.Count == 0 ? "-" : string.Join(',', ids);

    private static void Log(bool warning, string text) => Console.Error.WriteLine(text);

    private static void Say(string line)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }
}
