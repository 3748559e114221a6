using System.Globalization;
using System.Text.Json;
using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Control;
using Buoy.Membership;

namespace Buoy.Cluster.Controller;

// What local tools ask, and the record of failovers.
public sealed partial class ClusterController
{
    private const string WaitersDeadline = "waiters";
    private const int MaxRecords = 64;
    private const int MaxSteps = 64;
    private readonly List<(long RequestId, long DueMs)> _waiters = [];
    private readonly List<FailoverRecord> _records = [];
    private OpenedRecord? _open;

    private sealed record OpenedRecord(DateTimeOffset At, string Cause, double FirstSignMs, bool Tentative)
    {
        public List<FailoverStep> Steps { get; } = [];
        public bool Scheduled { get; set; }
    }

    private void OnControl(long id, ControlRequest r)
    {
        switch (r.Command)
        {
            case ControlCommand.CibQuery:
                Answer(_cib.Root.ToString());
                break;
            case ControlCommand.CibApply:
                AskApply(id, r);
                break;
            case ControlCommand.Cleanup:
                AskCleanup(id, r);
                break;
            case ControlCommand.WaitIdle:
                AskIdle(id, r);
                break;
            case ControlCommand.History:
                Answer(JsonSerializer.Serialize(_records, ControlJson.Default.ListFailoverRecord));
                break;
            case ControlCommand.Explain:
                AskExplain(id, r);
                break;
            case ControlCommand.Shutdown:
                OnShutdown(id);
                break;
            default:
                Refuse(id, ControlStatus.Usage, $"unknown command '{r.Command}'");
                break;
        }

        void Answer(string text) => _effects.Add(new AnswerControl(id, new ControlResponse(ControlStatus.Ok, text)));
    }

    private void Refuse(long id, int status, string text) =>
        _effects.Add(new AnswerControl(id, new ControlResponse(status, "", text)));

    private void AskApply(long id, ControlRequest r)
    {
        List<CibOperation>? operations = null;
        string reason = "the body is missing";
        try
        {
            operations = r.Body is null ? null : JsonSerializer.Deserialize(r.Body, CibJson.Default.ListCibOperation);
        }
        catch (JsonException e)
        {
            reason = e.Message;
        }

        if (operations is null || operations.Contains(null!))
        {
            Refuse(id, ControlStatus.Usage, $"cib-apply expects a list of CIB operations as JSON: {reason}");
            return;
        }

        Send(new ApplyMessage(_options.NodeId, id, operations, r.Arguments.GetValueOrDefault("expect"),
            StatusWriter.XmlText(r.Arguments.GetValueOrDefault("client", "buoy")),
            StatusWriter.XmlText(r.Arguments.GetValueOrDefault("user", "root")), WallSeconds));
    }

    private void AskCleanup(long id, ControlRequest r)
    {
        string? resource = r.Arguments.GetValueOrDefault("resource");
        string? node = r.Arguments.GetValueOrDefault("node");
        if (node is not null && StatusWriter.FindNodeByName(_cib.Status, node) is null)
        {
            Refuse(id, ControlStatus.NoSuchObject, $"there is no node '{node}'");
            return;
        }

        if (resource is not null && _cib.Status.Descendants("lrm_resource").All(x =>
            !BelongsTo((string)x.Attribute("id")!, resource))
            && _cib.Configuration.Element("resources")!.Descendants().All(x => (string?)x.Attribute("id") != resource))
        {
            Refuse(id, ControlStatus.NoSuchObject, $"there is no resource '{resource}'");
            return;
        }

        Send(new CleanupMessage(_options.NodeId, id, resource, node));
    }

    private void AskIdle(long id, ControlRequest r)
    {
        const double DefaultSeconds = 60;
        string? text = r.Arguments.GetValueOrDefault("timeout");
        double seconds = DefaultSeconds;
        if (text is not null && (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out seconds)
            || seconds is < 0 or > 1_000_000 || double.IsNaN(seconds)))
        {
            Refuse(id, ControlStatus.Usage, $"timeout is '{text}', expected seconds");
            return;
        }

        if (Idle)
        {
            _effects.Add(new AnswerControl(id, new ControlResponse(ControlStatus.Ok)));
            return;
        }

        _waiters.Add((id, _now.Ms + (long)(seconds * 1000)));
        SetDeadline(WaitersDeadline, _waiters.Min(w => w.DueMs));
    }

    private void AnswerWaiters()
    {
        foreach (var (request, _) in _waiters)
        {
            _effects.Add(new AnswerControl(request, new ControlResponse(ControlStatus.Ok)));
        }

        _waiters.Clear();
        _deadlines.Remove(WaitersDeadline);
    }

    private void OnWaitersDeadline()
    {
        foreach (var (request, _) in _waiters.Where(w => w.DueMs <= _now.Ms))
        {
            Refuse(request, ControlStatus.Timeout, "the cluster was not idle in time");
        }

        _waiters.RemoveAll(w => w.DueMs <= _now.Ms);
        if (_waiters.Count > 0)
        {
            SetDeadline(WaitersDeadline, _waiters.Min(w => w.DueMs));
        }
    }

    private void AskExplain(long id, ControlRequest r)
    {
        if (r.Arguments.GetValueOrDefault("resource") is not { Length: > 0 } resource)
        {
            Refuse(id, ControlStatus.Usage, "explain expects the argument resource");
        }
        else
        {
            Explain(id, resource);
        }
    }

    private void Explain(long id, string resource)
    {
        string? text;
        try
        {
            text = _options.Scheduler.Explain(_cib.Root, _now.Wall, resource);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // A question must not end the node that serves.
            Log(LogTopic.Problem, $"the scheduler could not explain {resource}: {e}");
            Refuse(id, ControlStatus.Error, $"a fault of this program: {e.Message}");
            return;
        }

        if (text is null)
        {
            Refuse(id, ControlStatus.NoSuchObject, $"there is no resource '{resource}'");
        }
        else
        {
            _effects.Add(new AnswerControl(id, new ControlResponse(ControlStatus.Ok, text)));
        }
    }

    // One record per failover: opened by its first sign, closed when the cluster is idle again.
    private void OpenRecord(ClusterView view)
    {
        if (view.Left.Count == 0 || _view is null)
        {
            return;
        }

        var causes = view.Left.Select(id =>
        {
            var node = StatusWriter.FindNode(_cib.Status, NodeKey(id));
            bool told = (string?)node?.Attribute("expected") == "down";
            return $"{(string?)node?.Attribute("uname") ?? NodeKey(id)} {(told ? "left" : "was lost")}";
        });
        OpenRecord(string.Join(", ", causes), view.FirstSign, tentative: false);
        Step("view installed");
    }

    /// <param name="cause">What happened.</param>
    /// <param name="firstSignMs">Monotonic ms of its first sign.</param>
    /// <param name="tentative">Forgotten again where nothing had to be done.</param>
    private void OpenRecord(string cause, double firstSignMs, bool tentative)
    {
        if (_open is { Tentative: false } || (_open is not null && tentative))
        {
            Step(cause);
            return;
        }

        _open = new OpenedRecord(_now.Wall - TimeSpan.FromMilliseconds(Math.Max(0, _now.ExactMs - firstSignMs)), cause,
            firstSignMs, tentative);
    }

    private void Step(string what)
    {
        if (_open is null || _open.Steps.Count >= MaxSteps || (what == "scheduled" && _open.Scheduled))
        {
            return;
        }

        _open.Scheduled |= what == "scheduled";
        _open.Steps.Add(new FailoverStep(what, Math.Round(Math.Max(0, _now.ExactMs - _open.FirstSignMs), 1)));
    }

    private void CloseRecord()
    {
        if (_open is { } o && (!o.Tentative || o.Scheduled))
        {
            Step("idle");
            _records.Add(new FailoverRecord { At = o.At, Cause = o.Cause, Steps = o.Steps });
            if (_records.Count > MaxRecords)
            {
                _records.RemoveAt(0);
            }
        }

        _open = null;
    }
}
