using System.Net;
using Buoy.Balancer.Control;
using Buoy.Balancer.Engine;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Host;

/// <summary>The real parts of a balancer: shards and control thread.</summary>
public sealed class BalancerParts : IBalancerParts
{
    /// <inheritdoc/>
    public IDataPlane CreateDataPlane(BalancerState state, ILogSink logs, ILocalService? local) => new DataPlane(state, logs, local);

    /// <inheritdoc/>
    public IControlPlane CreateControl(BalancerState state) => new Control(state);

    /// <summary>The control plane as the process wants it: what cannot be opened is an exception.</summary>
    private sealed class Control : IControlPlane
    {
        private readonly ControlPlane _plane;

        public Control(BalancerState state)
        {
            IPAddress?[] addresses = [.. state.Config.Servers.Select(server => state.Servers.AddressOf(server.Index))];
            _plane = new ControlPlane(state, addresses, new ControlOptions { MaxConn = state.Config.Global.MaxConn ?? 0 });
        }

        public ILogSink Logs => _plane.Logs;

        public ILocalService Local => _plane.Local;

        public void Prepare()
        {
            if (_plane.Prepare() is { Count: > 0 } errors)
            {
                throw new IOException(string.Join('\n', errors));
            }
        }

        public void Start(IDataPlane dataPlane) => _plane.Start(dataPlane);

        public void AttachMaster(int channel, Action gone) => _plane.AttachMaster(channel, gone);

        public void Stopping() => _plane.Stopping();

        public void Dispose() => _plane.Dispose();
    }
}
