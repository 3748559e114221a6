using Buoy.Agents;
using Buoy.Cluster.Controller;
using Buoy.Control;
using Buoy.Linux;
using Buoy.Membership;

namespace Buoy.Cluster.Host;

/// <summary>
/// What the daemon does for the guard of addresses: the stations (<see cref="GuardLink"/>), the right to renew
/// leases, what
/// is known of stops, and the end of refusals whose reason, a cut ring, is gone.
/// </summary>
internal sealed class GuardHost : IDisposable
{
    /// <summary>Nobody's request: its answer goes nowhere.</summary>
    public const long RequestId = -1;

    /// <summary>After a view in which somebody came, its state has been exchanged by then.</summary>
    private const int ForgiveMs = 1000;

    private const int LookMs = 250;
    private readonly EventLoop _loop;
    private readonly IClusterEngine _engine;
    private readonly GuardContext _context;
    private readonly ClusterController _controller;
    private readonly Action<ControlRequest> _ask;
    private readonly GuardLink _link;
    private readonly HashSet<string> _refused = [];
    private bool _quorate;
    private bool _disposed;

    public GuardHost(
        EventLoop loop, IClusterEngine engine, GuardContext context, ClusterController controller, string stations,
        Action<byte[]> send, Action<ControlRequest> ask, Action<string> problem)
    {
        _loop = loop;
        _engine = engine;
        _context = context;
        _controller = controller;
        _ask = ask;
        _link = new GuardLink(loop, engine, context, Path.GetFullPath(stations), send, problem);
        _context.WasReleased = (resource, ms) => controller.WasReleased(resource, EventLoop.Now, ms);
        _context.Refused += resource => _refused.Add(resource);
        Look();
    }

    public void OnView(ClusterView view)
    {
        _link.OnView(view);
        OnQuorum(view.Quorate);
        if (view.Came.Count > 0 && _refused.Count > 0)
        {
            _ = _loop.Schedule(ForgiveMs, Forgive);
        }
    }

    public void OnQuorum(bool quorate)
    {
        _quorate = quorate;
        Judge();
    }

    public void OnMessage(uint sender, ReadOnlySpan<byte> message) => _link.OnMessage(sender, message);

    public void Dispose()
    {
        _disposed = true;
        _link.Dispose();
    }

    /// <summary>no-quorum-policy and the balancer's health may change at any time.</summary>
    private void Look()
    {
        if (!_disposed)
        {
            Judge();
            _ = _loop.Schedule(LookMs, Look);
        }
    }

    private void Judge() => _context.SetDenied(
        _quorate || _controller.KeepsWithoutQuorum ? _context.BalancerFault() : "this node has no quorum");

    /// <summary>
    /// The holder that refused this node is in the view again: its refusal must not keep the resource from this node
    /// when
    /// that holder fails one day. As by hand: a clean-up.
    /// </summary>
    private void Forgive()
    {
        foreach (string resource in _disposed ? [] : _refused.ToArray())
        {
            _refused.Remove(resource);
            _ask(new ControlRequest(ControlCommand.Cleanup, new Dictionary<string, string>
            {
                ["resource"] = resource, ["node"] = _engine.LocalNodeName,
            }));
        }
    }
}
