using System.Globalization;
using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Control;

namespace Buoy.Cluster.Controller;

// Step 2: changes of the CIB are messages; every member applies the same ones in the same order.
public sealed partial class ClusterController
{
    private const string EscalationDeadline = "shutdown-escalation";
    private readonly List<(long Sequence, long RequestId)> _unwritten = [];
    private long _persistSequence;
    private bool _shuttingDown;
    private long? _shutdownRequest;

    private void OnApply(ApplyMessage a)
    {
        bool mine = a.Origin == _options.NodeId;
        if (a.Expect is not null && a.Expect != $"{_cib.Version.AdminEpoch}.{_cib.Version.Epoch}")
        {
            Refuse(ControlStatus.OldData,
                $"the CIB is at {_cib.Version.AdminEpoch}.{_cib.Version.Epoch}, not at {a.Expect}: "
                + "someone else changed it meanwhile");
            return;
        }

        XElement next;
        try
        {
            next = _options.Editor(new XElement(_cib.Root), a.Operations);
            var problems = _options.Scheduler.UnsupportedFeatures(next);
            if (problems.Count > 0)
            {
                Refuse(ControlStatus.NotSupported, string.Join('\n', problems));
                return;
            }
        }
        catch (CibException e)
        {
            Refuse(e.Status, e.Message);
            return;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Every member applies this message: a fault that one edit trips would end the whole cluster at once.
            Log(LogTopic.Problem, $"a change of {a.User} with {a.Client} tripped a fault of the editor: {e}");
            Refuse(ControlStatus.Error, $"not applied, for a fault of this program: {e.Message}");
            return;
        }

        bool whole = a.Operations.Any(o => o.Section is null && o.XPath is null
            && o.Kind is CibOperationKind.Replace or CibOperationKind.Erase);
        next = Settle(next, whole);
        bool configuration = !XNode.DeepEquals(_cib.Configuration, next.Element("configuration"))
            || (string?)next.Attribute("validate-with") != (string?)_cib.Root.Attribute("validate-with");
        bool any = configuration || !XNode.DeepEquals(_cib.Root, next);
        if (any)
        {
            _cib.Replace(next);
        }

        if (!configuration)
        {
            if (any)
            {
                _cib.BumpUpdates();
                Changed();
            }

            Answer(new ControlResponse(ControlStatus.Ok));
            return;
        }

        if (_established)
        {
            // A configuration put in place of ours may know nothing of the nodes that are here.
            EnsureBootstrapOptions();
        }

        _cib.BumpEpoch(a.At, NameOf(a.Origin), a.Client, a.User);
        Log(LogTopic.Configuration, $"CIB {_cib.Version}: changed by {a.User} with {a.Client} on {NameOf(a.Origin)}");
        long sequence = Persist();
        if (mine)
        {
            _unwritten.Add((sequence, a.RequestId));
        }

        OpenRecord($"configuration changed by {a.Client} on {NameOf(a.Origin)}", _now.ExactMs, tentative: true);
        AbortRun("the configuration changed");
        Changed();

        void Refuse(int status, string text) => Answer(new ControlResponse(status, "", text));

        void Answer(ControlResponse r)
        {
            if (mine)
            {
                _effects.Add(new AnswerControl(a.RequestId, r));
            }
        }
    }

    /// <summary>
    /// Versions are the cluster's to write: those of the edit are put back, but a higher admin_epoch is meant. The live
    /// status
    /// stays where a whole CIB was put in its place.
    /// </summary>
    private XElement Settle(XElement next, bool whole)
    {
        foreach (string name in (string[])["epoch", "num_updates", "cib-last-written", "update-origin", "update-client",
            "update-user", "have-quorum", "dc-uuid"])
        {
            next.SetAttributeValue(name, (string?)_cib.Root.Attribute(name));
        }

        if (!long.TryParse((string?)next.Attribute("admin_epoch"), out long admin) || admin < _cib.Version.AdminEpoch)
        {
            next.SetAttributeValue("admin_epoch", _cib.Version.AdminEpoch.ToString(CultureInfo.InvariantCulture));
        }

        if (whole || next.Element("status") is null)
        {
            next.Element("status")?.Remove();
            next.Add(new XElement(_cib.Status));
        }

        return next;
    }

    private long Persist()
    {
        _effects.Add(new PersistCib(++_persistSequence, _cib.Persistent()));
        return _persistSequence;
    }

    private void OnPersisted(CibPersisted p)
    {
        if (p.Error is not null)
        {
            Log(LogTopic.Problem, $"the CIB could not be written: {p.Error}");
        }

        foreach (var (_, request) in _unwritten.Where(u => u.Sequence <= p.Sequence))
        {
            _effects.Add(new AnswerControl(request, p.Error is null
                ? new ControlResponse(ControlStatus.Ok)
                : new ControlResponse(ControlStatus.Error, "", $"applied, but not written to disk: {p.Error}")));
        }

        _unwritten.RemoveAll(u => u.Sequence <= p.Sequence);
    }

    private void OnCleanup(CleanupMessage c)
    {
        bool changed = false;
        foreach (var node in _cib.Status.Elements("node_state"))
        {
            string uname = (string?)node.Attribute("uname") ?? "";
            if (c.Node is not null && c.Node != uname)
            {
                continue;
            }

            bool here = IsMember(uname);
            var ids = (node.Element("lrm")?.Element("lrm_resources")?.Elements("lrm_resource") ?? [])
                .Select(r => (string)r.Attribute("id")!)
                .Concat(FailedResources(node))
                .Where(id => c.Resource is null || BelongsTo(id, c.Resource)).Distinct().ToList();
            foreach (string id in ids)
            {
                changed |= StatusWriter.ClearFailCounts(node, id);
                // Of a node that is not here the history cannot be probed anew: it stays.
                if (here && StatusWriter.FindResource(node, id) is { } history)
                {
                    history.Remove();
                    changed = true;
                    VoidRecurring(uname, id, null);
                    if (uname == _options.NodeName)
                    {
                        _effects.Add(new CancelAllOperations(id));
                    }
                }
            }
        }

        if (changed)
        {
            _cib.BumpUpdates();
            AbortRun("a clean-up");
            Changed();
        }

        if (c.Origin == _options.NodeId)
        {
            _effects.Add(new AnswerControl(c.RequestId, new ControlResponse(ControlStatus.Ok)));
        }
    }

    private static IEnumerable<string> FailedResources(XElement node) =>
        (node.Element("transient_attributes")?.Element("instance_attributes")?.Elements("nvpair") ?? [])
        .Select(p => (string?)p.Attribute("name") ?? "")
        .Where(n => n.StartsWith("fail-count-", StringComparison.Ordinal))
        .Select(n => n["fail-count-".Length..].Split('#')[0]);

    /// <summary>Whether a history id is that resource, an instance of it, or something inside it.</summary>
    private bool BelongsTo(string id, string resource)
    {
        string plain = id.Split(':')[0];
        if (id == resource || plain == resource)
        {
            return true;
        }

        var outer = _cib.Configuration.Element("resources")!.Descendants()
            .FirstOrDefault(r => (string?)r.Attribute("id") == resource);
        return outer is not null && outer.Name.LocalName is "group" or "clone" or "master" or "bundle"
            && outer!.Descendants("primitive").Any(p => (string?)p.Attribute("id") == plain);
    }

    private void OnShutdown(long? request)
    {
        if (request is not null)
        {
            _shutdownRequest ??= request;
        }

        if (_shuttingDown)
        {
            return;
        }

        _shuttingDown = true;
        Log(LogTopic.Shutdown, "stopping: resources are stopped or moved first");
        if (!_established)
        {
            // Nothing was ever started here.
            Leave("not yet part of a cluster that schedules");
            return;
        }

        SetDeadline(EscalationDeadline, _now.Ms + Duration("shutdown-escalation", _options.ShutdownEscalationMs));
        Send(new ShutdownMessage(_options.NodeId, WallSeconds));
    }

    /// <summary>A new view may have lost the wish: say it again.</summary>
    private void ResumeShutdown()
    {
        if (_shuttingDown)
        {
            Send(new ShutdownMessage(_options.NodeId, WallSeconds));
        }
    }

    private void OnShutdownMessage(ShutdownMessage s)
    {
        var node = StatusWriter.FindNode(_cib.Status, NodeKey(s.NodeId));
        if (node is null || StatusWriter.Attribute(node, "shutdown") is not null)
        {
            return;
        }

        StatusWriter.Attribute(node, "shutdown", s.At.ToString(CultureInfo.InvariantCulture));
        _cib.BumpUpdates();
        OpenRecord($"{NameOf(s.NodeId)} asked to stop", _now.ExactMs, tentative: true);
        AbortRun($"{NameOf(s.NodeId)} wants to stop");
        Changed();
    }

    private void OnShutdownEscalation()
    {
        Log(LogTopic.Problem, "the orderly stop took too long: leaving with what is left");
        Leave("shutdown escalation");
    }

    private void Leave(string why)
    {
        Log(LogTopic.Shutdown, $"leaving the cluster: {why}");
        if (_shutdownRequest is { } request)
        {
            _effects.Add(new AnswerControl(request, new ControlResponse(ControlStatus.Ok)));
            _shutdownRequest = null;
        }

        _effects.Add(new LeaveAndExit(0));
    }
}
