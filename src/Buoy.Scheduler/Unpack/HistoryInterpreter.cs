namespace Buoy.Scheduler;

/// <summary>
/// What a leaf's history on one node means: its role there, failures and what they ask for (SCHEDULER 2.4 to 2.7).
/// </summary>
internal sealed class HistoryInterpreter
{
    private readonly Cluster cluster;
    private readonly ActionFactory actions;
    private readonly Fencing fencing;
    private readonly FailCounts _failCounts;
    private readonly MigrationHistory _migrations;
    private Resource _leaf = null!;
    private Node _node = null!;
    private History _history = null!;
    private OnFail _policy;
    private HistoryEntry? _lastFailure;

    public HistoryInterpreter(
        Cluster cluster, ActionFactory actions, Fencing fencing, Func<string, Node, IReadOnlyList<HistoryEntry>> recorded)
    {
        (this.cluster, this.actions, this.fencing) = (cluster, actions, fencing);
        _failCounts = new FailCounts(cluster);
        _migrations = new MigrationHistory(cluster, actions, recorded, BecomeActive);
    }

    public void Interpret(History history)
    {
        (_history, _leaf, _node) = (history, history.Resource, history.Node);
        _policy = OnFail.Ignore;
        _lastFailure = null;
        ResourceRole before = _leaf.Role;
        _leaf.Role = ResourceRole.Unknown;
        foreach (HistoryEntry entry in history.Entries)
        {
            Apply(entry);
        }

        FindActivity();
        RecordRecurring();
        ApplyPolicy();
        ResourceReader.LimitByTargetRole(_leaf);
        if (before > _leaf.Role)
        {
            _leaf.Role = before;
        }
    }

    /// <summary>The entry tells the state here: no probe is needed. Expired failures and pending probes tell nothing.</summary>
    private void MarkKnown()
    {
        for (Resource? r = _leaf; r is not null; r = r.Parent)
        {
            r.KnownOn.Add(_node);
            if (r.Unique)
            {
                break;
            }
        }
    }

    private void Apply(HistoryEntry entry)
    {
        if (entry.Status is OpStatus.Invalid or OpStatus.Cancelled)
        {
            return;
        }

        if (entry.Status == OpStatus.Pending)
        {
            if (!entry.IsProbe)
            {
                MarkKnown();
            }

            ApplyPending(entry);
            return;
        }

        int rc = entry.Rc switch
        {
            190 => 0,
            191 => 8,
            int other => other,
        };
        if (rc != entry.Rc)
        {
            Record(entry, entry.Status);
        }

        bool expired = Expired(entry, rc);
        if (expired && rc != entry.ExpectedRc && entry.ExpectedRc >= 0 && entry.IntervalMs == 0)
        {
            Judge(entry, rc);
            return;
        }

        MarkKnown();
        if (entry.IsProbe && (rc is 2 or 5 || entry.Status == OpStatus.NotInstalled))
        {
            _leaf.Role = ResourceRole.Stopped;
            _leaf.MaskedProbes[_node] = entry.Status == OpStatus.NotInstalled ? 5 : rc;
            Ban(_node);
            return;
        }

        OpStatus status = Judge(entry, rc);
        if (expired)
        {
            if (rc != entry.ExpectedRc && entry.ExpectedRc >= 0)
            {
                if (entry.IntervalMs > 0)
                {
                    entry.DigestSpoilt = true;
                }

                return;
            }
        }

        if (status == OpStatus.Done)
        {
            ApplySuccess(entry, rc);
            return;
        }

        ApplyFailure(entry, rc, status);
    }

    /// <summary>Done or not, by return code, and the roles that the code itself proves.</summary>
    private OpStatus Judge(HistoryEntry entry, int rc)
    {
        OpStatus status = entry.Status;
        if (status is OpStatus.NoFenceDevice or OpStatus.NoSecrets)
        {
            return OpStatus.HardError;
        }

        if (status is not (OpStatus.Done or OpStatus.Error))
        {
            return status;
        }

        switch (rc)
        {
            case 0:
                return entry.IsProbe || rc == entry.ExpectedRc || entry.ExpectedRc < 0 ? OpStatus.Done : OpStatus.Error;
            case 7:
                if (!entry.IsProbe && rc != entry.ExpectedRc && _leaf.Managed)
                {
                    return OpStatus.Error;
                }

                _leaf.Role = ResourceRole.Stopped;
                _policy = OnFail.Ignore;
                _leaf.NextRole = ResourceRole.Unknown;
                return OpStatus.Done;
            case 8:
                if (rc != entry.ExpectedRc && !entry.IsProbe)
                {
                    _leaf.Role = ResourceRole.Promoted;
                    return OpStatus.Error;
                }

                _leaf.Role = ResourceRole.Promoted;
                return OpStatus.Done;
            case 9:
                _leaf.Role = ResourceRole.Promoted;
                return OpStatus.Error;
        }

        if (rc == entry.ExpectedRc)
        {
            return OpStatus.Done;
        }

        switch (rc)
        {
            case 6:
                return OpStatus.FatalError;
            case 3 when entry.IntervalMs > 0:
                return OpStatus.NotSupported;
            case 2 or 3 or 4 or 5:
                BlockIfUnrecoverable(entry);
                return OpStatus.HardError;
            default:
                return OpStatus.Error;
        }
    }

    private void BlockIfUnrecoverable(HistoryEntry entry)
    {
        if (entry.Task == "stop" && !fencing.CanFence(_node))
        {
            _leaf.Managed = false;
            _leaf.Blocked = true;
        }
    }

    /// <summary>Whether the result is a failure that counts no longer (SCHEDULER 2.5).</summary>
    private bool Expired(HistoryEntry entry, int rc)
    {
        if (entry.Id.EndsWith("_last_failure_0", StringComparison.Ordinal) && entry.Digest is not null
            && (entry.IntervalMs > 0 || entry.Task is "start" or "monitor" or "promote" or "migrate_from")
            && DigestComparer.Compare(cluster, _leaf, _node, entry) != DigestVerdict.Same)
        {
            actions.ClearFailCount(_leaf, _node, "resource parameters have changed");
        }

        bool neverExpires = entry.IsProbe && entry.Rc is 0 or 7 or 8 or 190 or 191;
        if (_leaf.FailureTimeout <= 0 || entry.LastRcChange <= 0 || _failCounts.BlocksExpiry(_leaf, entry.Task, entry.IntervalMs))
        {
            return false;
        }

        bool over = false;
        if (cluster.Now.ToUnixTimeSeconds() >= entry.LastRcChange + _leaf.FailureTimeout)
        {
            (int count, _) = _failCounts.Get(_leaf, _node, effective: false);
            (int effective, _) = _failCounts.Get(_leaf, _node, effective: true);
            over = effective == 0;
            if (over && count > 0)
            {
                actions.ClearFailCount(_leaf, _node, "it expired");
            }
        }
        else if (rc != entry.ExpectedRc && !neverExpires)
        {
            cluster.RecheckAt(DateTimeOffset.FromUnixTimeSeconds(entry.LastRcChange + _leaf.FailureTimeout));
        }

        return over && !neverExpires;
    }

    private void ApplyPending(HistoryEntry entry)
    {
        switch (entry.Task)
        {
            case "start":
                _leaf.StartPending = true;
                SetActive();
                break;
            case "promote":
                _leaf.Role = ResourceRole.Promoted;
                break;
            case "migrate_to":
                _migrations.ToPending(_history, entry);
                break;
        }

        if (_leaf.PendingTask is null && !entry.IsProbe)
        {
            _leaf.PendingTask = entry.Task;
            _leaf.PendingNode = _node;
        }
    }

    private void ApplySuccess(HistoryEntry entry, int rc)
    {
        bool wipe = true;
        switch (entry.Task)
        {
            case "start":
                _leaf.Role = ResourceRole.Started;
                break;
            case "stop":
                _leaf.Role = ResourceRole.Stopped;
                break;
            case "promote":
                _leaf.Role = ResourceRole.Promoted;
                break;
            case "demote":
                wipe = _policy == OnFail.Demote;
                _leaf.Role = ResourceRole.Unpromoted;
                break;
            case "migrate_from":
                _leaf.Role = ResourceRole.Started;
                break;
            case "migrate_to":
                wipe = false;
                if (_migrations.ToSucceeded(_history, entry))
                {
                    SetActive();
                }
                else
                {
                    _leaf.Role = ResourceRole.Stopped;
                }

                break;
            default:
                wipe = rc == 7 || _lastFailure?.Key == entry.Key;
                if (rc == 7 && entry.Status == OpStatus.Done)
                {
                    _leaf.Role = ResourceRole.Stopped;
                }
                else if (rc == 7)
                {
                    wipe = _lastFailure?.Key == entry.Key;
                }
                else if (_leaf.Role < ResourceRole.Started)
                {
                    SetActive();
                }

                break;
        }

        if (wipe && _policy is OnFail.Ignore or OnFail.Demote or OnFail.Restart or OnFail.Block or OnFail.RestartContainer
            or OnFail.ResetRemote)
        {
            _policy = OnFail.Ignore;
            _leaf.NextRole = ResourceRole.Unknown;
        }
    }

    private void ApplyFailure(HistoryEntry entry, int rc, OpStatus status)
    {
        OnFail asked = OnFailPolicy.Of(cluster, _leaf, entry.Task, entry.IntervalMs);
        if (asked == OnFail.Ignore)
        {
            Record(entry, status);
            ApplySuccess(entry, entry.ExpectedRc);
            _leaf.FailureIgnored = true;
            return;
        }

        _lastFailure = entry;
        Record(entry, status);
        if (asked > _policy)
        {
            _policy = asked;
        }

        switch (entry.Task)
        {
            case "stop":
                _leaf.Scores.Add(_node, -Score.Infinity);
                break;
            case "migrate_to":
                _migrations.ToFailed(_history, entry);
                break;
            case "migrate_from":
                _migrations.FromFailed(_history, entry);
                break;
            case "promote":
                _leaf.Role = ResourceRole.Promoted;
                break;
            case "demote":
                if (asked == OnFail.Block)
                {
                    _leaf.Role = ResourceRole.Promoted;
                    _leaf.NextRole = ResourceRole.Stopped;
                }
                else
                {
                    _leaf.Role = rc == 7 ? ResourceRole.Stopped : ResourceRole.Unpromoted;
                }

                break;
        }

        if (_leaf.Role < ResourceRole.Started && !(entry.Task == "demote" && rc == 7))
        {
            SetActive();
        }

        if (asked == OnFail.Stop)
        {
            _leaf.NextRole = ResourceRole.Stopped;
            BanEverywhere();
        }
        else if (entry.Task == "promote" && _leaf.NextRole is ResourceRole.Unknown or ResourceRole.Promoted)
        {
            _leaf.NextRole = ResourceRole.Unpromoted;
        }

        switch (status)
        {
            case OpStatus.HardError or OpStatus.NotInstalled:
                Ban(_node);
                break;
            case OpStatus.FatalError:
                BanEverywhere();
                break;
        }
    }

    private void SetActive() =>
        _leaf.Role = _leaf.IsPromotable ? ResourceRole.Unpromoted : ResourceRole.Started;

    private Resource BanTarget => _leaf.IsInClone && !_leaf.IsLeafOfUnique ? _leaf.Top : _leaf;

    private void Ban(Node node)
    {
        foreach (Resource r in WithInstances(BanTarget))
        {
            r.Scores.Add(node, -Score.Infinity);
        }
    }

    private void BanEverywhere()
    {
        foreach (Node node in cluster.Nodes)
        {
            Ban(node);
        }
    }

    private static IEnumerable<Resource> WithInstances(Resource r) => r.Kind == ResourceKind.Clone
        ? r.Children.SelectMany(WithInstances).Prepend(r)
        : r.Kind == ResourceKind.Group ? [r, r.Children[0]] : [r];

    private void Record(HistoryEntry entry, OpStatus status) =>
        cluster.Failures.Add(new FailureRecord(_leaf, _node, entry, status));

    /// <summary>Start and stop index (SCHEDULER 2.7).</summary>
    private void FindActivity()
    {
        int start = -1, stop = -1, promoted = -1, monitored = -1;
        for (int i = 0; i < _history.Entries.Count; i++)
        {
            HistoryEntry e = _history.Entries[i];
            if (e.Task == "stop" && e.Status == OpStatus.Done)
            {
                stop = i;
            }
            else if (e.Task is "start" or "migrate_from")
            {
                start = i;
            }
            else if (start <= stop && e.Task == "monitor")
            {
                if (e.Rc is 0 or 8)
                {
                    monitored = i;
                }
            }
            else if (e.Task is "promote" or "demote")
            {
                promoted = i;
            }
        }

        if (start == -1)
        {
            start = promoted != -1 ? promoted : monitored;
        }

        (_history.StartIndex, _history.StopIndex) = (start, stop);
    }

    /// <summary>Recurring operations that run here become known, still optional actions.</summary>
    private void RecordRecurring()
    {
        if (!_node.Online)
        {
            return;
        }

        for (int i = 0; i < _history.Entries.Count; i++)
        {
            HistoryEntry e = _history.Entries[i];
            if ((_history.StartIndex < _history.StopIndex && _leaf.Managed) || i < _history.StartIndex
                || e.IntervalMs == 0 || e.Status == OpStatus.Pending)
            {
                continue;
            }

            actions.Plan(_leaf, e.Task, _node, optional: true, e.IntervalMs);
        }
    }

    private void ApplyPolicy()
    {
        bool active = _leaf.Role > ResourceRole.Stopped;
        if (active && !_node.Online && !_node.Maintenance && _leaf.Managed && cluster.FencingOn
            && _node.Kind == NodeKind.Cluster)
        {
            fencing.FenceNode(_node, $"{_leaf.Id} is thought to be active there");
        }

        OnFail policy = _node.Unclean ? OnFail.Ignore : _policy;
        switch (policy)
        {
            case OnFail.Demote:
                _leaf.Failed = _leaf.FailedByDemote = true;
                actions.Plan(_leaf, "demote", _node, optional: false);
                break;
            case OnFail.Fence:
                fencing.FenceNode(_node, $"{_leaf.Id} failed there");
                break;
            case OnFail.Standby:
                _node.Standby = true;
                _node.StandbyOnFail = true;
                break;
            case OnFail.Block:
                _leaf.Managed = false;
                _leaf.Blocked = true;
                break;
            case OnFail.Ban:
                Ban(_node);
                break;
            case OnFail.Stop:
                _leaf.NextRole = ResourceRole.Stopped;
                break;
            case OnFail.Restart or OnFail.ResetRemote or OnFail.RestartContainer when active:
                _leaf.Failed = true;
                actions.Plan(_leaf, "stop", _node, optional: false);
                break;
        }

        if (active && policy != OnFail.Ignore)
        {
            _leaf.Failed = true;
        }

        if (active)
        {
            BecomeActive(_leaf, _node);
            return;
        }

        if (_leaf.HistoryId?.Contains(':', StringComparison.Ordinal) == true)
        {
            _leaf.HistoryId = null;
        }

        foreach (PlannedAction stop in _leaf.Actions.Where(a => a.Task == "stop" && a.Node == _node))
        {
            stop.Optional = true;
        }
    }

    private void BecomeActive(Resource leaf, Node node)
    {
        if (leaf.ActiveOn.Contains(node))
        {
            return;
        }

        leaf.ActiveOn.Add(node);
        node.Active.Add(leaf);
        if (node.Maintenance)
        {
            leaf.Managed = false;
            leaf.Maintenance = true;
        }

        if (!leaf.Managed)
        {
            leaf.Scores.Add(node, Score.Infinity);
            return;
        }

        int count = leaf.Requires < Requirement.Fencing
            ? leaf.ActiveOn.Count(n => n.Online && !n.Unclean)
            : leaf.ActiveOn.Count;
        if (count > 1)
        {
            ApplyMultipleActive(leaf);
        }
    }

    private void ApplyMultipleActive(Resource leaf)
    {
        switch (leaf.MultipleActive)
        {
            case MultipleActive.StopOnly:
                foreach (Node node in cluster.Nodes)
                {
                    leaf.Scores[node] = -Score.Infinity;
                }

                break;
            case MultipleActive.Block:
                leaf.Managed = false;
                leaf.Blocked = true;
                if (leaf.InGroup && leaf.Parent!.Meta.GetValueOrDefault("multiple-active") == "block")
                {
                    foreach (Resource member in leaf.Parent.Children)
                    {
                        member.Managed = false;
                        member.Blocked = true;
                    }
                }

                break;
        }
    }
}
