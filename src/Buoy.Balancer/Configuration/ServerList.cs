using System.Collections;
using System.Runtime.CompilerServices;

namespace Buoy.Balancer.Configuration;

/// <summary>
/// Servers in order, of one backend or of all. The runtime API adds and deletes some (management manual 9.3 <c>add
/// server</c>): every change puts a new array in the place of the old one, so that a shard that goes through it sees one
/// state of it, without a lock. Only the control thread changes it.
/// </summary>
[CollectionBuilder(typeof(ServerList), nameof(Create))]
public sealed class ServerList(IEnumerable<ServerConfig> servers) : IReadOnlyList<ServerConfig>
{
    private volatile ServerConfig[] _items = [.. servers];
    private int _version;

    /// <inheritdoc/>
    public int Count => _items.Length;

    /// <summary>Grows with every change.</summary>
    public int Version => Volatile.Read(ref _version);

    /// <inheritdoc/>
    public ServerConfig this[int index] => _items[index];

    /// <summary>For collection expressions.</summary>
    public static ServerList Create(ReadOnlySpan<ServerConfig> servers) => new(servers.ToArray());

    /// <summary>A list that nobody shares.</summary>
    public static implicit operator ServerList(List<ServerConfig> servers) => new(servers);

    /// <inheritdoc cref="op_Implicit(List{ServerConfig})"/>
    public static implicit operator ServerList(ServerConfig[] servers) => new(servers);

    /// <inheritdoc/>
    public IEnumerator<ServerConfig> GetEnumerator() => ((IEnumerable<ServerConfig>)_items).GetEnumerator();

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => _items.GetEnumerator();

    /// <summary>Appends a server.</summary>
    internal void Add(ServerConfig server) => Become([.. _items, server]);

    /// <summary>Takes a server out.</summary>
    internal void Remove(ServerConfig server) => Become([.. _items.Where(s => s != server)]);

    /// <summary>Puts a server at a position, at the end or over one that was deleted.</summary>
    internal void Put(int index, ServerConfig server) =>
        Become(index == _items.Length ? [.. _items, server] : [.. _items[..index], server, .. _items[(index + 1)..]]);

    private void Become(ServerConfig[] items)
    {
        _items = items;
        Volatile.Write(ref _version, _version + 1);
    }
}
