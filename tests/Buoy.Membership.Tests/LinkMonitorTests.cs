using Buoy.Membership.Links;

namespace Buoy.Tests;

/// <summary>Which links are up, and which of them a datagram takes.</summary>
public sealed class LinkMonitorTests
{
    private const uint Peer = 2;
    private long _now = 1000;
    private readonly LinkMonitor _monitor = new();
    private readonly Queue<LinkEffect> _effects = new();
    private readonly HashSet<int> _dead = [];
    private readonly List<string> _changes = [];
    private int _pathMtu = 1500;

    private void Configure(LinkMode mode, params (int Priority, int Pongs)[] links)
    {
        _monitor.Configure(_now, mode, links.Select((l, i) => (i, new LinkParameters(l.Priority, 100, 200, l.Pongs, 2048)))
            .ToDictionary(p => p.i, p => p.Item2), [Peer], 30_000, 0);
        for (int i = 0; i < links.Length; i++)
        {
            _monitor.OnLocal(_now, i, true, 9000);
        }
    }

    /// <summary>Runs on; every link but the dead answers at once what fits through.</summary>
    private void Run(long milliseconds)
    {
        for (long end = _now + milliseconds; _now < end; _now++)
        {
            if (_monitor.NextDeadline <= _now)
            {
                _monitor.OnTimers(_now);
            }

            _monitor.TakeEffects(_effects);
            while (_effects.TryDequeue(out var effect))
            {
                if (effect is SendPing p && !_dead.Contains(p.Link) && p.Size <= _pathMtu)
                {
                    _monitor.OnPong(_now, p.NodeId, p.Link, p.Number);
                }
                else if (effect is LinkChanged c)
                {
                    _changes.Add($"{_now - 1000} {c.Link}{(c.Up ? '+' : '-')}");
                }

                _monitor.TakeEffects(_effects);
            }
        }
    }

    private string Route(bool everywhere = false)
    {
        Span<int> into = stackalloc int[8];
        int n = _monitor.Route(Peer, everywhere, into);
        return string.Concat(into[..n].ToArray());
    }

    [Fact]
    public void Pongs_InARow_MakeALinkUp()
    {
        Configure(LinkMode.Passive, (1, 3));
        Run(150);
        Assert.False(_monitor.IsUp(0, Peer));
        Run(100);
        Assert.True(_monitor.IsUp(0, Peer));
        Assert.Equal(["200 0+"], _changes);
    }

    [Fact]
    public void Silence_OfPingTimeout_MakesALinkDownWithinOneAndAHalf()
    {
        Configure(LinkMode.Passive, (1, 2));
        Run(250);
        _dead.Add(0);
        Run(301);
        Assert.False(_monitor.IsUp(0, Peer));
        _dead.Clear();
        Run(101);
        Assert.False(_monitor.IsUp(0, Peer));
        Run(100);
        Assert.True(_monitor.IsUp(0, Peer));
    }

    [Theory]
    [InlineData(1, 1, 1, "0")]
    [InlineData(1, 2, 1, "1")]
    [InlineData(1, 2, 9, "2")]
    [InlineData(0, 0, 0, "0")]
    public void Route_Passive_HighestPriorityThenLowestNumber(int a, int b, int c, string expected)
    {
        Configure(LinkMode.Passive, (a, 1), (b, 1), (c, 1));
        Run(50);
        Assert.Equal(expected, Route());
    }

    [Fact]
    public void Route_PassiveAndTheBestFails_NextAndBack()
    {
        Configure(LinkMode.Passive, (1, 2), (5, 2));
        Run(150);
        Assert.Equal("1", Route());
        _dead.Add(1);
        Run(300);
        Assert.Equal("0", Route());
        _dead.Clear();
        Run(250);
        Assert.Equal("1", Route());
    }

    [Fact]
    public void Route_ByMode_AllOrInTurn()
    {
        Configure(LinkMode.Active, (1, 1), (1, 1), (1, 1));
        Run(50);
        Assert.Equal("012", Route());
        _dead.Add(1);
        Run(400);
        Assert.Equal("02", Route());
        Configure(LinkMode.RoundRobin, (1, 1), (1, 1), (1, 1));
        Assert.Equal(["0", "2", "0", "2"], Enumerable.Range(0, 4).Select(_ => Route()));
        Assert.Equal("012", Route(everywhere: true));
    }

    [Fact]
    public void Route_NothingUp_EveryLinkThatIsHere()
    {
        Configure(LinkMode.Passive, (1, 2), (5, 2));
        Assert.Equal("01", Route());
        _monitor.OnLocal(_now, 1, false, 0);
        Assert.Equal("0", Route());
    }

    [Fact]
    public void Local_AddressGone_LinkDownAtOnce()
    {
        Configure(LinkMode.Passive, (1, 1), (5, 1));
        Run(50);
        _monitor.OnLocal(_now, 1, false, 0);
        Assert.False(_monitor.IsUp(1, Peer));
        Assert.Equal("0", Route());
    }

    [Fact]
    public void Timers_LateByThemselves_AccuseNobody()
    {
        Configure(LinkMode.Passive, (1, 1));
        Run(150);
        _now += 5000;
        _monitor.OnTimers(_now);
        Assert.True(_monitor.IsUp(0, Peer));
        _dead.Add(0);
        Run(350);
        Assert.False(_monitor.IsUp(0, Peer));
    }

    [Theory]
    [InlineData(9000)]
    [InlineData(1500)]
    [InlineData(1497)]
    [InlineData(1280)]
    [InlineData(4470)]
    public void Mtu_OfAPath_FoundToEightBytes(int mtu)
    {
        _pathMtu = mtu;
        Configure(LinkMode.Passive, (1, 1));
        Run(20_000);
        Assert.InRange(_monitor.Mtu, mtu - 8, mtu);
    }

    [Fact]
    public void Mtu_ThatFalls_MeasuredAnew()
    {
        _pathMtu = 9000;
        Configure(LinkMode.Passive, (1, 1), (2, 1));
        Run(10_000);
        Assert.Equal(9000, _monitor.Mtu);
        _pathMtu = 1400;
        Run(60_000);
        Assert.InRange(_monitor.Mtu, 1392, 1400);
        Assert.True(_monitor.IsUp(0, Peer));
    }

    [Fact]
    public void Pong_RepeatedOrInvented_CountsOnce()
    {
        Configure(LinkMode.Passive, (1, 2));
        _monitor.OnTimers(_now);
        _monitor.TakeEffects(_effects);
        var ping = _effects.OfType<SendPing>().First();
        for (int i = 0; i < 5; i++)
        {
            _monitor.OnPong(_now, Peer, 0, ping.Number);
            _monitor.OnPong(_now, Peer, 0, 12345);
            _monitor.OnPong(_now, 77, 0, ping.Number);
            _monitor.OnPong(_now, Peer, 5, ping.Number);
        }

        Assert.False(_monitor.IsUp(0, Peer));
    }

    [Fact]
    public void Decode_OfAnything_MessageOrNull()
    {
        Span<byte> buffer = stackalloc byte[64];
        foreach (bool pong in (bool[])[false, true])
        {
            var message = new LinkMessage(pong, 7, 99);
            int n = message.Encode(buffer, pong ? 0 : 40);
            Assert.Equal(message, LinkMessage.Decode(buffer[..n]));
            for (int cut = 0; cut < LinkMessage.Size; cut++)
            {
                Assert.Null(LinkMessage.Decode(buffer[..cut]));
            }
        }

        new LinkMessage(false, 0, 1).Encode(buffer, 40);
        buffer[39] = 1;
        Assert.Null(LinkMessage.Decode(buffer[..40]));
    }
}
