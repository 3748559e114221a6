using Buoy.Linux;

namespace Buoy.Balancer.Host.Master;

/// <summary>One worker as its master sees it.</summary>
internal sealed class Worker(PidFd process, int channel, int report) : IDisposable
{
    /// <summary>Its process, readable when it has ended.</summary>
    public PidFd Process => process;

    /// <summary>Its process id.</summary>
    public int Pid => process.Pid;

    /// <summary>Our end of the socket pair to its runtime API.</summary>
    public int Channel => channel;

    /// <summary>Where it reports that it accepts; -1 once it has.</summary>
    public int Report { get; set; } = report;

    /// <summary>It accepts connections, or did.</summary>
    public bool Ready { get; set; }

    /// <summary>A younger one has taken its place.</summary>
    public bool Former { get; set; }

    /// <summary>Reloads that it has seen.</summary>
    public int Reloads { get; set; }

    /// <summary>When it was started, ms of the loop's clock.</summary>
    public long Begun { get; } = EventLoop.Now;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Report >= 0)
        {
            ProcessControl.Close(Report);
            Report = -1;
        }

        ProcessControl.Close(channel);
        process.Dispose();
    }
}
