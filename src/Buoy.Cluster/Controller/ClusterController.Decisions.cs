using System.Xml.Linq;
using System.Globalization;
using Buoy.Agents;
using Buoy.Control;
using Buoy.Scheduler;

namespace Buoy.Cluster.Controller;

// Step 3: the DC decides and sends actions out; the node that an action names carries it out; all record the result.
public sealed partial class ClusterController
{
    private const string RecheckDeadline = "recheck";
    private const long RecheckIntervalMs = 15 * 60_000;
    private const long ClusterDelayMs = 60_000;

    /// <summary>
    /// The same transition this often, each time within <see cref="LoopWindowMs"/> of the one before, is a loop: a
    /// recovery that
    /// is real takes its resource's stop and start, and the failure that follows it.
    /// </summary>
    private const int LoopLimit = 10;
    private const long LoopWindowMs = 1000;
    private const long LongestBackOffMs = 60_000;
    private readonly Dictionary<string, InFlight> _inFlight = new(StringComparer.Ordinal);
    private readonly Dictionary<long, (ActionMessage Order, long QueuedMs)> _executing = [];
    private TransitionRun? _run;
    private bool _dirty;
    private bool _idleSent;
    private int _transitionNumber;
    private long _callId;
    private string? _lastSignature;
    private long _lastComputedMs;
    private int _repeats;
    private long _holdUntilMs;

    private void OnTurnEnded()
    {
        if (!IsDc || !_established)
        {
            return;
        }

        if (_run is { Over: true } done)
        {
            _run = null;
            if (done.Aborted is null && done.Left > 0)
            {
                Log(LogTopic.Problem, $"transition {done.Number}: {done.Left} actions could never be fired");
            }

            _dirty = true;
        }

        // An operation that another DC sent out must end before it can be seen what is to be done.
        if (_run is null && _inFlight.Count == 0 && _dirty)
        {
            Decide();
        }
        else if (_run is null && !_dirty && !_idle && !_idleSent)
        {
            SendIdle();
        }
    }

    private void Decide()
    {
        if (_now.Ms < _holdUntilMs)
        {
            SetDeadline(RecheckDeadline, _holdUntilMs);
            return;
        }

        _dirty = false;
        Transition t;
        try
        {
            t = _options.Scheduler.Compute(_cib.Root, _now.Wall);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // A fault of the scheduler must not take the node's running resources with it.
            // What was to be decided stays to be decided, so nobody is told that the cluster is idle.
            Log(LogTopic.Problem, $"the scheduler failed: {e}");
            _dirty = true;
            _holdUntilMs = _now.Ms + LongestBackOffMs;
            SetDeadline(RecheckDeadline, _holdUntilMs);
            return;
        }

        foreach (string problem in t.Problems)
        {
            Log(LogTopic.Problem, problem);
        }

        long recheck = Duration("cluster-recheck-interval", RecheckIntervalMs);
        long due = t.RecheckBy is { } by ? (long)Math.Max(1, Math.Ceiling((by - _now.Wall).TotalMilliseconds))
            : long.MaxValue;
        SetDeadline(RecheckDeadline, _now.Ms + Math.Min(due, recheck > 0 ? recheck : RecheckIntervalMs));
        if (t.Synapses.Count == 0)
        {
            SendIdle();
            return;
        }

        if (Loops(t))
        {
            return;
        }

        _idle = false;
        _idleSent = false;
        _run = new TransitionRun(_transitionNumber++, t);
        Log(LogTopic.Decision, $"transition {_run.Number}: {t.Synapses.Count} actions"
            + string.Concat(t.Summary.Select(s => $"; {s.Trim()}")));
        Fire();
    }

    private void SendIdle()
    {
        _idleSent = true;
        Send(new IdleMessage(_view!.RingId.Seq, _view.RingId.Rep, _applied, _cib.Version, _cib.Digest()));
    }

    private bool Loops(Transition t)
    {
        string signature = string.Join(' ', t.Synapses.Select(s => $"{s.Action.Key}@{s.Action.Node}"));
        bool same = signature == _lastSignature && _now.Ms - _lastComputedMs < LoopWindowMs + (_holdUntilMs > 0
            ? LongestBackOffMs : 0);
        _repeats = same ? _repeats + 1 : 0;
        _lastSignature = signature;
        _lastComputedMs = _now.Ms;
        if (_repeats < LoopLimit)
        {
            _holdUntilMs = 0;
            return false;
        }

        long wait = Math.Min(LongestBackOffMs, 1000L << Math.Min(6, _repeats - LoopLimit));
        bool waited = _holdUntilMs > 0 && _now.Ms >= _holdUntilMs;
        _holdUntilMs = _now.Ms + wait;
        if (waited)
        {
            return false;
        }

        Log(LogTopic.Loop, $"the same transition {_repeats + 1} times on end: waiting {wait} ms ({signature})");
        _dirty = true;
        SetDeadline(RecheckDeadline, _holdUntilMs);
        return true;
    }

    private void Fire()
    {
        foreach (var action in _run!.Advance())
        {
            string key = $"{action.Id}:{_run.Number}:{action.TargetRc}:{_options.TransitionUuid}";
            if (action.Node is { } node && !IsMember(node) && action.Task is not "clear_failcount" and not "lrm_delete")
            {
                _run.Fail(action.Id, $"{action.Key}: {node} is not here");
                Log(LogTopic.Problem, $"{action.Key} cannot be carried out: {node} is no member");
                continue;
            }

            Send(new ActionMessage(_view!.RingId.Seq, _view.RingId.Rep, _options.TransitionUuid, _run.Number, action,
                RecordedDigest.Of(action.Attributes, action.IntervalMs)));
            if (IsAgentOperation(action))
            {
                // What the node itself does not report in its time is reported for it.
                SetDeadline(key, _now.Ms + action.TimeoutMs + Duration("cluster-delay", ClusterDelayMs));
            }
        }

        if (_run.Over)
        {
            RequestTurn();
        }
    }

    private static bool IsAgentOperation(GraphAction a) =>
        a.Kind == ActionKind.Resource && a.Task is not "cancel" and not "delete" and not "lrm_delete";

    /// <param name="why">For the log.</param>
    /// <param name="external">Not a result of the transition itself: what follows is no loop.</param>
    private void AbortRun(string why, bool external = true)
    {
        if (_run is { Aborted: null } run)
        {
            run.Abort(why);
            Log(LogTopic.Decision, $"transition {run.Number} aborted: {why}");
        }

        if (external)
        {
            _holdUntilMs = 0;
            _repeats = 0;
        }

        RequestTurn();
    }

    private void OnNodeLost(uint id)
    {
        string name = NameOf(id);
        foreach (string key in _inFlight.Where(f => f.Value.Node == name).Select(f => f.Key).ToList())
        {
            _inFlight.Remove(key);
            _deadlines.Remove(key);
        }
    }

    /// <summary>After a view the (perhaps new) DC watches over what is still running.</summary>
    private void ResumeInFlight()
    {
        foreach (string key in _deadlines.Keys.Where(k => k.Contains(':') && !_inFlight.ContainsKey(k)).ToList())
        {
            _deadlines.Remove(key);
        }

        if (IsDc)
        {
            foreach (var (key, f) in _inFlight.Where(f => !_deadlines.ContainsKey(f.Key)))
            {
                SetDeadline(key, _now.Ms + f.Action.TimeoutMs + Duration("cluster-delay", ClusterDelayMs));
            }
        }
    }

    /// <summary>An order of the DC, in its place in the total order.</summary>
    private void OnAction(uint sender, ActionMessage m)
    {
        if (sender != _dc || !ForThisView(m.RingSeq, m.RingRep))
        {
            return;
        }

        _idle = false;
        Step("scheduled");
        var a = m.Action;
        if (IsAgentOperation(a))
        {
            if (a.Node is null || !IsMember(a.Node))
            {
                return;
            }

            _inFlight[m.TransitionKey] = new InFlight(m.TransitionKey, a.Node, a);
            if (a.Node == _options.NodeName)
            {
                Execute(m);
            }

            return;
        }

        bool done = CarryOut(a);
        if (_dc == _options.NodeId && _run is { } run && run.Number == m.Transition
            && m.Uuid == _options.TransitionUuid)
        {
            if (done)
            {
                run.Confirm(a.Id);
            }
            else
            {
                run.Fail(a.Id, $"{a.Key} cannot be carried out");
            }

            Fire();
        }
    }

    /// <summary>What the cluster does by itself: the same on every member.</summary>
    private bool CarryOut(GraphAction a)
    {
        var node = a.Node is null ? null : StatusWriter.FindNodeByName(_cib.Status, a.Node);
        string resource = a.Resource?.Id ?? "";
        bool here = a.Node == _options.NodeName;
        switch (a.Task)
        {
            case "cancel":
                string operation = a.Attributes.GetValueOrDefault("CRM_meta_operation", "monitor");
                long interval = long.TryParse(a.Attributes.GetValueOrDefault("CRM_meta_interval"), out long n) ? n
                    : a.IntervalMs;
                if (here)
                {
                    _effects.Add(new CancelOperation(resource, operation, interval));
                }

                string cancelled = $"{resource}_{operation}_{interval.ToString(CultureInfo.InvariantCulture)}";
                VoidRecurring(a.Node ?? "", resource, cancelled);
                Bump(node is not null && StatusWriter.RemoveOperation(node, resource, cancelled));
                return true;
            case "delete" or "lrm_delete":
                if (here)
                {
                    _effects.Add(new CancelAllOperations(resource));
                }

                VoidRecurring(a.Node ?? "", resource, null);
                var history = node is null ? null : StatusWriter.FindResource(node, resource);
                history?.Remove();
                Bump(history is not null);
                return true;
            case "clear_failcount":
                Bump(node is not null
                    && (StatusWriter.ClearFailCounts(node, resource) | StatusWriter.ClearLastFailure(node, resource)));
                return true;
            case "do_shutdown":
                Bump(StatusWriter.ExpectDown(_cib.Status, a.Node ?? ""));
                if (here)
                {
                    Leave("the cluster said so");
                }

                return true;
            default:
                Log(LogTopic.Problem, $"{a.Key} on {a.Node}: this program has no {a.Task}");
                return false;
        }

        void Bump(bool changed)
        {
            if (changed)
            {
                _cib.BumpUpdates();
            }
        }
    }

    private void Execute(ActionMessage m)
    {
        var a = m.Action;
        var r = a.Resource;
        if (r is null)
        {
            Log(LogTopic.Problem, $"{a.Key}: an operation without a resource");
            return;
        }

        if (a.IntervalMs > 0)
        {
            _effects.Add(new CancelOperation(r.Id, a.Task, a.IntervalMs));
            Forget(r.Id, a.Key);
        }
        else if (a.Task is not "monitor" and not "start" and not "notify" and not "reload-agent")
        {
            _effects.Add(new CancelAllOperations(r.Id));
            Forget(r.Id, null);
        }

        long call = ++_callId;
        _executing[call] = (m, _now.Ms);
        var attributes = new Dictionary<string, string>(a.Attributes);
        attributes.TryAdd("crm_feature_set", FeatureSet);
        attributes.TryAdd("CRM_meta_on_node", _options.NodeName);
        attributes.TryAdd("CRM_meta_on_node_uuid", NodeKey(_options.NodeId));
        _effects.Add(new ExecuteOperation(call, new AgentRequest(
            new AgentName(r.Class, r.Provider, r.Type), r.Id, a.Task, a.IntervalMs, a.TimeoutMs, a.TargetRc,
                attributes)));
    }

    private const string FeatureSet = Buoy.Cib.CibDocument.FeatureSet;

    /// <summary>Results of cancelled recurring operations that are still on their way mean nothing.</summary>
    private void Forget(string resource, string? key)
    {
        foreach (long call in _executing.Where(e => e.Value.Order.Action is { IntervalMs: > 0 } a
            && a.Resource!.Id == resource && (key is null || a.Key == key)).Select(e => e.Key).ToList())
        {
            _executing.Remove(call);
        }
    }

    /// <summary>
    /// Recurring operations of a resource (or the one with this key) end with its history: no result is awaited of them
    /// any more, and one that is still on its way is not recorded (<see cref="OnResult"/>). Otherwise it would be all
    /// that is known of the resource there, and stand in the way of the probe that tells the truth.
    /// </summary>
    private void VoidRecurring(string node, string resource, string? key)
    {
        foreach (var f in _inFlight.Values.Where(f => f.Node == node && f.Action.IntervalMs > 0
            && f.Action.Resource?.Id == resource && (key is null || f.Action.Key == key)).ToList())
        {
            _inFlight.Remove(f.TransitionKey);
            _deadlines.Remove(f.TransitionKey);
            if (_dc == _options.NodeId && _run is { } run && MatchesRun(run, f.TransitionKey, out int id))
            {
                run.Drop(id);
            }
        }

        if (node == _options.NodeName)
        {
            Forget(resource, key);
        }
    }

    private void OnOperationEnded(OperationEnded e)
    {
        if (!_executing.TryGetValue(e.CallId, out var order))
        {
            return;
        }

        var a = order.Order.Action;
        if (a.IntervalMs == 0)
        {
            _executing.Remove(e.CallId);
        }

        var r = e.Result;
        Send(new ResultMessage
        {
            Node = _options.NodeName,
            TransitionKey = order.Order.TransitionKey,
            Resource = a.Resource!,
            Task = a.Task,
            Key = a.Key,
            IntervalMs = a.IntervalMs,
            TargetRc = a.TargetRc,
            CallId = e.CallId,
            Rc = r.Rc,
            Status = r.Status,
            ExitReason = StatusWriter.XmlText(r.ExitReason),
            Started = r.Started.ToUnixTimeSeconds(),
            At = WallSeconds,
            ExecMs = r.ExecMs,
            QueueMs = r.QueueMs,
            Digest = order.Order.Digest,
            MigrateSource = a.Attributes.GetValueOrDefault("CRM_meta_migrate_source"),
            MigrateTarget = a.Attributes.GetValueOrDefault("CRM_meta_migrate_target"),
        });
    }

    /// <summary>A node that is here but says nothing of an operation in its time and the cluster delay.</summary>
    private void OnActionTimeout(string transitionKey)
    {
        if (!IsDc || !_inFlight.TryGetValue(transitionKey, out var f))
        {
            return;
        }

        var a = f.Action;
        Log(LogTopic.Problem, $"{a.Key} on {f.Node}: no result in time");
        Send(new ResultMessage
        {
            Node = f.Node,
            TransitionKey = transitionKey,
            Resource = a.Resource!,
            Task = a.Task,
            Key = a.Key,
            IntervalMs = a.IntervalMs,
            TargetRc = a.TargetRc,
            CallId = 0,
            Rc = 1,
            Status = OperationStatus.Timeout,
            ExitReason = "the node gave no result in time",
            Started = WallSeconds,
            At = WallSeconds,
            ExecMs = a.TimeoutMs,
            QueueMs = 0,
            Digest = RecordedDigest.Of(a.Attributes, a.IntervalMs),
        });
    }

    private void OnResult(uint sender, ResultMessage r)
    {
        var node = StatusWriter.FindNodeByName(_cib.Status, r.Node);
        if (node is null)
        {
            return;
        }

        if (r.IntervalMs > 0 && !_inFlight.ContainsKey(r.TransitionKey)
            && !StatusWriter.KnowsTransition(node, r.Resource.Id, r.TransitionKey))
        {
            // Its history was cleaned up, or it was cancelled, before this came in the total order.
            return;
        }

        bool wasExpected = _inFlight.Remove(r.TransitionKey);
        _deadlines.Remove(r.TransitionKey);
        bool failed = StatusWriter.Failed(r);
        bool probe = r.Task == "monitor" && r.IntervalMs == 0;
        NoteRelease(node, r, failed);
        StatusWriter.Record(node, r, "do_update_resource");
        if (failed)
        {
            StatusWriter.CountFailure(node, r, IsTrue(_cib.Option("start-failure-is-fatal"), true));
        }

        _cib.BumpUpdates();
        string text = $"{r.Resource.Id} {r.Task} on {r.Node}: {RcText(r)}"
            + $" ({r.ExecMs} ms{(r.ExitReason.Length > 0 ? ", " + r.ExitReason : "")})";
        Log(failed && !probe ? LogTopic.OperationFailed : LogTopic.Operation, text);
        if (failed && !probe)
        {
            OpenRecord($"{r.Resource.Id} {r.Task} on {r.Node}: {RcText(r)}", _now.ExactMs, tentative: true);
        }
        else if (!probe && r.IntervalMs == 0)
        {
            Step($"{r.Resource.Id} {r.Task} done on {r.Node}");
        }

        bool settled = false;
        if (_dc == _options.NodeId && _run is { } run && MatchesRun(run, r.TransitionKey, out int id))
        {
            settled = failed ? run.Fail(id, $"{r.Key} on {r.Node} gave {r.Rc}") : run.Confirm(id);
            Fire();
        }

        if (failed || !(settled || wasExpected))
        {
            if (failed)
            {
                AbortRun($"{r.Key} on {r.Node} gave {r.Rc}", external: false);
            }

            Changed();
        }
        else if (_dc == _options.NodeId)
        {
            RequestTurn();
        }
    }

    private bool MatchesRun(TransitionRun run, string key, out int id)
    {
        id = -1;
        string[] parts = key.Split(':', 4);
        return parts.Length == 4 && parts[3] == _options.TransitionUuid
            && parts[1] == run.Number.ToString(CultureInfo.InvariantCulture) && int.TryParse(parts[0], out id)
            && run.Waiting.ContainsKey(id);
    }

    /// <summary>The one node that ran it has stopped it: until somebody starts it nobody does.</summary>
    private void NoteRelease(XElement node, ResultMessage r, bool failed)
    {
        string id = r.Resource.Id;
        if (r.Task == "stop" && !failed && _cib.Status.Elements("node_state").Where(n =>
            StatusWriter.RanLast(n, id)).SequenceEqual([node]))
        {
            _released[id] = _now.Ms;
        }
        else if (r.Task == "start")
        {
            _released.Remove(id);
        }
    }

    private static string RcText(ResultMessage r) => r.Status switch
    {
        OperationStatus.Timeout => "timed out",
        OperationStatus.NotInstalled => "not installed",
        _ => r.Rc switch
        {
            0 => "ok",
            1 => "error",
            2 => "invalid parameter",
            3 => "unimplemented",
            4 => "insufficient privileges",
            5 => "not installed",
            6 => "not configured",
            7 => "not running",
            8 => "promoted",
            9 => "failed in promoted role",
            _ => $"status {r.Rc}",
        },
    };
}
