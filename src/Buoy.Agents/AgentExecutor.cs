using Buoy.Linux;

namespace Buoy.Agents;

/// <summary>
/// The executor: one queue per resource, the agents of all classes, recurring operations. What an operation
/// goes through:
/// 1. <see cref="Execute"/> queues it (2. after <c>CRM_meta_start_delay</c>, if given);
/// 3. its resource's queue starts it when the one before has ended;
/// 4. the agent ends it, at the latest when its timeout has run out;
/// 5. its result is handed out; a recurring one is queued again an interval later.
/// </summary>
public sealed class AgentExecutor : IAgentExecutor
{
    private const int DefaultTimeoutMs = 20_000, MetaDataTimeoutMs = 20_000;
    private readonly EventLoop _loop;
    private readonly AgentExecutorOptions _options;
    private readonly Dictionary<string, ResourceQueue> _queues = [];
    private readonly Dictionary<AgentName, string> _metaData = [];
    private readonly IpAddressAgent _ipAddress;
    private readonly HaproxyAgent _haproxy;
    private readonly OcfAgent _ocf;
    private readonly LsbAgent _lsb;
    private readonly SystemdAgent _systemd;
    private readonly RefusedAgent _fence = new("fence agents are not run as resources here");
    private readonly RefusedAgent _unknown = new("no such class: expected ocf, systemd, lsb, service or stonith");
    private bool _disposed;

    /// <summary>Makes an executor whose whole work runs on <paramref name="loop"/>.</summary>
    public AgentExecutor(EventLoop loop, AgentExecutorOptions? options = null)
    {
        _loop = loop;
        _options = options ?? new AgentExecutorOptions();
        _ipAddress = new IpAddressAgent(loop, _options, Report);
        _haproxy = new HaproxyAgent(loop, _options, Report);
        _options.Guard?.BalancerFault = () => _haproxy.Fault;
        _ocf = new OcfAgent(loop, _options);
        _lsb = new LsbAgent(loop, _options);
        _systemd = new SystemdAgent(loop, _options);
    }

    private sealed class ResourceQueue
    {
        public Queue<Operation> Waiting { get; } = new();

        public Operation? Current { get; set; }

        public bool PumpPosted { get; set; }

        public Dictionary<(string Task, long Interval), Operation> Recurring { get; } = [];
    }

    private sealed class Operation(AgentRequest request, Action<AgentResult> done)
    {
        public AgentRequest Request { get; } = request;

        public Action<AgentResult> Done { get; } = done;

        public long QueuedAt { get; set; }

        public long StartedAt { get; set; }

        public DateTimeOffset Started { get; set; }

        public IRunningOperation? Running { get; set; }

        public EventLoop.LoopTimer? Next { get; set; }

        public bool Cancelled { get; set; }

        /// <summary>What was handed out last; null: nothing yet.</summary>
        public (int Rc, OperationStatus Status)? Last { get; set; }
    }

    /// <inheritdoc/>
    public void Execute(AgentRequest request, Action<AgentResult> done)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var bounded = request.TimeoutMs > 0 ? request : request with { TimeoutMs = DefaultTimeoutMs };
        var operation = new Operation(bounded, done);
        var queue = Queue(request.ResourceId);
        if (request.IntervalMs > 0)
        {
            Cancel(request.ResourceId, request.Task, request.IntervalMs);
            queue.Recurring[(request.Task, request.IntervalMs)] = operation;
        }

        long delay = request.Attributes.TryGetValue("CRM_meta_start_delay", out string? text)
            ? Interval.Parse(text, 1) ?? 0 : 0;
        if (delay > 0)
        {
            operation.Next = _loop.Schedule(delay, () => Enqueue(queue, operation));
        }
        else
        {
            Enqueue(queue, operation);
        }
    }

    /// <inheritdoc/>
    public bool Cancel(string resourceId, string task, long intervalMs)
    {
        if (!_queues.TryGetValue(resourceId, out var queue)
            || !queue.Recurring.Remove((task, intervalMs), out var operation))
        {
            return false;
        }

        operation.Cancelled = true;
        operation.Next?.Cancel();
        if (queue.Current == operation)
        {
            operation.Running?.Abort();
        }

        return true;
    }

    /// <inheritdoc/>
    public void CancelAll(string resourceId)
    {
        if (_queues.TryGetValue(resourceId, out var queue))
        {
            foreach (var (task, interval) in queue.Recurring.Keys.ToArray())
            {
                Cancel(resourceId, task, interval);
            }
        }
    }

    /// <inheritdoc/>
    public void MetaData(AgentName agent, Action<string?> done)
    {
        if (AgentCatalog.BuiltInMetaData(agent) is { } known)
        {
            _loop.Post(() => done(known));
            return;
        }

        if (_metaData.TryGetValue(agent, out string? cached))
        {
            _loop.Post(() => done(cached));
            return;
        }

        if (agent.Class != "ocf")
        {
            _loop.Post(() => done(AgentCatalog.ServiceMetaData(agent, _options)));
            return;
        }

        var request = new AgentRequest(
            agent, agent.ToString(), "meta-data", 0, MetaDataTimeoutMs, 0, new Dictionary<string, string>());
        Execute(request, r =>
        {
            if (r is { Rc: 0, Status: OperationStatus.Done })
            {
                _metaData[agent] = r.Output;
            }

            done(r is { Rc: 0, Status: OperationStatus.Done } ? r.Output : null);
        });
    }

    /// <summary>
    /// Ends recurring operations and announcements, and aborts what runs. Addresses and balancers stay as they are.
    /// </summary>
    public void Dispose()
    {
        _disposed = true;
        foreach (string id in _queues.Keys.ToArray())
        {
            CancelAll(id);
            _queues[id].Waiting.Clear();
            _queues[id].Current?.Running?.Abort();
        }

        _ipAddress.Dispose();
        _haproxy.Dispose();
    }

    private ResourceQueue Queue(string resourceId)
    {
        if (!_queues.TryGetValue(resourceId, out var queue))
        {
            queue = _queues[resourceId] = new ResourceQueue();
        }

        return queue;
    }

    private IAgent Agent(AgentName name) => name switch
    {
        _ when name == AgentCatalog.IpAddress => _ipAddress,
        _ when name == AgentCatalog.Haproxy => _haproxy,
        { Class: "ocf" } => _ocf,
        { Class: "systemd" } => _systemd,
        { Class: "lsb" } => _lsb,
        { Class: "service" } => File.Exists(Path.Combine(_options.LsbRoot, name.Type)) ? _lsb : _systemd,
        { Class: "stonith" } => _fence,
        _ => _unknown,
    };

    private void Enqueue(ResourceQueue queue, Operation operation)
    {
        operation.QueuedAt = EventLoop.NowMicros;
        queue.Waiting.Enqueue(operation);
        Wake(queue);
    }

    /// <summary>
    /// Results never arrive while the caller is still in a call of ours: starting is the loop's next turn.
    /// </summary>
    private void Wake(ResourceQueue queue)
    {
        if (!queue.PumpPosted)
        {
            queue.PumpPosted = true;
            _loop.Post(() => Pump(queue));
        }
    }

    private void Pump(ResourceQueue queue)
    {
        queue.PumpPosted = false;
        while (!_disposed && queue.Current is null && queue.Waiting.TryDequeue(out var operation))
        {
            if (operation.Cancelled)
            {
                continue;
            }

            queue.Current = operation;
            operation.StartedAt = EventLoop.NowMicros;
            operation.Started = DateTimeOffset.UtcNow;
            operation.Running = null;
            var running = Start(queue, operation);
            if (queue.Current == operation)
            {
                operation.Running = running;
            }
        }
    }

    private IRunningOperation? Start(ResourceQueue queue, Operation operation)
    {
        try
        {
            return Agent(operation.Request.Agent).Start(operation.Request, o => End(queue, operation, o));
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException)
        {
            int rc = e is UnauthorizedAccessException or LinuxException { Errno: 1 or 13 } ? Ocf.NoPermission
                : Ocf.Error;
            End(queue, operation, new Outcome(rc, e.Message));
            return null;
        }
    }

    private void End(ResourceQueue queue, Operation operation, Outcome outcome)
    {
        if (queue.Current != operation)
        {
            return;
        }

        queue.Current = null;
        operation.Running = null;
        if (!operation.Cancelled && !_disposed)
        {
            if (operation.Request.IntervalMs > 0)
            {
                operation.Next = _loop.Schedule(operation.Request.IntervalMs, () => Enqueue(queue, operation));
            }

            Hand(operation, outcome);
        }

        Wake(queue);
    }

    /// <summary>Hands a result out; of a recurring operation only news.</summary>
    private static void Hand(Operation operation, Outcome outcome)
    {
        var news = (outcome.Rc, outcome.Status);
        if (operation.Request.IntervalMs > 0 && operation.Last == news)
        {
            return;
        }

        operation.Last = news;
        long now = EventLoop.NowMicros;
        operation.Done(new AgentResult(
            outcome.Rc, outcome.Status, outcome.Reason, operation.Started, (now - operation.StartedAt) / 1000,
            Math.Max(0, operation.StartedAt - operation.QueuedAt) / 1000,
            operation.Request.Task == "meta-data" ? outcome.Output : ""));
    }

    /// <summary>An agent learnt something by itself: every recurring monitor of the resource says it now.</summary>
    private void Report(string resourceId, Outcome outcome)
    {
        if (_disposed || !_queues.TryGetValue(resourceId, out var queue))
        {
            return;
        }

        foreach (var operation in queue.Recurring.Values
            .Where(static o => o.Request.Task is "monitor" or "status").ToArray())
        {
            if (operation.Last is not null && !operation.Cancelled)
            {
                operation.Started = DateTimeOffset.UtcNow;
                operation.StartedAt = operation.QueuedAt = EventLoop.NowMicros;
                Hand(operation, outcome);
            }
        }
    }
}
