using Buoy.Linux;

namespace Buoy.Linux.Tests;

/// <summary>The loop's promises: order of deadlines, cancelling, posted work, descriptors, stopping.</summary>
public sealed class EventLoopTests : IDisposable
{
    private static int _nextPort = 40_000 + (Environment.ProcessId % 10_000);
    private readonly EventLoop _loop = new();
    private readonly List<string> _seen = [];

    public void Dispose() => _loop.Dispose();

    private static UdpEndpoint Free() => new(0x7F00_0001, (ushort)Interlocked.Increment(ref _nextPort));

    private static (UdpSocket Socket, UdpEndpoint At) Open()
    {
        while (true)
        {
            var at = Free();
            try
            {
                return (UdpSocket.Open(at, 1 << 16, reuseAddress: false), at);
            }
            catch (LinuxException)
            {
                // Taken by somebody on this host: the next port.
            }
        }
    }

    private void RunUntil(Func<bool> condition)
    {
        for (int turns = 0; !condition(); turns++)
        {
            Assert.True(turns < 10_000, "not reached; seen: " + string.Join(' ', _seen));
            _loop.RunOnce(1000);
        }
    }

    [Fact]
    public void Schedule_OfSeveral_RunInOrderOfDeadlineThenOfScheduling()
    {
        _loop.Schedule(20, () => _seen.Add("late"));
        _loop.Schedule(-5, () => _seen.Add("past"));
        _loop.Schedule(0, () => _seen.Add("now"));
        _loop.Schedule(10, () => _seen.Add("middle"));
        RunUntil(() => _seen.Count == 4);
        Assert.Equal("late", _seen[3]);
        Assert.Equal("middle", _seen[2]);
        Assert.True(_seen.IndexOf("past") < _seen.IndexOf("now"));
    }

    [Fact]
    public void Schedule_NeverBeforeItsTime()
    {
        long due = EventLoop.Now + 30;
        long at = 0;
        _loop.Schedule(30, () => at = EventLoop.Now);
        RunUntil(() => at != 0);
        Assert.True(at >= due);
    }

    [Fact]
    public void Cancel_BeforeOrWithinTheSameTurn_NeverFires()
    {
        EventLoop.LoopTimer? second = null;
        var first = _loop.Schedule(0, () => _seen.Add("cancelled"));
        _loop.Schedule(0, () =>
        {
            _seen.Add("canceller");
            second!.Cancel();
        });
        second = _loop.Schedule(0, () => _seen.Add("cancelled too"));
        first.Cancel();
        first.Cancel();
        _loop.Schedule(5, () => _seen.Add("end"));
        RunUntil(() => _seen.Contains("end"));
        Assert.Equal(["canceller", "end"], _seen);
        Assert.False(first.Pending || second.Pending);
    }

    [Fact]
    public void Cancel_OfAFarTimerManyTimes_LeavesNothingBehind()
    {
        for (int i = 0; i < 100_000; i++)
        {
            _loop.Schedule(3_600_000, static () => { }).Cancel();
        }

        Assert.InRange(_loop.TimersHeld, 0, 1000);
    }

    [Fact]
    public void Schedule_ZeroFromWithinACallback_LeavesDescriptorsAndStopTheirTurn()
    {
        var (socket, at) = Open();
        using var _ = socket;
        bool heard = false;
        void Again()
        {
            if (!heard)
            {
                _loop.Schedule(0, Again);
            }
        }

        _loop.Add(socket.Fd, PollEvents.Readable, e => heard = true);
        _loop.Schedule(0, Again);
        socket.Send([1], at);
        RunUntil(() => heard);
    }

    [Fact]
    public void Post_FromThreads_AllRunOnTheLoopInOrderOfEach()
    {
        const int threads = 4;
        const int each = 5000;
        var last = new int[threads];
        int done = 0;
        int loopThread = Environment.CurrentManagedThreadId;
        bool ordered = true;
        var posters = Enumerable.Range(0, threads).Select(t => new Thread(() =>
        {
            for (int i = 1; i <= each; i++)
            {
                int n = i;
                _loop.Post(() =>
                {
                    ordered &= last[t] == n - 1 && Environment.CurrentManagedThreadId == loopThread;
                    last[t] = n;
                    done++;
                });
            }
        })).ToList();
        posters.ForEach(p => p.Start());
        RunUntil(() => done == threads * each);
        posters.ForEach(p => p.Join());
        Assert.True(ordered);
    }

    [Fact]
    public void Post_FromPostedWork_RunsLater()
    {
        _loop.Post(() =>
        {
            _loop.Post(() => _seen.Add("second"));
            _seen.Add("first");
        });
        RunUntil(() => _seen.Count == 2);
        Assert.Equal(["first", "second"], _seen);
    }

    [Fact]
    public void Add_LevelTriggered_CalledAgainUntilItIsRead()
    {
        var (socket, at) = Open();
        using var _ = socket;
        byte[] buffer = new byte[10];
        int calls = 0;
        _loop.Add(socket.Fd, PollEvents.Readable, e =>
        {
            Assert.True(e.HasFlag(PollEvents.Readable));
            if (++calls == 3)
            {
                Assert.Equal(1, socket.Receive(buffer, out var from));
                Assert.Equal(at, from);
            }
        });
        socket.Send([7], at);
        RunUntil(() => calls == 3);
        _loop.RunOnce(0);
        Assert.Equal(3, calls);
        socket.Send([8], at);
        RunUntil(() => calls == 4);
    }

    [Fact]
    public void Modify_ToNothingAndBack_StopsAndResumes()
    {
        var (socket, at) = Open();
        using var _ = socket;
        int calls = 0;
        _loop.Add(socket.Fd, PollEvents.Readable, e => calls++);
        _loop.Modify(socket.Fd, PollEvents.None);
        socket.Send([1], at);
        _loop.RunOnce(0);
        Assert.Equal(0, calls);
        _loop.Modify(socket.Fd, PollEvents.Readable);
        RunUntil(() => calls == 1);
    }

    [Fact]
    public void Remove_WithinACallback_TheOtherReadyOneIsNotCalled()
    {
        var (one, atOne) = Open();
        var (two, atTwo) = Open();
        using var first = one;
        using var second = two;
        int calls = 0;
        foreach (var (mine, other) in ((UdpSocket, UdpSocket)[])[(one, two), (two, one)])
        {
            _loop.Add(mine.Fd, PollEvents.Readable, e =>
            {
                calls++;
                _loop.Remove(other.Fd);
                _loop.Remove(mine.Fd);
            });
        }

        one.Send([1], atOne);
        two.Send([1], atTwo);
        RunUntil(() => calls > 0);
        _loop.RunOnce(0);
        Assert.Equal(1, calls);
    }

    [Fact]
    public void Remove_AndReuseOfTheDescriptorWithinACallback_OldReadinessIsNotGivenToTheNew()
    {
        var (one, atOne) = Open();
        var (two, atTwo) = Open();
        UdpSocket? fresh = null;
        int calls = 0;
        var wrong = new List<int>();
        foreach (var (mine, other) in ((UdpSocket, UdpSocket)[])[(one, two), (two, one)])
        {
            _loop.Add(mine.Fd, PollEvents.Readable, e =>
            {
                calls++;
                int number = other.Fd;
                _loop.Remove(number);
                other.Dispose();
                (fresh, UdpEndpoint _) = Open();
                Assert.Equal(number, fresh.Fd);
                _loop.Add(fresh.Fd, PollEvents.Readable, ready => wrong.Add(fresh.Fd));
                _loop.Remove(mine.Fd);
            });
        }

        one.Send([1], atOne);
        two.Send([1], atTwo);
        RunUntil(() => calls > 0);
        _loop.RunOnce(0);
        Assert.Empty(wrong);
        one.Dispose();
        two.Dispose();
        fresh!.Dispose();
    }

    [Fact]
    public void Add_OfAClosedDescriptor_ThrowsAndRemembersNothing()
    {
        // A number that no other test can be given meanwhile: beyond the limit of open files.
        const int fd = int.MaxValue - 1;
        Assert.Throws<LinuxException>(() => _loop.Add(fd, PollEvents.Readable, _ => { }));
        Assert.Throws<LinuxException>(() => _loop.Add(fd, PollEvents.Readable, _ => { }));
        _loop.Remove(fd);
    }

    [Fact]
    public void Stop_FromAnotherThread_EndsRun()
    {
        var stopper = new Thread(_loop.Stop);
        stopper.Start();
        _loop.Run();
        stopper.Join();
    }

    [Fact]
    public void Stop_WithinACallback_FinishesTheTurn()
    {
        _loop.Post(() =>
        {
            _seen.Add("stop");
            _loop.Stop();
        });
        _loop.Post(() => _seen.Add("same turn"));
        _loop.Run();
        Assert.Equal(["stop", "same turn"], _seen);
    }

    [Fact]
    public void Receive_OfAnEmptyAndOfAnEmptyDatagram_MinusOneAndZero()
    {
        var (socket, at) = Open();
        using var _ = socket;
        byte[] buffer = new byte[4];
        Assert.Equal(-1, socket.Receive(buffer, out var _));
        Assert.Equal(0, socket.Send([], at));
        Assert.Equal(0, socket.Receive(buffer, out var from));
        Assert.Equal(at, from);
        socket.Send([1, 2, 3, 4, 5, 6], at);
        Assert.Equal(4, socket.Receive(buffer, out from));
        Assert.Equal([1, 2, 3, 4], buffer);
    }

    [Fact]
    public void Open_OfATakenPort_ThrowsWithTheCallsName()
    {
        var (socket, at) = Open();
        using var _ = socket;
        var e = Assert.Throws<LinuxException>(() => UdpSocket.Open(at, 1 << 16, reuseAddress: false));
        Assert.Contains("bind", e.Message);
    }

    [Fact]
    public void Send_TooLong_GivesTheErrno()
    {
        var (socket, at) = Open();
        using var _ = socket;
        Assert.Equal(90, socket.Send(new byte[70_000], at));
    }
}
