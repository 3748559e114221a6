using Buoy.Balancer.Health;
using CsCheck;

namespace Buoy.Balancer.Tests.Health;

public sealed class ServerHealthTests
{
    private static ServerHealth New(int rise = 2, int fall = 3, int slowStart = 0)
    {
        var h = new ServerHealth(rise, fall, slowStart);
        h.Begin(0, AdminFlags.None);
        return h;
    }

    [Fact]
    public void FirstCheck_ThatFails_TakesTheServerDown()
    {
        var h = New();
        Assert.Equal(HealthEffect.WentDown, h.OnCheck(CheckResult.Failed, 10));
        Assert.Equal((0, OperationalState.Stopped, 10L), (h.Health, h.State, h.LastChange));
    }

    [Fact]
    public void FirstCheck_ThatPasses_FillsTheCounter()
    {
        var h = New();
        Assert.Equal(HealthEffect.None, h.OnCheck(CheckResult.Passed, 10));
        Assert.Equal(h.Full, h.Health);
    }

    [Fact]
    public void Checks_RiseAndFall_AsConfigured()
    {
        var h = New();
        h.OnCheck(CheckResult.Passed, 1);
        Assert.Equal(HealthEffect.None, h.OnCheck(CheckResult.Failed, 2));
        Assert.Equal(HealthEffect.None, h.OnCheck(CheckResult.Failed, 3));
        Assert.Equal(HealthEffect.WentDown, h.OnCheck(CheckResult.Failed, 4));
        Assert.Equal((3, 1), (h.FailedChecks, h.Downs));
        Assert.Equal(HealthEffect.None, h.OnCheck(CheckResult.Passed, 5));
        Assert.Equal(HealthEffect.None, h.OnCheck(CheckResult.Failed, 6));
        Assert.Equal(HealthEffect.None, h.OnCheck(CheckResult.Passed, 7));
        Assert.Equal(HealthEffect.WentUp, h.OnCheck(CheckResult.Passed, 8));
        Assert.Equal((4L, 3L), (h.DownTime(100), h.FailedChecks));
    }

    [Fact]
    public void Intervals_FollowTheState()
    {
        var h = New();
        Assert.Equal(500, h.NextInterval(2000, 500, 9000));
        h.OnCheck(CheckResult.Passed, 1);
        Assert.Equal(2000, h.NextInterval(2000, 500, 9000));
        h.OnCheck(CheckResult.Failed, 2);
        Assert.Equal(500, h.NextInterval(2000, 500, 9000));
        h.OnCheck(CheckResult.Failed, 3);
        h.OnCheck(CheckResult.Failed, 4);
        Assert.Equal(9000, h.NextInterval(2000, 500, 9000));
        h.OnCheck(CheckResult.Passed, 5);
        Assert.Equal(500, h.NextInterval(2000, 500, 9000));
    }

    [Fact]
    public void SlowStart_GrowsByTheSecondAndEnds()
    {
        var h = New(slowStart: 4000);
        h.OnCheck(CheckResult.Failed, 0);
        h.OnCheck(CheckResult.Passed, 1000);
        Assert.Equal(HealthEffect.WentUp, h.OnCheck(CheckResult.Passed, 2000));
        Assert.Equal(OperationalState.Starting, h.State);
        Assert.Equal([1, 5, 9, 13], new long[] { 2000, 3000, 4000, 5000 }.Select(h.Throttle));
        Assert.Equal(HealthEffect.None, h.OnTick(5999));
        Assert.Equal(HealthEffect.WarmedUp, h.OnTick(6000));
        Assert.Equal(16, h.Throttle(6000));
    }

    [Fact]
    public void ConditionalPass_Stops_UntilAFullOne()
    {
        var h = New();
        Assert.Equal(HealthEffect.WentStopping, h.OnCheck(CheckResult.ConditionallyPassed, 1));
        Assert.True(h.Usable);
        Assert.Equal(HealthEffect.WentUp, h.OnCheck(CheckResult.Passed, 2));
    }

    [Fact]
    public void Maintenance_OfTwoKinds_EndsWithTheLast()
    {
        var h = New();
        Assert.Equal(HealthEffect.WentDown, h.SetAdmin(AdminFlags.ForcedMaintenance, 1));
        Assert.Equal(HealthEffect.None, h.SetAdmin(AdminFlags.ResolutionMaintenance, 2));
        Assert.Equal(HealthEffect.None, h.OnCheck(CheckResult.Passed, 3));
        Assert.Equal(HealthEffect.None, h.ClearAdmin(AdminFlags.ForcedMaintenance, 4));
        Assert.Equal(HealthEffect.WentUp, h.ClearAdmin(AdminFlags.ResolutionMaintenance, 5));
        Assert.Equal(h.Rise, h.Health);
    }

    /// <summary>
    /// Whatever happens: a stopped server's counter is below rise, a running one's is not; states change only with an
    /// effect; a
    /// checked server comes up by rise passes and goes down by fall failures.
    /// </summary>
    [Fact]
    public void AnyHistory_KeepsCounterAndStateInStep() =>
        Gen.Select(Gen.Int[1, 5], Gen.Int[1, 5], Gen.Int[0, 8].Array[0, 60]).Sample(
        (rise, fall, steps) =>
        {
            var h = New(rise, fall);
            long now = 0;
            int good = 0, bad = 0;
            foreach (int step in steps)
            {
                now += 10;
                var before = h.State;
                var effect = step switch
                {
                    < 3 => h.OnCheck(CheckResult.Passed, now),
                    < 6 => h.OnCheck(CheckResult.Failed, now),
                    6 => h.SetAdmin(AdminFlags.ForcedMaintenance, now),
                    7 => h.ClearAdmin(AdminFlags.ForcedMaintenance, now),
                    _ => h.Force(OperationalState.Stopped, now),
                };
                good = step < 3 ? good + 1 : 0;
                bad = step is >= 3 and < 6 ? bad + 1 : 0;
                Assert.Equal(before != h.State, effect != HealthEffect.None);
                Assert.InRange(h.Health, 0, h.Full);
                Assert.Equal(h.State == OperationalState.Stopped, h.Health < h.Rise);
                if (!h.InMaintenance)
                {
                    Assert.True(good < rise || h.State == OperationalState.Running);
                    Assert.True(bad < fall || h.State == OperationalState.Stopped);
                }

                Assert.InRange(h.DownTime(now), 0, now);
            }
        });
}
