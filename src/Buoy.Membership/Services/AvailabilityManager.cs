namespace Buoy.Membership.Services;

/// <summary>What becomes of a process that failed: sam_overview(3).</summary>
public enum RecoveryPolicy
{
    /// <summary>It is ended and stays so.</summary>
    Quit,

    /// <summary>It is ended and started again.</summary>
    Restart,
}

/// <summary>Where a process is.</summary>
public enum AvailabilityState
{
    /// <summary>Known; its health is not asked yet, or no longer. Its end is its own matter.</summary>
    Stopped,

    /// <summary>It wants to begin and must not before the node is quorate.</summary>
    WaitingForQuorum,

    /// <summary>It must say that it is alive once per interval.</summary>
    Running,

    /// <summary>It was warned by its signal and is killed an interval later.</summary>
    Warned,

    /// <summary>It was killed, or has ended; where the policy is to restart it is started again.</summary>
    Failed,
}

/// <summary>A process and how it is kept available.</summary>
/// <param name="Name">Its name on this node; after a restart it registers under the same.</param>
/// <param name="ProcessId">As it is now.</param>
/// <param name="NeedsQuorum">It begins only on a quorate node, and losing quorum is a failure.</param>
/// <param name="IntervalMs">Between signs of life, and between warning and kill; 0 = only its end counts.</param>
/// <param name="WarnSignal">The warning, 15 = SIGTERM.</param>
/// <param name="Command">What starts it again: an absolute path and arguments.</param>
public sealed record ManagedProcess(
    string Name, uint ProcessId, RecoveryPolicy Policy, bool NeedsQuorum, int IntervalMs, int WarnSignal,
    IReadOnlyList<string> Command);

/// <summary>What the manager wants done.</summary>
public interface IAvailabilitySink
{
    /// <summary>Send a signal.</summary>
    void Signal(string name, uint processId, int signal);

    /// <summary>Start the process again; its pid is told with <see cref="AvailabilityManager.Started"/>.</summary>
    void Start(string name, IReadOnlyList<string> command, int instance);

    /// <summary>It may begin: its health is asked from now on.</summary>
    void MayRun(string name);
}

/// <summary>
/// Pure core of the availability manager, as Corosync's SAM: a local process registers, starts, and says now and then
/// that
/// it is alive. One that ends, or is silent for its interval, or loses a quorum it needs, is recovered by its policy:
/// warned,
/// an interval later killed, and started again. All times in ms of the caller's clock.
/// </summary>
public sealed class AvailabilityManager(IAvailabilitySink sink)
{
    /// <summary>Between two starts of a process, at least: one that dies at once does not take the processor.</summary>
    public const int RestartEveryMs = 1000;

    private const int Kill = 9;
    private readonly SortedDictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private bool _quorate;

    private sealed class Entry(ManagedProcess process)
    {
        public ManagedProcess Process { get; set; } = process;
        public AvailabilityState State { get; set; }
        public int Instance { get; set; } = 1;
        public long Alive { get; set; }
        public long Deadline { get; set; } = long.MaxValue;

        /// <summary>Its failure waits for its end, or for the moment of the next start.</summary>
        public bool Ended { get; set; }
        public long LastStart { get; set; } = long.MinValue / 2;
    }

    /// <summary>When <see cref="OnTimers"/> must be called.</summary>
    public long NextDeadline => _entries.Values.Select(e => e.Deadline).DefaultIfEmpty(long.MaxValue).Min();

    /// <summary>Processes with their state, and when they were last heard of.</summary>
    public IEnumerable<(ManagedProcess Process, AvailabilityState State, int Instance, long Alive)> Processes =>
        _entries.Values.Select(e => (e.Process, e.State, e.Instance, e.Alive));

    /// <summary>A process registers; its instance (1 = first started by itself), or why not.</summary>
    public (int Instance, string? Problem) Register(long now, ManagedProcess process)
    {
        string? problem = process.Name.Length is 0 or > 64 ? "a name has 1 to 64 characters"
            : process.IntervalMs < 0 ? "an interval is 0 or more"
            : process.WarnSignal is < 1 or > 64 ? $"{process.WarnSignal} is no signal"
            : process.Policy == RecoveryPolicy.Restart && (process.Command.Count == 0 || process.Command[0][..1] != "/")
                ? "to be restarted it needs a command with an absolute path"
            : _entries.TryGetValue(process.Name, out var there) && there.State != AvailabilityState.Failed
                ? $"'{process.Name}' is registered by process {there.Process.ProcessId}" : null;
        if (problem is not null)
        {
            return (0, problem);
        }

        if (_entries.TryGetValue(process.Name, out var again))
        {
            (again.Process, again.State, again.Deadline, again.Ended) = (process, AvailabilityState.Stopped, long.MaxValue, false);
        }
        else
        {
            again = _entries[process.Name] = new Entry(process);
        }

        again.Alive = now;
        return (again.Instance, null);
    }

    /// <summary>It begins (sam_start): at once, or when the node is quorate.</summary>
    public void Begin(long now, string name)
    {
        if (_entries.TryGetValue(name, out var e) && e.State == AvailabilityState.Stopped)
        {
            e.State = AvailabilityState.WaitingForQuorum;
            if (_quorate || !e.Process.NeedsQuorum)
            {
                Run(now, e);
            }
        }
    }

    /// <summary>It says that it is alive (sam_hc_send).</summary>
    public void Alive(long now, string name)
    {
        if (_entries.TryGetValue(name, out var e) && e.State == AvailabilityState.Running)
        {
            e.Alive = now;
            Arm(now, e);
        }
    }

    /// <summary>It ends its being watched (sam_stop): what follows is its own matter.</summary>
    public void Stop(string name)
    {
        if (_entries.TryGetValue(name, out var e) && e.State != AvailabilityState.Failed)
        {
            (e.State, e.Deadline) = (AvailabilityState.Stopped, long.MaxValue);
        }
    }

    /// <summary>It was started again by us.</summary>
    public void Started(string name, uint processId)
    {
        if (_entries.TryGetValue(name, out var e))
        {
            e.Process = e.Process with { ProcessId = processId };
        }
    }

    /// <summary>A process has ended, whatever ended it; or could not be started.</summary>
    public void Ended(long now, string name, uint processId)
    {
        if (!_entries.TryGetValue(name, out var e) || e.Process.ProcessId != processId)
        {
            return;
        }

        if (e.State is AvailabilityState.Stopped or AvailabilityState.WaitingForQuorum
            || e.Process.Policy == RecoveryPolicy.Quit)
        {
            _entries.Remove(name);
            return;
        }

        e.State = AvailabilityState.Failed;
        e.Ended = true;
        e.Deadline = Math.Max(now, e.LastStart + RestartEveryMs);
        OnTimers(now);
    }

    /// <summary>The node's quorum.</summary>
    public void OnQuorum(long now, bool quorate)
    {
        _quorate = quorate;
        foreach (var e in _entries.Values.Where(e => e.Process.NeedsQuorum).ToList())
        {
            if (quorate && e.State == AvailabilityState.WaitingForQuorum)
            {
                Run(now, e);
            }
            else if (!quorate && e.State == AvailabilityState.Running)
            {
                Recover(now, e);
            }
        }
    }

    /// <summary>What is due.</summary>
    public void OnTimers(long now)
    {
        foreach (var e in _entries.Values.Where(e => e.Deadline <= now).ToList())
        {
            e.Deadline = long.MaxValue;
            switch (e.State)
            {
                case AvailabilityState.Running:
                    Recover(now, e);
                    break;
                case AvailabilityState.Warned:
                    e.State = AvailabilityState.Failed;
                    sink.Signal(e.Process.Name, e.Process.ProcessId, Kill);
                    break;
                case AvailabilityState.Failed when e.Ended:
                    e.Ended = false;
                    e.LastStart = now;
                    e.Instance++;
                    sink.Start(e.Process.Name, e.Process.Command, e.Instance);
                    break;
                default:
                    break;
            }
        }
    }

    private void Run(long now, Entry e)
    {
        e.State = AvailabilityState.Running;
        e.Alive = now;
        Arm(now, e);
        sink.MayRun(e.Process.Name);
    }

    private static void Arm(long now, Entry e) =>
        e.Deadline = e.Process.IntervalMs > 0 ? now + e.Process.IntervalMs : long.MaxValue;

    private void Recover(long now, Entry e)
    {
        e.State = AvailabilityState.Warned;
        e.Deadline = now + e.Process.IntervalMs;
        sink.Signal(e.Process.Name, e.Process.ProcessId, e.Process.WarnSignal);
    }
}
