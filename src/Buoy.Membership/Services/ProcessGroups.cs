namespace Buoy.Membership.Services;

/// <summary>What the process groups have done to local clients, and what they want sent. Called inside the core's
/// steps.</summary>
public interface IProcessGroupSink
{
    /// <summary>Send this in the total order (IClusterEngine.TrySend); it comes back to every member, this one
    /// included.</summary>
    void Multicast(byte[] message);

    /// <summary>A message for a local client. The memory is the receiver's only during the call.</summary>
    void Deliver(long client, GroupProcess sender, ReadOnlySpan<byte> payload);

    /// <summary>The members of a local client's group changed. One that left in order is told its own leaving,
    /// last.</summary>
    void Changed(
        long client, IReadOnlyList<GroupProcess> members, IReadOnlyList<(GroupProcess Process, GroupReason Reason)> left,
        IReadOnlyList<(GroupProcess Process, GroupReason Reason)> joined);
}

/// <summary>
/// Pure core of closed process groups (cpg_overview(3)) above an engine's views and total order. Every member keeps the
/// same table, because it is only changed at places in that order:
/// <list type="number">
/// <item>a view: processes of nodes that are gone are out (NodeDown) at once</item>
/// <item>then every member says which of its processes are in which groups (a join list for exactly this view)</item>
/// <item>at the last member's list the table is whole: who came with a node is in (NodeUp)</item>
/// <item>what else was delivered since the view is handled after that, in order</item>
/// </list>
/// <para>To drive it: <see cref="OnView"/> and <see cref="OnMessage"/> with what an engine delivers, what clients ask
/// with
/// <see cref="Join"/>, <see cref="Leave"/>, <see cref="Gone"/> and <see cref="Multicast"/>; it has no clock and no
/// randomness. All members of a view that are fed the same must have equal <see cref="Groups"/>, and clients of one
/// group
/// the same story between any two changes they share.</para>
/// </summary>
public sealed class ProcessGroups(uint nodeId, IProcessGroupSink sink)
{
    private readonly SortedDictionary<string, SortedSet<GroupProcess>> _groups = new(StringComparer.Ordinal);
    private readonly Dictionary<long, Client> _clients = [];
    private readonly Dictionary<uint, List<(string Group, uint Process)>> _lists = [];
    private readonly Queue<(uint Sender, byte[] Message)> _deferred = new();
    private uint[] _members = [];
    private RingId _view;
    private bool _whole;
    private bool _abandoning;

    private sealed class Client(string group, byte[] name, uint process)
    {
        public string Group { get; } = group;
        public byte[] Name { get; } = name;
        public uint Process { get; } = process;

        /// <summary>Its join has come back: it is told what happens.</summary>
        public bool In { get; set; }
        public bool Leaving { get; set; }
    }

    /// <summary>Groups by name (each character one byte) and their processes, ascending.</summary>
    public IReadOnlyDictionary<string, SortedSet<GroupProcess>> Groups => _groups;

    /// <summary>False between a view and the last join list of it.</summary>
    public bool Whole => _whole;

    /// <summary>A new view of the engine.</summary>
    public void OnView(ClusterView view)
    {
        // A view abandoned before it was whole: what it deferred belongs before this view, at all that were in it.
        // Their
        // tables may differ in what comes with others' lists, so who may speak is not asked; a speaker joined before it
        // spoke.
        _abandoning = true;
        while (_deferred.TryDequeue(out var next))
        {
            GroupMessage.TryDecode(next.Message, out byte kind, out uint process, out var group, out var payload);
            Handle(next.Sender, kind, process, group, payload);
        }

        _abandoning = false;
        _view = view.RingId;
        uint[] now = [.. view.Members.Select(m => m.NodeId)];
        var gone = _members.Where(n => view.Left.Contains(n) || !now.Contains(n)).Where(n => n != nodeId).ToHashSet();
        _members = now;
        _whole = false;
        _lists.Clear();
        foreach (var (name, group) in _groups.ToList())
        {
            var left = group.Where(p => gone.Contains(p.NodeId)).ToList();
            if (left.Count > 0)
            {
                group.ExceptWith(left);
                Tell(name, [.. left.Select(p => (p, GroupReason.NodeDown))], []);
            }
        }

        var mine = _groups.SelectMany(g => g.Value.Where(p => p.NodeId == nodeId).Select(p => (g.Key, p.ProcessId)));
        sink.Multicast(GroupMessage.EncodeList(_view, mine));
    }

    /// <summary>A message of the total order that begins with the services' mark.</summary>
    public void OnMessage(uint sender, ReadOnlySpan<byte> message)
    {
        if (!GroupMessage.TryDecode(message, out byte kind, out uint process, out var name, out var payload))
        {
            return;
        }

        if (kind == GroupMessage.JoinList)
        {
            OnJoinList(sender, payload);
        }
        else if (!_whole)
        {
            _deferred.Enqueue((sender, message.ToArray()));
        }
        else
        {
            Handle(sender, kind, process, name, payload);
        }
    }

    /// <summary>
    /// A local process asks to join a group; it is in when the change that names it arrives. Null, or why not.
    /// </summary>
    /// <param name="client">The caller's name for the process's connection.</param>
    /// <param name="group">1 to 128 bytes, each a character.</param>
    public string? Join(long client, string group, uint process)
    {
        byte[] name = GroupMessage.Latin(group);
        if (name.Length is 0 or > GroupMessage.MaxName)
        {
            return $"a group's name has 1 to {GroupMessage.MaxName} bytes, this one {name.Length}";
        }

        if (_clients.ContainsKey(client) || _clients.Values.Any(c => c.Group == group && c.Process == process))
        {
            return "this process is in the group already";
        }

        _clients[client] = new Client(group, name, process);
        sink.Multicast(GroupMessage.Encode(GroupMessage.Join, process, name, default));
        return null;
    }

    /// <summary>A local process leaves in order. Null, or why not.</summary>
    public string? Leave(long client)
    {
        if (!_clients.TryGetValue(client, out var c) || c.Leaving)
        {
            return "this process is in no group";
        }

        c.Leaving = true;
        sink.Multicast(GroupMessage.Encode(GroupMessage.Leave, c.Process, c.Name, default));
        return null;
    }

    /// <summary>A local process, or its connection, has ended.</summary>
    public void Gone(long client)
    {
        if (_clients.Remove(client, out var c) && !c.Leaving)
        {
            sink.Multicast(GroupMessage.Encode(GroupMessage.ProcessDown, c.Process, c.Name, default));
        }
    }

    /// <summary>A local member says something to its group. Null, or why not.</summary>
    public string? Multicast(long client, ReadOnlySpan<byte> payload)
    {
        if (!_clients.TryGetValue(client, out var c) || c.Leaving)
        {
            return "this process is in no group";
        }

        sink.Multicast(GroupMessage.Encode(GroupMessage.Multicast, c.Process, c.Name, payload));
        return null;
    }

    private void OnJoinList(uint sender, ReadOnlySpan<byte> payload)
    {
        if (GroupMessage.DecodeList(payload, out var view) is not { } list || view != _view || _whole)
        {
            return;
        }

        _lists[sender] = list;
        if (!_members.All(_lists.ContainsKey))
        {
            return;
        }

        var listed = _lists.SelectMany(l => l.Value.Select(e => (e.Group, Process: new GroupProcess(l.Key, e.Process))))
            .ToLookup(e => e.Group, e => e.Process);
        foreach (string name in listed.Select(g => g.Key).Union(_groups.Keys).Order(StringComparer.Ordinal).ToList())
        {
            var group = Group(name);
            // A node that came back within one view brings other processes than it had.
            var left = group.Where(p => !listed[name].Contains(p)).ToList();
            var joined = listed[name].Where(p => !group.Contains(p)).Order().ToList();
            group.ExceptWith(left);
            group.UnionWith(joined);
            if (left.Count + joined.Count > 0)
            {
                Tell(
                    name, [.. left.Select(p => (p, GroupReason.NodeDown))], [.. joined.Select(p => (p, GroupReason.NodeUp))]);
            }
        }

        _whole = true;
        while (_whole && _deferred.TryDequeue(out var next))
        {
            OnMessage(next.Sender, next.Message);
        }
    }

    private void Handle(uint sender, byte kind, uint process, ReadOnlySpan<byte> name, ReadOnlySpan<byte> payload)
    {
        string group = GroupMessage.Text(name);
        var who = new GroupProcess(sender, process);
        switch (kind)
        {
            case GroupMessage.Multicast:
                if (_abandoning || (_groups.TryGetValue(group, out var members) && members.Contains(who)))
                {
                    foreach (var (id, client) in _clients)
                    {
                        if (client.In && client.Group == group)
                        {
                            sink.Deliver(id, who, payload);
                        }
                    }
                }

                break;
            case GroupMessage.Join:
                if (Group(group).Add(who))
                {
                    foreach (var client in _clients.Values.Where(c =>
                        sender == nodeId && c.Process == process && c.Group == group))
                    {
                        client.In = true;
                    }

                    Tell(group, [], [(who, GroupReason.Join)]);
                }

                break;
            case GroupMessage.Leave or GroupMessage.ProcessDown:
                if (_groups.TryGetValue(group, out var from) && from.Remove(who))
                {
                    Tell(group, [(who, kind == GroupMessage.Leave ? GroupReason.Leave : GroupReason.ProcessDown)], []);
                }

                if (sender == nodeId)
                {
                    foreach (var (id, _) in _clients.Where(c =>
                        c.Value.Leaving && c.Value.Process == process && c.Value.Group == group).ToList())
                    {
                        _clients.Remove(id);
                    }
                }

                break;
            default:
                break;
        }
    }

    private SortedSet<GroupProcess> Group(string name) =>
        _groups.TryGetValue(name, out var group) ? group : _groups[name] = [];

    private void Tell(
        string name, IReadOnlyList<(GroupProcess, GroupReason)> left, IReadOnlyList<(GroupProcess, GroupReason)> joined)
    {
        var group = _groups[name];
        GroupProcess[] members = [.. group];
        if (members.Length == 0)
        {
            _groups.Remove(name);
        }

        foreach (var (id, client) in _clients)
        {
            if (client.In && client.Group == name)
            {
                sink.Changed(id, members, left, joined);
            }
        }
    }
}
