using System.Text.RegularExpressions;
using Buoy.Balancer.StickTables;
using Buoy.Balancer.Tests.Balance;
using CsCheck;

namespace Buoy.Balancer.Tests.StickTables;

/// <summary>Stick tables: the store itself, and persistence and the runtime API as the original has them.</summary>
public sealed class StickTableTests
{
    private static string Get => "GET / HTTP/1.1\r\nhost: h\r\n\r\n";

    private static StickTable Table(int size, int expire = 0, bool noPurge = false) =>
        new("t", new StickTableConfig(StickKeyType.Ip, 0, size, expire, noPurge, [new(StickData.Gpc0)]), true);

    [Fact]
    public void Table_RandomUse_IsADictionaryWithExpiry() =>
        Gen.Select(Gen.Int[1, 20].Array[1, 200], Gen.Int[0, 30].Array[200]).Sample((keys, steps) =>
        {
            var table = Table(1000, expire: 50);
            var model = new Dictionary<int, (int Server, long Until)>();
            long now = 1000;
            for (int i = 0; i < keys.Length; i++)
            {
                now += steps[i];
                byte[] key = BitConverter.GetBytes(keys[i]);
                int want = model.TryGetValue(keys[i], out var e) && e.Until > now ? e.Server : 0;
                Assert.Equal(want, table.FindServer(key, now, out _));
                if (want != 0)
                {
                    model[keys[i]] = (want, now + 50);
                }

                if (i % 3 == 0)
                {
                    Assert.True(table.StoreServer(key, i + 1, "s", now));
                    model[keys[i]] = (i + 1, now + 50);
                }

                Assert.Equal(model.Count(m => m.Value.Until > now), table.Snapshot(now).Count);
            }
        }, iter: 100);

    [Fact]
    public void Table_Full_PurgesTheOldestOrRefuses()
    {
        var purging = Table(10, expire: 1000);
        var refusing = Table(10, expire: 1000, noPurge: true);
        for (int i = 0; i < 20; i++)
        {
            Assert.True(purging.StoreServer(BitConverter.GetBytes(i), 1, "s", i));
            Assert.Equal(i < 10, refusing.StoreServer(BitConverter.GetBytes(i), 1, "s", i));
        }

        Assert.Equal(10, purging.Used);
        Assert.Equal(Enumerable.Range(10, 10), purging.Snapshot(20).Select(e => BitConverter.ToInt32(e.Key)).Order());
        Assert.Equal(10, refusing.Used);
        Assert.True(refusing.StoreServer(BitConverter.GetBytes(99), 1, "s", 1001));
    }

    [Fact]
    public void Table_ManyThreads_NeverExceedsItsSize()
    {
        var table = Table(100);
        var threads = Enumerable.Range(0, 4).Select(t => new Thread(() =>
        {
            for (int i = 0; i < 20_000; i++)
            {
                table.StoreServer(BitConverter.GetBytes((i * 7919) + t), 1, "s", 1);
                table.FindServer(BitConverter.GetBytes(i), 1, out _);
                table.Remove(BitConverter.GetBytes(i * 3));
            }
        })).ToArray();
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        Assert.InRange(table.Used, 1, 100);
        Assert.Equal(table.Used, table.Snapshot(1).Count);
    }

    [Fact]
    public void Track_WhileItLasts_NeitherExpiresNorIsPurged()
    {
        var table = Table(2, expire: 100);
        var e = table.Track("one"u8, StickEvents.Connection, 0)!;
        Assert.Same(e, table.Track("one"u8, StickEvents.Connection, 10));
        Assert.True(table.StoreServer("two"u8, 1, "s", 20));
        Assert.True(table.StoreServer("three"u8, 1, "s", 30));
        Assert.Equal(["one", "three"], table.Snapshot(40).Select(x => System.Text.Encoding.ASCII.GetString(x.Key)).Order());
        Assert.Equal(StickTable.Removal.InUse, table.Remove("one"u8));
        Assert.Single(table.Snapshot(1000));
        Assert.NotNull(table.Track("four"u8, StickEvents.None, 1000));
        Assert.Null(table.Track("five"u8, StickEvents.None, 1000));
        table.Release(e, 1000);
        Assert.Equal(2, table.Used);
        table.Release(e, 1010);
        Assert.Equal(2, table.Snapshot(1109).Count);
        Assert.Single(table.Snapshot(1110));
        Assert.Equal(1, table.Used);
    }

    [Fact]
    public void Track_ManyThreads_CountsAll()
    {
        var table = new StickTable("t", new StickTableConfig(
            StickKeyType.Integer, 0, 8, 0, false, [new(StickData.ConnCnt), new(StickData.ConnCur), new(StickData.HttpReqCnt)]), false);
        const int Rounds = 20_000;
        var threads = Enumerable.Range(0, 4).Select(t => new Thread(() =>
        {
            for (int i = 0; i < Rounds; i++)
            {
                var counters = new TrackedCounters();
                counters.Track(0, table, BitConverter.GetBytes(i % 8), StickEvents.Connection, 1);
                counters.Count(StickEvents.Request, 1);
                counters.Release(1);
            }
        })).ToArray();
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        var all = table.Snapshot(1);
        Assert.Equal(8, all.Count);
        Assert.All(all, e => Assert.Equal([0, 4 * Rounds / 8, 0, 4 * Rounds / 8], [e.Users, .. e.Data]));
    }

    [Fact]
    public void Track_KnownKey_AllocatesNothing()
    {
        var table = new StickTable("t", new StickTableConfig(
            StickKeyType.Ip, 0, 8, 1000, false, [new(StickData.ConnCnt), new(StickData.HttpReqRate, 1, 1000), new(StickData.Gpc, 2)]), false);
        var session = new TrackedCounters();
        var stream = new TrackedCounters();
        byte[] key = [127, 0, 0, 1];
        session.Track(0, table, key, StickEvents.Connection, 1);
        long Requests(int count)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < count; i++)
            {
                stream.Track(1, table, key, StickEvents.Connection | StickEvents.Request, i);
                session.Count(StickEvents.Request, i);
                var operation = new StickOperation(StickQuery.Increment, StickData.Gpc, StickData.GpcRate, 1, true);
                table.Apply(stream[1].Entry!, i, ref operation);
                table.Look(key, i, ref operation);
                stream.CountBytes(10, 20, i);
                stream.Release(i);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Requests(10);
        Assert.Equal(0, Requests(1000));
        session.Release(1000);
    }

    private static string Plain(string answer) => Regex.Replace(Regex.Replace(answer, "0x[0-9a-f]+", "0xP"), @"exp=[1-9]\d*", "exp=N");

    [Theory]
    [InlineData("stick on src", 1)]
    [InlineData("stick on src", 4)]
    [InlineData("stick match src", 1)]
    [InlineData("stick store-request src", 1)]
    [InlineData("stick store-request src table other\n  stick match src table other", 2)]
    public void StickOnSource_SameClients_GoToTheOriginalsServers(string rules, int shards)
    {
        using var farm = new Farm(3);
        using var twin = new Twin(
            $"frontend f\n  bind 127.0.0.1:PORT\n  default_backend b\nbackend b\n  balance static-rr\n  stick-table type ip size 1k expire 1m\n"
            + $"  {rules}\n{farm.Lines("", "id 7", "weight 2")}backend other\n  stick-table type ipv6 size 10\n", shards);
        int[] clients = [1, 2, 3, 1, 2, 3, 4, 4, 5, 1, 2, 6, 3];
        string Run(Side side) => string.Join(' ', clients.Select(i =>
        {
            using var s = side.Open($"127.0.0.{i}");
            return Side.Ask(s, Get).Body + Side.Ask(s, Get).Body;
        }));
        twin.Same(Run);
        twin.Same(s => Plain(s.Cli("show table b")));
        twin.Same(s => Plain(s.Cli("show table other")));
        twin.Tell("disable server b/s2");
        twin.Same(Run);
        twin.Tell("enable server b/s2");
        twin.Same(s => Plain(s.Cli("show table b")));
        twin.Tell("clear table b");
        twin.Same(s => Plain(s.Cli("show table")));
    }

    [Fact]
    public void StickOnSource_Tcp_KeepsTheServer()
    {
        using var one = Buoy.Balancer.Tests.Engine.Backend.Named("one");
        using var two = Buoy.Balancer.Tests.Engine.Backend.Named("two");
        using var twin = new Twin(
            "listen l\n  bind 127.0.0.1:PORT\n  stick-table type ip size 1k expire 1m\n  stick on src\n"
            + $"  server a 127.0.0.1:{one.Port}\n  server b 127.0.0.1:{two.Port}\n", defaults: "  mode tcp\n");

        // Whether the first connection is accepted is asked by connecting: both tables are emptied.
        twin.Tell("clear table l");
        string Run(Side side)
        {
            int[] order = [2, 3, 2, 3, 4, 2];
            var names = order.Select(i => side.Exchange("", $"127.0.0.{i}")).ToArray();
            return string.Join(' ', order.Select((client, i) => names[i] == names[Array.IndexOf(order, client)]));
        }

        twin.Same(Run);
    }

    [Fact]
    public void Api_TableCommands_AnswerAsTheOriginal()
    {
        using var farm = new Farm(1);
        using var twin = new Twin($"""
            frontend f
              bind 127.0.0.1:PORT
              default_backend b
            backend b
              stick-table type ip size 100 expire 30s store gpc1,gpc0,gpt0
              stick on src
            {farm.Lines()}
            backend s
              stick-table type string len 5 size 10
            backend i
              stick-table type integer size 10 expire 1m nopurge
            backend bin
              stick-table type binary len 4 size 10
            backend v6
              stick-table type ipv6 size 1k store server_id
            """);
        twin.Same(s => s.Bodies([Get])[0]);
        foreach (string command in (string[])
            [
            "show table", "show table b", "show table nope", "show table b foo", "show table b key 127.0.0.1",
            "show table b key 9.9.9.9", "show table b key", "show table b data.foo eq 1", "show table b data.gpc0 xx 1",
            "show table b data.gpc0 eq", "show table b data.conn_cnt eq 1", "set table b key 127.0.0.9 data.gpc0 5 data.gpt0 7",
            "set table b key 127.0.0.10 data.gpc1 3", "show table b", "show table b data.gpc0 ge 5 data.gpt0 eq 7",
            "show table b data.gpc0 ge 5 data.gpt0 ne 7", "show table b data.server_id eq 1", "set table b key 127.0.0.9 data.foo 1",
            "set table b key 127.0.0.9 data.conn_cnt 1", "set table b key 127.0.0.9 data.gpc0", "set table b key 127.0.0.9 foo 3",
            "set table b key 127.0.0.10 data.server_id 1", "show table b", "set table b key", "clear table b key 127.0.0.9",
            "clear table b key 7.7.7.7", "show table b", "clear table b data.gpc1 gt 2", "show table b", "clear table b foo",
            "clear table b key", "clear table", "clear table nope", "set table nope key 3", "set table s key abcdefgh",
            "set table s key a", "show table s", "show table s key abcdefgh", "set table i key 77", "set table i key abc",
            "show table i", "clear table i key 77", "show table i", "set table bin key 0a", "set table v6 key ::1",
            "set table v6 key 1.2.3.4", "show table v6", "clear table b", "show table",
            ])
        {
            twin.Same(s => command + "\n" + Plain(s.Cli(command)));
        }
    }
}
