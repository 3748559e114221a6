using Buoy.Membership.Services;

namespace Buoy.Tests.Services;

/// <summary>The availability manager's decisions, on a clock that is a number.</summary>
public sealed class AvailabilityTests : IAvailabilitySink
{
    private readonly List<string> _done = [];
    private readonly AvailabilityManager _manager;

    public AvailabilityTests() => _manager = new AvailabilityManager(this);

    void IAvailabilitySink.Signal(string name, uint processId, int signal) => _done.Add($"signal {signal} to {processId}");

    void IAvailabilitySink.Start(string name, IReadOnlyList<string> command, int instance) => _done.Add($"start {instance}");

    void IAvailabilitySink.MayRun(string name) => _done.Add("run");

    [Fact]
    public void Silent_IsWarnedThenKilledThenStartedAgain()
    {
        Register(0, "restart", interval: 1000);
        _manager.Begin(0, "p");
        _manager.Alive(900, "p");
        _manager.OnTimers(1500);
        Assert.Equal(["run"], _done);
        _manager.OnTimers(1900);
        _manager.OnTimers(2900);
        _manager.Ended(2950, "p", 10);
        Assert.Equal(["run", "signal 15 to 10", "signal 9 to 10", "start 2"], _done);
        _manager.Started("p", 11);
        Assert.Equal((2, null), Register(3000, "restart", interval: 1000, pid: 11));
    }

    [Fact]
    public void Ended_WhileRunning_IsStartedAgain_NotOftenerThanOnceASecond()
    {
        Register(0, "restart", interval: 0);
        _manager.Begin(0, "p");
        _manager.Ended(100, "p", 10);
        _manager.Started("p", 11);
        _manager.Ended(200, "p", 11);
        Assert.Equal(["run", "start 2"], _done);
        Assert.Equal(1100, _manager.NextDeadline);
        _manager.OnTimers(1100);
        Assert.Equal(["run", "start 2", "start 3"], _done);
    }

    [Theory]
    [InlineData("restart", true)]
    [InlineData("quit", false)]
    public void Ended_AfterStop_OrWithQuit_StaysEnded(string policy, bool stop)
    {
        Register(0, policy, interval: 0);
        _manager.Begin(0, "p");
        if (stop)
        {
            _manager.Stop("p");
        }

        _manager.Ended(10, "p", 10);
        Assert.Equal(["run"], _done);
        Assert.Empty(_manager.Processes);
    }

    [Fact]
    public void Quorum_Needed_WaitsForItAndFailsWithoutIt()
    {
        Register(0, "quorum-restart", interval: 500);
        _manager.Begin(0, "p");
        Assert.Empty(_done);
        _manager.OnQuorum(100, true);
        _manager.OnQuorum(200, false);
        _manager.OnTimers(700);
        Assert.Equal(["run", "signal 15 to 10", "signal 9 to 10"], _done);
    }

    [Fact]
    public void Register_WhatCannotBe_IsRefusedInWords()
    {
        Assert.Contains("absolute path", _manager.Register(0, new("p", 1, RecoveryPolicy.Restart, false, 0, 15, ["rel"])).Problem);
        Assert.Contains("no signal", _manager.Register(0, new("p", 1, RecoveryPolicy.Quit, false, 0, 99, [])).Problem);
        Register(0, "quit", 0);
        Assert.Contains("registered by process 10", Register(0, "quit", 0, 12).Problem);
        _manager.Ended(5, "p", 99);
        Assert.Single(_manager.Processes);
    }

    private (int Instance, string? Problem) Register(long now, string policy, int interval, uint pid = 10) =>
        _manager.Register(now, new ManagedProcess(
            "p", pid, policy.EndsWith("restart", StringComparison.Ordinal) ? RecoveryPolicy.Restart : RecoveryPolicy.Quit,
            policy.StartsWith("quorum", StringComparison.Ordinal), interval, 15, ["/bin/p"]));
}
