using Buoy.Balancer.State;

namespace Buoy.Balancer.Host;

/// <summary>The control thread as the process sees it: checks, resolvers, logs, statistics, runtime API.</summary>
public interface IControlPlane : IDisposable
{
    /// <summary>Where log lines go.</summary>
    ILogSink Logs { get; }

    /// <summary>Answers requests that go to no server.</summary>
    ILocalService Local { get; }

    /// <summary>
    /// Before chroot and the change of user: opens log and stats sockets. What cannot be opened is an
    /// <see cref="IOException"/>, <c>SocketException</c> or <see cref="Buoy.Linux.LinuxException"/>; its message follows the alert's head.
    /// </summary>
    void Prepare();

    /// <summary>Starts the control thread.</summary>
    void Start(IDataPlane dataPlane);

    /// <summary>
    /// In a worker: takes connections of the runtime API from the master over <paramref name="channel"/>;
    /// <paramref name="gone"/> is called, on any thread, when the master has ended.
    /// </summary>
    void AttachMaster(int channel, Action gone)
    {
    }

    /// <summary>A soft stop began: checks may end, log and statistics go on until disposal.</summary>
    void Stopping();
}

/// <summary>Makes the parts of a balancer; the program gives the real ones, tests give fakes.</summary>
public interface IBalancerParts
{
    /// <summary>The shards.</summary>
    IDataPlane CreateDataPlane(BalancerState state, ILogSink logs, ILocalService? local);

    /// <summary>The control thread.</summary>
    IControlPlane CreateControl(BalancerState state);
}
