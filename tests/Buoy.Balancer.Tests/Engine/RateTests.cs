using Buoy.Balancer.Engine;

namespace Buoy.Balancer.Tests.Engine;

/// <summary>How many per second: <c>rate-limit sessions</c>.</summary>
public sealed class RateTests
{
    [Fact]
    public void Room_InASecond_IsUsedUpAndComesBack()
    {
        var rate = new SecondRate();
        Assert.Equal(2, rate.Room(1000, 2));
        rate.Count();
        rate.Count();
        Assert.Equal(0, rate.Room(1999, 2));
        Assert.Equal(2, rate.Room(2000, 2));
    }
}
