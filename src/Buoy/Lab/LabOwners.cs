using System.Globalization;
using System.Net;
using Buoy.Linux;
using Buoy.Network;

namespace Buoy.Lab;

/// <summary>
/// A third host that looks who answers for an address: <c>buoy lab owners NIC ADDRESS MS</c>. It asks every MS
/// milliseconds
/// and, when its standard input ends, tells what each question brought: a line <c>STATION FIRST LAST ANSWERS</c> for
/// each
/// station (ms of the monotonic clock), and <c>dual ROUNDS of ROUNDS</c>, the questions that two stations answered.
/// </summary>
internal static class LabOwners
{
    public static int Run(string[] args)
    {
        using var stack = new NetworkStack();
        var link = stack.Link(args[0]);
        if (link is null || !IPAddress.TryParse(args[1], out var address)
            || !int.TryParse(args[2], CultureInfo.InvariantCulture, out int interval))
        {
            Console.Error.WriteLine("buoy lab owners: expected NIC ADDRESS MS");
            return 64;
        }

        using var loop = new EventLoop();
        using var socket = PacketSocket.Open(link.Index, PacketSocket.ProtocolArp, receive: true);
        var stations = new SortedDictionary<string, (long First, long Last, int Answers)>(StringComparer.Ordinal);
        var round = new HashSet<string>();
        int rounds = 0, dual = 0;
        byte[] buffer = new byte[256];
        loop.Add(socket.Fd, PollEvents.Readable, _ =>
        {
            int n;
            while ((n = socket.Receive(buffer)) >= 0)
            {
                // Announcements are no answers to this host: only what was sent to it counts.
                if (ArpPacket.Read(buffer.AsSpan(0, n)) is { IsReply: true } p && p.SenderAddress.Equals(address)
                    && p.TargetMac.AsSpan().SequenceEqual(link.Mac))
                {
                    string mac = AddressProbeHost.MacText(p.SenderMac);
                    var old = stations.GetValueOrDefault(mac, (EventLoop.Now, 0, 0));
                    stations[mac] = (old.First, EventLoop.Now, old.Answers + 1);
                    round.Add(mac);
                }
            }
        });
        Ask();
        new Thread(() =>
        {
            while (Console.In.Read() >= 0)
            {
            }

            loop.Post(loop.Stop);
        }) { IsBackground = true }.Start();
        Console.WriteLine("ready");
        loop.Run();
        foreach (var (mac, s) in stations)
        {
            Console.WriteLine($"{mac} {s.First} {s.Last} {s.Answers}");
        }

        Console.WriteLine($"dual {dual} of {rounds}");
        return 0;

        void Ask()
        {
            rounds++;
            dual += round.Count > 1 ? 1 : 0;
            round.Clear();
            _ = socket.Send(ArpPacket.Probe(link.Mac, address).ToBytes(), ArpPacket.BroadcastMac);
            _ = loop.Schedule(interval, Ask);
        }
    }
}
