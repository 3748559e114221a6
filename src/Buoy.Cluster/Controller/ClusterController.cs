using System.Globalization;
using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Control;
using Buoy.Membership;
using Buoy.Scheduler;

namespace Buoy.Cluster.Controller;

/// <summary>Carries out CIB operations on a copy; throws <see cref="CibException"/> where one cannot be.</summary>
/// <param name="cib">The CIB; may be changed.</param>
/// <param name="operations">In order.</param>
/// <returns>The CIB after them; its version numbers are set by the controller.</returns>
public delegate XElement CibEditor(XElement cib, IReadOnlyList<CibOperation> operations);

/// <summary>What a controller is made of.</summary>
public sealed record ControllerOptions
{
    public required uint NodeId { get; init; }
    public required string NodeName { get; init; }
    public required string ClusterName { get; init; }

    /// <summary>Ids of corosync.conf's node list; empty without one.</summary>
    public IReadOnlyList<uint> ConfiguredNodes { get; init; } = [];

    /// <summary>Names this run of this daemon in transition keys.</summary>
    public required string TransitionUuid { get; init; }
    public required ISchedulerSeam Scheduler { get; init; }
    public required CibEditor Editor { get; init; }

    /// <summary>The CIB as it was found on disk.</summary>
    public required XElement InitialCib { get; init; }

    /// <summary>What dc-version says.</summary>
    public string DcVersion { get; init; } = "0.1.0-buoy";

    /// <summary>
    /// How long a node that just came up waits for the others, ms, before it schedules without them; dc-deadtime
    /// replaces it
    /// where the CIB sets it.
    /// </summary>
    public long StartupWindowMs { get; init; } = 2000;

    /// <summary>How long an orderly stop may take, ms (shutdown-escalation replaces it where the CIB sets
    /// it).</summary>
    public long ShutdownEscalationMs { get; init; } = 20 * 60_000;
}

/// <summary>
/// The controller of one node: (event, now) in, effects out. It keeps a replica of the CIB that is the same on all
/// members after
/// the same messages, and on one of them, the DC, it drives the cluster to where the scheduler wants it.
/// <code>
///            view                     all states, one CIB                  known nodes here, or window over
///  (start) --------> Syncing --------------------------------> Waiting --------------------------------> Serving
///                       ^   messages wait in order                |  replicas change, nothing scheduled      |  DC
/// schedules
///                       +----------------------------------------+------------------ view -------------------+
/// </code>
/// 1. <b>View</b> (Sync): every member multicasts its <see cref="StateMessage"/>; the best CIB is multicast by its
/// holder where any
///    differs; each node is the authority for its own history; then every member applies the same node states.
/// 2. <b>Change</b> (Changes): requests and results are messages; every member applies them in the same order.
/// 3. <b>Decision</b> (Decisions): the DC runs the scheduler once per turn of the loop, sends actions, waits for
/// results; what
///    arrives meanwhile aborts: nothing new is fired, what runs is waited for, then it decides anew.
/// </summary>
public sealed partial class ClusterController
{
    private const int MaxQueued = 100_000;
    private readonly ControllerOptions _options;
    private readonly CibReplica _cib;
    private readonly List<ControllerEffect> _effects = [];
    private readonly SortedDictionary<string, long> _deadlines = new(StringComparer.Ordinal);
    private long? _wakeAt;
    private ControllerTime _now;
    private bool _turnRequested;

    // The view and what is agreed in it.
    private ClusterView? _view;
    private readonly SortedDictionary<uint, string> _names = [];
    private bool _quorate;
    private int _expectedVotes;
    private uint _dc;
    private bool _established;
    private bool _idle;
    private long _applied;
    private long? _firstEvent;
    private readonly Dictionary<string, long> _released = new(StringComparer.Ordinal);

    /// <summary>Makes a controller that knows nothing but its CIB.</summary>
    public ClusterController(ControllerOptions options)
    {
        _options = options;
        _cib = new CibReplica(new XElement(options.InitialCib));
        // A status of a former life says nothing.
        _cib.Status.RemoveNodes();
    }

    /// <summary>Id of the DC; 0 while there is none.</summary>
    public uint Dc => _dc;

    /// <summary>True while the members of the view have not yet agreed on a CIB.</summary>
    public bool Syncing => _view is null || _sync is not null;

    /// <summary>True when nothing is left to do in the cluster, as far as this node knows.</summary>
    public bool Idle => _idle && !Syncing;

    /// <summary>Whether the one holder of a resource has told, within the last <paramref name="withinMs"/>, that it
    /// stopped it.</summary>
    public bool WasReleased(string resource, long nowMs, int withinMs) =>
        _released.TryGetValue(resource, out long at) && nowMs - at <= withinMs;

    /// <summary>Whether leases of addresses may be renewed without quorum: no-quorum-policy leaves resources
    /// running.</summary>
    public bool KeepsWithoutQuorum => _cib.Option("no-quorum-policy") is "ignore" or "freeze";

    /// <summary>Version of this node's replica.</summary>
    public CibVersion Version => _cib.Version;

    /// <summary>The replica; readers may look.</summary>
    public XElement Cib => _cib.Root;

    /// <summary>Messages that could not be read.</summary>
    public long Dropped { get; private set; }

    /// <summary>Times a replica was found to differ.</summary>
    public long Divergences { get; private set; }

    /// <summary>MD5 of the replica: equal on all members after the same messages.</summary>
    public string Digest() => _cib.Digest();

    /// <summary>Handles one event. The effects are to be carried out in order.</summary>
    public IReadOnlyList<ControllerEffect> Handle(ControllerEvent e, ControllerTime now)
    {
        _now = now;
        _firstEvent ??= now.Ms;
        _effects.Clear();
        switch (e)
        {
            case ViewInstalled v:
                OnView(v);
                break;
            case QuorumChanged q:
                OnQuorum(q.Quorate);
                break;
            case MessageDelivered m:
                OnMessage(m.Sender, m.Payload.Span);
                break;
            case OperationEnded o:
                OnOperationEnded(o);
                break;
            case ControlAsked c:
                OnControl(c.RequestId, c.Request);
                break;
            case ControlGone g:
                _waiters.RemoveAll(w => w.RequestId == g.RequestId);
                break;
            case ShutdownAsked:
                OnShutdown(null);
                break;
            case TimerFired:
                OnTimer();
                break;
            case TurnEnded:
                _turnRequested = false;
                OnTurnEnded();
                break;
            case CibPersisted p:
                OnPersisted(p);
                break;
            default:
                throw new ArgumentException($"unknown event {e.GetType().Name}", nameof(e));
        }

        UpdateWake();
        return _effects.ToArray();
    }

    private bool IsDc => _dc == _options.NodeId && !Syncing;

    private string NameOf(uint id) => _names.TryGetValue(id, out string? n) ? n : NodeKey(id);

    private static string NodeKey(uint id) => id.ToString(CultureInfo.InvariantCulture);

    private bool IsMember(string name) => _names.ContainsValue(name);

    private long WallSeconds => _now.Wall.ToUnixTimeSeconds();

    private void Send(ClusterMessage m) => _effects.Add(new Multicast(ClusterJson.Encode(m)));

    private void Log(LogTopic topic, string text) => _effects.Add(new LogRecord(topic, text));

    private void RequestTurn()
    {
        if (!_turnRequested)
        {
            _turnRequested = true;
            _effects.Add(new RequestTurn());
        }
    }

    /// <summary>Something changed that the DC must look at.</summary>
    private void Changed()
    {
        _dirty = true;
        _idle = false;
        if (IsDc)
        {
            RequestTurn();
        }
    }

    private void OnMessage(uint sender, ReadOnlySpan<byte> payload)
    {
        var m = ClusterJson.Decode(payload, out string? reason);
        if (m is null)
        {
            Dropped++;
            Log(LogTopic.MessageDropped, $"message of node {sender}, {payload.Length} bytes, dropped: {reason}");
            return;
        }

        switch (m)
        {
            case StateMessage s:
                OnState(sender, s);
                break;
            case CibMessage c:
                OnCib(sender, c);
                break;
            default:
                if (!Syncing && !_resyncing)
                {
                    Process(sender, m);
                }
                else if (_queue.Count < MaxQueued)
                {
                    _queue.Add((sender, m));
                }
                else
                {
                    // Beyond the bound the replica is no longer the others': the next view's exchange brings it back.
                    Dropped++;
                    Log(LogTopic.MessageDropped, $"message of node {sender} dropped: {MaxQueued} wait already");
                }

                break;
        }
    }

    /// <summary>Every member comes here with the same messages in the same order.</summary>
    private void Process(uint sender, ClusterMessage m)
    {
        switch (m)
        {
            case ApplyMessage a:
                OnApply(a);
                break;
            case ActionMessage a:
                OnAction(sender, a);
                break;
            case ResultMessage r:
                OnResult(sender, r);
                break;
            case IdleMessage i:
                OnIdle(sender, i);
                break;
            case CleanupMessage c:
                OnCleanup(c);
                break;
            case ShutdownMessage s:
                OnShutdownMessage(s);
                break;
            case EstablishMessage e:
                OnEstablish(e.At);
                break;
            case QuorumMessage q:
                OnQuorumMessage(q.Quorate);
                break;
            case ResyncMessage:
                OnResync(sender);
                break;
        }

        _applied++;
    }

    // Deadlines: a name each, so that setting one again moves it.
    private void SetDeadline(string name, long dueMs) => _deadlines[name] = dueMs;

    private void UpdateWake()
    {
        long? due = _deadlines.Count == 0 ? null : _deadlines.Values.Min();
        if (due != _wakeAt)
        {
            _wakeAt = due;
            _effects.Add(new WakeAt(due));
        }
    }

    private void OnTimer()
    {
        _wakeAt = null;
        foreach (string name in _deadlines.Where(d => d.Value <= _now.Ms).Select(d => d.Key).ToList())
        {
            _deadlines.Remove(name);
            switch (name)
            {
                case StartupDeadline:
                    OnStartupWindowOver();
                    break;
                case RecheckDeadline:
                    _dirty = true;
                    RequestTurn();
                    break;
                case EscalationDeadline:
                    OnShutdownEscalation();
                    break;
                case WaitersDeadline:
                    OnWaitersDeadline();
                    break;
                default:
                    OnActionTimeout(name);
                    break;
            }
        }
    }

    /// <summary>A duration of the CIB (Pacemaker Explained: number and unit, bare = seconds) in ms, or the
    /// default.</summary>
    private long Duration(string option, long defaultMs)
    {
        string? text = _cib.Option(option)?.Trim();
        if (string.IsNullOrEmpty(text))
        {
            return defaultMs;
        }

        int digits = text.TakeWhile(char.IsAsciiDigit).Count();
        if (!long.TryParse(text[..digits], out long n))
        {
            return defaultMs;
        }

        return text[digits..].Trim() switch
        {
            "" or "s" or "sec" => n * 1000,
            "ms" or "msec" => n,
            "us" or "usec" => n / 1000,
            "m" or "min" => n * 60_000,
            "h" or "hr" => n * 3_600_000,
            _ => defaultMs,
        };
    }

    private static bool IsTrue(string? text, bool otherwise) => text?.ToLowerInvariant() switch
    {
        "true" or "on" or "yes" or "y" or "1" => true,
        "false" or "off" or "no" or "n" or "0" => false,
        _ => otherwise,
    };
}
