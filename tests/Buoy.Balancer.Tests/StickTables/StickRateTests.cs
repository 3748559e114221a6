using Buoy.Balancer.StickTables;
using CsCheck;

namespace Buoy.Balancer.Tests.StickTables;

/// <summary>Frequencies over a sliding period, and where data stand in an entry.</summary>
public sealed class StickRateTests
{
    private const int Period = 1000;

    /// <summary>Values that the original told at these times after 10 events at 0 and one each at 300 and 1212 ms.</summary>
    [Theory]
    [InlineData(0, 10)]
    [InlineData(304, 11)]
    [InlineData(907, 11)]
    [InlineData(1008, 10)]
    [InlineData(1109, 9)]
    [InlineData(1311, 8)]
    [InlineData(1412, 7)]
    [InlineData(1613, 5)]
    [InlineData(1815, 3)]
    [InlineData(1919, 1)]
    [InlineData(2322, 1)]
    [InlineData(3100, 0)]
    public void Read_AfterABurst_FallsAsTheOriginals(long at, long expected)
    {
        Span<long> rate = stackalloc long[StickRate.Width];
        const long Start = 5_000_000;
        foreach (var (time, events) in ((int, int)[])[(0, 10), (300, 1), (1212, 1)])
        {
            if (time <= at)
            {
                StickRate.Add(rate, Period, events, Start + time);
            }
        }

        Assert.Equal(expected, StickRate.Read(rate, Period, Start + at));
    }

    /// <summary>Values that the original told after "set table … data.gpc0_rate 100".</summary>
    [Theory]
    [InlineData(0, 100)]
    [InlineData(909, 100)]
    [InlineData(1010, 99)]
    [InlineData(1514, 48)]
    [InlineData(1917, 8)]
    [InlineData(2017, 0)]
    public void Set_Value_LeavesTheWindowAfterAPeriod(long at, long expected)
    {
        Span<long> rate = stackalloc long[StickRate.Width];
        StickRate.Set(rate, 100, 7000);
        Assert.Equal(expected, StickRate.Read(rate, Period, 7000 + at));
    }

    [Fact]
    public void Read_AnyTraffic_IsBetweenNothingAndTwoPeriods() =>
        Gen.Select(Gen.Int[1, 3000], Gen.Int[0, 400].Array[1, 100], Gen.Int[0, 9].Array[100]).Sample((period, gaps, counts) =>
        {
            Span<long> rate = stackalloc long[StickRate.Width];
            var events = new List<(long At, int Count)>();
            long now = 1_000_000;
            for (int i = 0; i < gaps.Length; i++)
            {
                now += gaps[i];
                StickRate.Add(rate, period, counts[i], now);
                events.Add((now, counts[i]));
                long read = StickRate.Read(rate, period, now);
                long recent = events.Where(e => e.At > now - (2L * period)).Sum(e => e.Count);
                Assert.InRange(read, counts[i], Math.Max(recent, counts[i]));
            }

            Assert.Equal(0, StickRate.Read(rate, period, now + (3L * period)));
        });

    [Fact]
    public void Layout_AliasesAndArrays_MeanTheSameElements()
    {
        var layout = new StickLayout([new(StickData.ConnCnt), new(StickData.Gpt, 2), new(StickData.Gpc, 3), new(StickData.GpcRate, 3, Period)]);
        var e = new StickEntry([1], layout.Length, new object());
        layout.Add(e, StickData.Gpc1, 0, 5, 100);
        layout.Add(e, StickData.Gpc1Rate, 0, 4, 100);
        layout.Write(e, StickData.Gpt0, 0, 7, 100);
        Assert.True(layout.Read(e, StickData.Gpc, 1, 100, out long five));
        Assert.True(layout.Read(e, StickData.GpcRate, 1, 100, out long four));
        Assert.True(layout.Read(e, StickData.Gpt, 0, 100, out long seven));
        Assert.Equal((5, 4, 7), (five, four, seven));
        Assert.False(layout.Read(e, StickData.Gpc, 3, 100, out _));
        Assert.False(layout.Write(e, StickData.Gpc, -1, 1, 100));
        Assert.False(layout.Read(e, StickData.SessCnt, 0, 100, out _));
        Assert.False(layout.Stores(StickData.Gpc0));
        Assert.Equal([0, 7, 0, 0, 5, 0], e.Data[..6]);
    }
}
