using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine;
using Buoy.Balancer.Engine.Balance;
using Buoy.Balancer.Engine.Http;
using CsCheck;

namespace Buoy.Balancer.Tests.Engine;

public sealed unsafe class PureTests
{
    [Fact]
    public void Wheel_RandomDeadlines_NeverEarlyAndAtMostOneTickLate() =>
        Gen.Select(Gen.Long[0, 5000], Gen.Int[0, 12_000].Array[1, 60], Gen.Int[1, 40]).Sample((start, delays, step) =>
        {
            using var slab = new ConnSlab();
            var wheel = new TimerWheel(start);
            var due = new Dictionary<int, long>();
            foreach (int d in delays)
            {
                var c = slab.Take(ConnKind.Client);
                due[c->Index] = start + d;
                wheel.FileNoLaterThan(c, start + d);
            }

            long now = start;
            while (due.Count > 0)
            {
                int wait = wheel.NextWait(now);
                Assert.True(wait >= 0);
                long target = now + wait;
                Assert.True(due.Values.Min() >= now - TimerWheel.Tick - step);
                now = Math.Min(target, now + step);
                Conn* fired;
                while ((fired = wheel.Expire(now)) != null)
                {
                    Assert.True(due[fired->Index] <= now, "early");
                    Assert.True(now - Math.Max(due[fired->Index], start + 1) <= TimerWheel.Tick + step, "late");
                    due.Remove(fired->Index);
                }
            }

            Assert.Equal(-1, wheel.NextWait(now));
            return wheel.Count == 0;
        }, iter: 200);

    [Fact]
    public void Wheel_Removed_DoesNotFireAndEarlierFilingStands()
    {
        using var slab = new ConnSlab();
        var wheel = new TimerWheel(0);
        var a = slab.Take(ConnKind.Client);
        var b = slab.Take(ConnKind.Client);
        wheel.FileNoLaterThan(a, 100);
        wheel.FileNoLaterThan(b, 100);
        wheel.FileNoLaterThan(b, 200);
        wheel.Remove(a);
        Assert.True(wheel.Expire(99) == null);
        Assert.True(wheel.Expire(100) == b);
        Assert.True(wheel.Expire(1000) == null);
    }

    [Fact]
    public void Chunks_SplitAnywhere_EndAtTheSamePlace() =>
        Gen.Select(Gen.Int[0, 300].Array[0, 6], Gen.Int[1, 50].Array[1, 40], Gen.Bool).Sample((sizes, cuts, trailer) =>
        {
            var text = new StringBuilder();
            foreach (int n in sizes.Where(n => n > 0))
            {
                text.Append($"{n:x}\r\n{new string('y', n)}\r\n");
            }

            text.Append("0\r\n").Append(trailer ? "a: b\r\n" : "").Append("\r\n");
            int length = text.Length;
            var data = Encoding.ASCII.GetBytes(text + "GET / HTTP/1.1\r\n");
            var tracker = BodyTracker.Chunks;
            int at = 0;
            fixed (byte* p = data)
            {
                for (int i = 0; !tracker.Done; i++)
                {
                    int n = Math.Min(cuts[i % cuts.Length], data.Length - at);
                    int used = tracker.Advance(p + at, n);
                    Assert.True(used >= 0 && (used == n || tracker.Done));
                    at += used;
                }
            }

            return at == length;
        });

    [Fact]
    public void Head_EveryPrefix_IsIncompleteAndTheWholeIsRead() =>
        Gen.Select(
            Gen.Char["abcXYZ-"].Array[1, 12].Select(c => new string(c)),
            Gen.Char["abc ,;=/\"\t"].Array[0, 30].Select(c => new string(c))).Array[0, 12].Sample(fields =>
        {
            var text = new StringBuilder("GET /path?q=1 HTTP/1.1\r\n");
            foreach (var (name, value) in fields)
            {
                text.Append("x-" + name).Append(": ").Append(value).Append("\r\n");
            }

            var data = Encoding.ASCII.GetBytes(text + "\r\nrest");
            int head = data.Length - 4;
            var parser = new HttpHead();
            fixed (byte* p = data)
            {
                for (int n = 0; n < head; n++)
                {
                    Assert.Equal(ParseResult.Incomplete, parser.ParseRequest(p, n));
                }

                Assert.Equal(ParseResult.Complete, parser.ParseRequest(p, data.Length));
                Assert.Equal(head, parser.Length);
                Assert.Equal(fields.Length, parser.Count);
                for (int i = 0; i < fields.Length; i++)
                {
                    Assert.Equal(
                        "x-" + fields[i].Item1.ToLowerInvariant(),
                        Encoding.ASCII.GetString(HttpHead.Name(p, parser.Fields[i])));
                    Assert.Equal(
                        fields[i].Item2.Trim(' ', '\t'), Encoding.ASCII.GetString(HttpHead.Value(p, parser.Fields[i])));
                }
            }
        }, iter: 300);

    [Fact]
    public void Head_RandomBytes_NeverReadsBeyondAndNeverThrows() =>
        Gen.OneOf(Gen.Byte.Array[0, 200], Gen.Char["GET HTP/1.0\r\n:chunked, \t"].Array[0, 200]
            .Select(c => Encoding.ASCII.GetBytes(c))).Sample(bytes =>
        {
            var parser = new HttpHead();
            var exact = bytes.ToArray();
            fixed (byte* p = exact)
            {
                if (parser.ParseRequest(p, exact.Length) == ParseResult.Complete)
                {
                    Assert.InRange(parser.Length, 1, exact.Length);
                }

                if (exact.Length > 0)
                {
                    parser.ParseResponse(p, exact.Length);
                }
            }
        }, iter: 5000);

    [Fact]
    public void Turn_AnyWeights_GivesEachItsShareAndSpreadsThem() =>
        Gen.Select(Gen.Int[1, 256].Array[1, 12], Gen.Bool).Sample((weights, dynamic) =>
        {
            var servers = weights.Select((w, i) => new Candidate(i, w, i + 1)).ToArray();
            int loop = 0;
            int[] all = dynamic ? Turns.Dynamic(servers, out loop) : Turns.Map(servers);
            var turn = all[loop..];
            long total = weights.Sum();
            for (int i = 0; i < weights.Length; i++)
            {
                Assert.Equal((long)weights[i] * turn.Length, turn.Count(s => s == i) * total);
            }

            // Smooth: after any number of picks no server is more than one turn of all away from its share.
            var given = new int[weights.Length];
            for (int n = 1; n <= turn.Length; n++)
            {
                given[turn[n - 1]]++;
                for (int i = 0; i < weights.Length; i++)
                {
                    Assert.True(Math.Abs(given[i] - ((double)n * weights[i] / total)) < weights.Length);
                }
            }
        }, iter: 100);

    [Fact]
    public void Picker_UnknownAlgorithm_IsRefusedByName()
    {
        var proxy = new ProxyConfig
        {
            Index = 0, Id = 2, Name = "b", Kind = ProxyKind.Backend, Mode = ProxyMode.Tcp, Place = new("f", 1),
            Balance = new("hash", null),
        };
        var e = Assert.Throws<NotSupportedException>(() => ServerPicker.Create(proxy, 1));
        Assert.Contains("'hash'", e.Message);
    }
}
