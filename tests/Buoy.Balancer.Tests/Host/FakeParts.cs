using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Host;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Tests.Host;

/// <summary>Parts that bind real listeners, accept nothing, and log to nowhere.</summary>
internal sealed class FakeParts : IBalancerParts
{
    public BalancerState? State { get; private set; }

    public IDataPlane CreateDataPlane(BalancerState state, ILogSink logs, ILocalService? local) => new Plane(state);

    public IControlPlane CreateControl(BalancerState state)
    {
        State = state;
        return new Control();
    }

    /// <summary>With this variable the test program is the balancer with fake parts: what the process tests start.</summary>
    [ModuleInitializer]
    public static void RunAsBalancer()
    {
        if (Environment.GetEnvironmentVariable("BUOY_TEST_BALANCER") is { } parts)
        {
            string[] argv = Environment.GetCommandLineArgs();
            string[] args = argv[1] == "balancer" ? argv[2..] : argv[1..];
            IBalancerParts chosen = parts == "real" ? new BalancerParts() : new FakeParts();
            Environment.Exit(BalancerProgram.Run(args, chosen, [Environment.ProcessPath!, "balancer"]));
        }
    }

    private sealed class Plane(BalancerState state) : IDataPlane
    {
        private readonly List<Socket> _listeners = [];

        public int ActiveConnections => 0;

        public IReadOnlyList<(ProxyConfig Proxy, BindConfig Bind, string Error)> Bind()
        {
            var failures = new List<(ProxyConfig, BindConfig, string)>();
            foreach (var bind in state.Config.Binds.Where(b => b.EndPoint is not null))
            {
                var socket = new Socket(bind.EndPoint!.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                try
                {
                    socket.Bind(bind.EndPoint);
                    socket.Listen();
                    _listeners.Add(socket);
                }
                catch (SocketException)
                {
                    socket.Dispose();
                    failures.Add((state.Config.Proxies[bind.Proxy], bind,
                        $"cannot bind socket (Address already in use) for [{bind.EndPoint}]"));
                }
            }

            return failures;
        }

        public void Start()
        {
        }

        public void ServersChanged()
        {
        }

        public void ShutdownSessions(int server)
        {
        }

        public void StopListening() => _listeners.ForEach(l => l.Dispose());

        public void SetFrontend(int proxy, bool enabled)
        {
        }

        public void Ping(Action allAnswered) => allAnswered();

        public void Dispose() => StopListening();
    }

    private sealed class Control : IControlPlane, ILogSink, ILocalService
    {
        public ILogSink Logs => this;

        public ILocalService Local => this;

        public void Prepare()
        {
        }

        public void Start(IDataPlane dataPlane)
        {
        }

        public void Stopping()
        {
        }

        public bool Wants(int frontend) => false;

        public void Session(in SessionLog log)
        {
        }

        public void Message(int proxy, int level, string text)
        {
        }

        public bool Matches(int proxy, ReadOnlySpan<byte> target) => false;

        public void Answer(LocalRequest request, Action<byte[], bool> reply)
        {
        }

        public void Dispose()
        {
        }
    }
}
