using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Buoy.Cib;

namespace Buoy.Cluster.Controller;

// Step 1: after each view all members agree on one CIB, and write the same node states into it.
public sealed partial class ClusterController
{
    private const string StartupDeadline = "startup";
    private const int CibPartChars = 200_000;
    private const int MaxCibParts = 1000;

    /// <summary>The exchange of one view, from its installation until all hold the same CIB.</summary>
    private sealed class Exchange
    {
        public SortedDictionary<uint, StateMessage> States { get; } = [];
        public bool Sent { get; set; }
        public StringBuilder Text { get; } = new();
        public int NextPart { get; set; }
        public XElement? Received { get; set; }
    }

    private Exchange? _sync;

    /// <summary>What the DC said when the view was agreed on: members use its words where theirs could
    /// differ.</summary>
    private StateMessage? _dcState;
    private bool _resyncing;
    private StringBuilder? _resyncText;
    private List<(uint Sender, ClusterMessage Message)> _queue = [];

    private void OnView(ViewInstalled e)
    {
        // What waited for an exchange that never ended is applied to what this node has; the next exchange levels the
        // rest.
        DrainQueue();
        _resyncing = false;
        var view = e.View;
        foreach (uint gone in _names.Keys.Where(id => view.Members.All(m => m.NodeId != id)).ToList())
        {
            OnNodeLost(gone);
        }

        OpenRecord(view);
        AbortRun("a new view");
        // What of it runs is known from the states; what was not yet delivered is void.
        _run = null;
        _view = view;
        _quorate = view.Quorate;
        _expectedVotes = e.ExpectedVotes;
        _applied = 0;
        _idle = false;
        _sync = new Exchange();
        var own = StatusWriter.FindNode(_cib.Status, NodeKey(_options.NodeId));
        Send(new StateMessage
        {
            RingSeq = view.RingId.Seq,
            RingRep = view.RingId.Rep,
            Name = _options.NodeName,
            FeatureSet = CibDocument.FeatureSet,
            Version = _cib.Version,
            Digest = _cib.Digest(),
            Quorate = view.Quorate,
            ExpectedVotes = e.ExpectedVotes,
            Configured = [.. _options.ConfiguredNodes],
            Established = _established,
            NodeState = own?.ToString(SaveOptions.DisableFormatting),
            InFlight = [.. _inFlight.Values.Where(f => f.Node == _options.NodeName)],
            At = WallSeconds,
            DcVersion = _options.DcVersion,
            ClusterName = _options.ClusterName,
        });
    }

    private void DrainQueue()
    {
        var queue = _queue;
        _queue = [];
        foreach (var (sender, m) in queue)
        {
            Process(sender, m);
        }
    }

    private bool ForThisView(ulong seq, uint rep) => _view is { } v && v.RingId.Seq == seq && v.RingId.Rep == rep;

    private void OnState(uint sender, StateMessage s)
    {
        if (_sync is null || !ForThisView(s.RingSeq, s.RingRep) || _view!.Members.All(m => m.NodeId != sender))
        {
            return;
        }

        _sync.States[sender] = s;
        TryCompleteSync();
    }

    private void OnCib(uint sender, CibMessage c)
    {
        if (c.For is { } asked)
        {
            if (asked == _options.NodeId && _resyncing && sender == _dc)
            {
                _resyncText ??= new StringBuilder();
                _resyncText.Append(c.Text);
                if (c.Part == c.Parts - 1 && ReadCib(_resyncText.ToString()) is { } whole)
                {
                    _cib.Replace(whole);
                    _resyncing = false;
                    _resyncText = null;
                    Persist();
                    DrainQueue();
                }
            }

            return;
        }

        if (_sync is null || !ForThisView(c.RingSeq, c.RingRep) || c.Part != _sync.NextPart || c.Parts > MaxCibParts)
        {
            return;
        }

        _sync.Text.Append(c.Text);
        _sync.NextPart++;
        if (_sync.NextPart == c.Parts)
        {
            _sync.Received = ReadCib(_sync.Text.ToString());
            TryCompleteSync();
        }
    }

    private XElement? ReadCib(string text)
    {
        try
        {
            var root = XElement.Parse(text);
            return root.Name == "cib" ? root : throw new XmlException("the root is not <cib>");
        }
        catch (XmlException e)
        {
            Dropped++;
            Log(LogTopic.MessageDropped, $"the whole CIB of another node cannot be read: {e.Message}");
            return null;
        }
    }

    private void TryCompleteSync()
    {
        var x = _sync!;
        if (_view!.Members.Any(m => !x.States.ContainsKey(m.NodeId)))
        {
            return;
        }

        var best = x.States.OrderByDescending(s => s.Value.Version).ThenByDescending(s => s.Value.Established)
            .ThenBy(s => s.Key).First();
        bool differ = x.States.Values.Any(s => s.Digest != best.Value.Digest);
        if (differ && best.Key == _options.NodeId && !x.Sent)
        {
            x.Sent = true;
            SendCib(_cib.Root, null);
        }

        bool changed = false;
        if (x.States[_options.NodeId].Digest != best.Value.Digest)
        {
            if (x.Received is null)
            {
                return;
            }

            changed = !XNode.DeepEquals(_cib.Configuration, x.Received.Element("configuration"));
            _cib.Replace(x.Received);
            Log(LogTopic.Configuration, $"took CIB {_cib.Version} of {best.Value.Name}");
        }

        CompleteSync(x, changed);
    }

    private void SendCib(XElement root, uint? to)
    {
        string text = root.ToString(SaveOptions.DisableFormatting);
        int parts = Math.Max(1, (text.Length + CibPartChars - 1) / CibPartChars);
        for (int i = 0; i < parts; i++)
        {
            int from = i * CibPartChars;
            Send(new CibMessage(_view!.RingId.Seq, _view.RingId.Rep, to, i, parts,
                text.Substring(from, Math.Min(CibPartChars, text.Length - from))));
        }
    }

    private void CompleteSync(Exchange x, bool configurationChanged)
    {
        var view = _view!;
        _names.Clear();
        foreach (var (id, s) in x.States)
        {
            _names[id] = s.Name;
        }

        uint dc = view.Members.OrderBy(m => m.Joined).ThenBy(m => m.NodeId).First().NodeId;
        _dc = dc;

        // Each node knows best what it is running; the others' knowledge may stem from another partition.
        _inFlight.Clear();
        foreach (var f in x.States.Values.SelectMany(s => s.InFlight))
        {
            _inFlight[f.TransitionKey] = f;
        }

        bool wasEstablished = _established;
        _established |= x.States.Values.Any(s => s.Established);
        var dcState = x.States[dc];
        _dcState = dcState;
        Integrate(x, dcState);
        if (!_established && AllKnownHere(dcState))
        {
            _established = true;
        }

        if (_established)
        {
            _deadlines.Remove(StartupDeadline);
            configurationChanged |= WriteBootstrapOptions(dcState.At);
        }
        else
        {
            SetDeadline(StartupDeadline, Math.Max(_now.Ms, _firstEvent!.Value + StartupWindow()));
        }

        string waiting = !_established ? ", waiting for others" : wasEstablished ? "" : ", all known nodes are here";
        string quorum = dcState.Quorate ? "quorum" : "no quorum";
        Log(LogTopic.Membership, $"view {view.RingId}: {string.Join(' ', _names.Values)}, DC {NameOf(_dc)}, {quorum}, "
            + $"CIB {_cib.Version}{waiting}");
        _sync = null;
        if (configurationChanged)
        {
            Persist();
        }

        ResumeInFlight();
        ResumeShutdown();
        Changed();
        DrainQueue();
        if (IsDc && _quorate != dcState.Quorate)
        {
            Send(new QuorumMessage(_quorate));
        }
    }

    private long StartupWindow() => Duration("dc-deadtime", _options.StartupWindowMs);

    /// <summary>Node states, each node's own history, DC and quorum: the same on every member.</summary>
    private void Integrate(Exchange x, StateMessage dcState)
    {
        bool changed = false;
        var status = _cib.Status;
        foreach (var (id, s) in x.States)
        {
            string key = NodeKey(id);
            changed |= StatusWriter.Member(status, key, s.Name);
            var node = StatusWriter.FindNode(status, key)!;
            changed |= StatusWriter.Adopt(node, s.NodeState is null ? null : ReadCibPart(s.NodeState));
            changed |= StatusWriter.Attribute(node, StatusWriter.FeatureSetAttribute, s.FeatureSet);
        }

        foreach (var node in status.Elements("node_state").ToList())
        {
            if (!uint.TryParse((string?)node.Attribute("id"), out uint id) || !x.States.ContainsKey(id))
            {
                changed |= StatusWriter.Gone(node);
            }
        }

        changed |= SetRoot("have-quorum", dcState.Quorate ? "1" : "0");
        changed |= SetRoot("dc-uuid", NodeKey(_dc));
        if (changed)
        {
            _cib.BumpUpdates();
        }
    }

    private XElement? ReadCibPart(string text)
    {
        try
        {
            return XElement.Parse(text);
        }
        catch (XmlException e)
        {
            Dropped++;
            Log(LogTopic.MessageDropped, $"the history of another node cannot be read: {e.Message}");
            return null;
        }
    }

    private bool SetRoot(string name, string value)
    {
        if ((string?)_cib.Root.Attribute(name) == value)
        {
            return false;
        }

        _cib.Root.SetAttributeValue(name, value);
        return true;
    }

    /// <summary>Nodes that the CIB or the DC's corosync.conf names are all here, and as many as votes are
    /// expected.</summary>
    private bool AllKnownHere(StateMessage dcState)
    {
        var known = _cib.Configuration.Element("nodes")!.Elements("node")
            .Where(n => (string?)n.Attribute("type") is null or "member")
            .Select(n => uint.TryParse((string?)n.Attribute("id"), out uint id) ? id : 0)
            .Where(id => id != 0).Concat(dcState.Configured);
        return known.All(_names.ContainsKey) && _names.Count >= dcState.ExpectedVotes;
    }

    private void OnStartupWindowOver()
    {
        if (_established)
        {
            return;
        }

        if (IsDc)
        {
            Send(new EstablishMessage(WallSeconds));
        }

        // Until the message is back (or this node becomes DC) look again.
        SetDeadline(StartupDeadline, _now.Ms + 1000);
    }

    private void OnEstablish(long at)
    {
        if (_established)
        {
            return;
        }

        _established = true;
        _deadlines.Remove(StartupDeadline);
        Log(LogTopic.Membership, $"start-up window over: going on with {string.Join(' ', _names.Values)}");
        if (WriteBootstrapOptions(at))
        {
            Persist();
        }

        Changed();
    }

    /// <summary>What Pacemaker's controller writes into the configuration by itself: nodes and
    /// cib-bootstrap-options.</summary>
    private bool WriteBootstrapOptions(long at)
    {
        bool changed = EnsureBootstrapOptions();
        if (changed)
        {
            _cib.BumpEpoch(at, NameOf(_dc), "crmd", "root");
        }

        return changed;
    }

    private bool EnsureBootstrapOptions()
    {
        bool changed = false;
        var nodes = _cib.Configuration.Element("nodes")!;
        foreach (var (id, name) in _names)
        {
            var node = nodes.Elements("node").FirstOrDefault(n => (string?)n.Attribute("id") == NodeKey(id));
            if (node is null)
            {
                nodes.Add(new XElement("node", new XAttribute("id", NodeKey(id)), new XAttribute("uname", name)));
                changed = true;
            }
            else if ((string?)node.Attribute("uname") != name)
            {
                node.SetAttributeValue("uname", name);
                changed = true;
            }
        }

        changed |= SetOption("have-watchdog", "false");
        changed |= SetOption("dc-version", _dcState!.DcVersion);
        changed |= SetOption("cluster-infrastructure", "corosync");
        changed |= _dcState.ClusterName.Length > 0 && SetOption("cluster-name", _dcState.ClusterName);
        return changed;
    }

    private bool SetOption(string name, string value)
    {
        const string Bootstrap = "cib-bootstrap-options";
        var config = _cib.Configuration.Element("crm_config")!;
        var set = config.Elements("cluster_property_set").FirstOrDefault(s => (string?)s.Attribute("id") == Bootstrap);
        if (set is null)
        {
            config.AddFirst(set = new XElement("cluster_property_set", new XAttribute("id", Bootstrap)));
        }

        var pair = set.Elements("nvpair").FirstOrDefault(p => (string?)p.Attribute("name") == name);
        if (pair is null)
        {
            set.Add(new XElement("nvpair", new XAttribute("id", $"{Bootstrap}-{name}"),
                new XAttribute("name", name), new XAttribute("value", value)));
            return true;
        }

        if ((string?)pair.Attribute("value") == value)
        {
            return false;
        }

        pair.SetAttributeValue("value", value);
        return true;
    }

    private void OnQuorum(bool quorate)
    {
        _quorate = quorate;
        if (IsDc)
        {
            Send(new QuorumMessage(quorate));
        }
    }

    private void OnQuorumMessage(bool quorate)
    {
        if (SetRoot("have-quorum", quorate ? "1" : "0"))
        {
            _cib.BumpUpdates();
            Log(LogTopic.Membership, quorate ? "quorum acquired" : "quorum lost");
            Changed();
        }
    }

    /// <summary>A replica that differs asks the DC; messages wait until the whole CIB, as it was at the question, is
    /// here.</summary>
    private void OnResync(uint sender)
    {
        if (sender == _options.NodeId)
        {
            _resyncing = !IsDc;
        }
        else if (IsDc)
        {
            SendCib(_cib.Root, sender);
        }
    }

    private void OnIdle(uint sender, IdleMessage i)
    {
        if (sender != _dc)
        {
            return;
        }

        if (i.Applied != _applied || !ForThisView(i.RingSeq, i.RingRep))
        {
            // Something came between. Where it was nothing to decide on, the DC says it again.
            _idleSent = false;
            if (IsDc)
            {
                RequestTurn();
            }

            return;
        }

        if (i.Version != _cib.Version || i.Digest != _cib.Digest())
        {
            Divergences++;
            Log(LogTopic.Divergence, $"CIB {_cib.Version} is not the DC's {i.Version}: asking for the DC's");
            Send(new ResyncMessage());
            return;
        }

        _idle = true;
        CloseRecord();
        AnswerWaiters();
    }
}
