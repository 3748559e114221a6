using System.Security.Cryptography;
using Buoy.Linux;
using Buoy.Membership.Configuration;
using Buoy.Membership.Quorum;
using Buoy.Membership.Transport;

namespace Buoy.Membership.Host;

/// <content>
/// A new corosync.conf at run time (corosync-cfgtool -R), on all members: the one that is asked checks its own file and
/// tells the others, each reads its own. What cannot change without a restart is what Corosync does not change either:
/// cluster_name, transport, ip_version and netmtu are kept with a warning, a changed address of an existing link is
/// refused.
/// <para>A new key or cipher is used in three steps, so that no datagram is lost: every member takes both, and says so in
/// an ordered message; when all have, each sends with the new one; a while later the old one ends.</para>
/// </content>
public sealed partial class RingEngine
{
    private readonly byte[] _firstKey;
    private readonly HashSet<uint> _keyReady = [];
    private SealKey? _nextKey;
    private SealKey? _oldKey;

    /// <inheritdoc/>
    public string? Reload()
    {
        var (fresh, _, error) = ReadFresh();
        if (fresh is null)
        {
            return error;
        }

        if (_packer is null || !_sync!.IsSynced || _disposed)
        {
            return ReloadHere(LocalNodeId);
        }

        if (!_packer.TryAdd(KindReload, []))
        {
            return "too many messages wait; try again";
        }

        _core!.OnMessageQueued(EventLoop.Now);
        Perform();
        return null;
    }

    /// <summary>Reads file and key and compares with what is in use. Nothing is changed.</summary>
    private (CorosyncConfig? Fresh, byte[] Key, string? Error) ReadFresh()
    {
        try
        {
            var fresh = CorosyncConfig.Load(_options.ConfigPath);
            return RefusesChange(fresh) is { } refused ? (null, [], refused) : (fresh, ReadKey(fresh), null);
        }
        catch (Exception e) when (e is IOException or CorosyncConfigException or UnauthorizedAccessException)
        {
            return (null, [], e.Message);
        }
    }

    private string? RefusesChange(CorosyncConfig fresh)
    {
        foreach (var node in fresh.Nodes)
        {
            var before = _config.Nodes.FirstOrDefault(n => n.NodeId == node.NodeId && n.NodeId != 0);
            for (int link = 0; before is not null && link < Math.Min(node.Addresses.Count, before.Addresses.Count); link++)
            {
                if (node.Addresses[link] != before.Addresses[link])
                {
                    return $"{fresh.File}:{node.Line}: new config has different address for link {link} (addr changed "
                        + $"from {before.Addresses[link]} to {node.Addresses[link]}); expected the same: to reconfigure a "
                        + "link it must be deleted and recreated. Nothing was reloaded";
                }
            }
        }

        if (_core is not null && fresh.Nodes.Count > 0 && fresh.Nodes.All(n => n.NodeId != LocalNodeId)
            && fresh.Nodes.All(n => n.NodeId != 0))
        {
            return $"{fresh.File}: this node's id {LocalNodeId} is not in the node list. Nothing was reloaded";
        }

        return null;
    }

    /// <summary>The key a configuration asks for. Throws <see cref="IOException"/>.</summary>
    private byte[] ReadKey(CorosyncConfig config)
    {
        if (!config.Crypto.Enabled)
        {
            return [];
        }

        string path = _options.AuthkeyPath ?? config.KeyFile ?? "/etc/corosync/authkey";
        bool inline = _options.AuthkeyPath is null && config is { Key: not null, KeyFile: null };
        byte[] key;
        try
        {
            key = inline ? System.Text.Encoding.UTF8.GetBytes(config.Key!) : File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{path}: {e.Message} The key is needed: {config.File} sets crypto_hash.", e);
        }

        return key.Length >= DatagramSeal.MinKeySize ? key : throw new IOException(
            $"{(inline ? $"{config.File}: key" : path)}: the key has {key.Length} bytes; expected "
            + $"{DatagramSeal.MinKeySize} or more, as corosync-keygen makes");
    }

    /// <summary>The ordered request: this node reads its own file. Returns the error, which is logged too.</summary>
    private string? ReloadHere(uint askedBy)
    {
        var (fresh, key, error) = ReadFresh();
        if (fresh is null)
        {
            _options.Log(true, $"reload requested by node {askedBy}: {error}");
            return error;
        }

        foreach (string warning in fresh.Warnings)
        {
            _options.Log(true, warning);
        }

        fresh = KeepWhatCannotChange(fresh);
        _options.Log(false, $"reload requested by node {askedBy}: done");
        _config = fresh;
        if (_core is null)
        {
            return null;
        }

        _self = _config.Nodes.FirstOrDefault(n => n.NodeId == LocalNodeId) ?? _self;
        TakeKey(new SealKey(fresh.Crypto, key, fresh.ClusterName));
        CryptographicOperations.ZeroMemory(key);
        _transport.Use(_config, _self);
        _transport.Check(_self);
        TakeMtu();
        _core.Reconfigure(EventLoop.Now, fresh.Totem, Allowed(fresh));
        ChangeQuorum(q => q.Reload(fresh.Quorum, _self?.Votes ?? fresh.Quorum.DefaultVotes,
            fresh.Nodes.ToDictionary(n => n.NodeId, n => n.Votes)));
        _packer!.TryAdd(KindQuorumRecord, SyncRecord.EncodeQuorum(_quorum!.MyRecord));
        _core.OnMessageQueued(EventLoop.Now);
        Perform();
        OnLinkTimer();
        return null;
    }

    private CorosyncConfig KeepWhatCannotChange(CorosyncConfig fresh)
    {
        var kept = fresh with
        {
            ClusterName = _config.ClusterName, Transport = _config.Transport, IpVersion = _config.IpVersion,
            NetMtu = _config.NetMtu,
        };
        foreach (var (name, changed) in ((string, bool)[])[
            ("cluster_name", fresh.ClusterName != _config.ClusterName), ("transport", fresh.Transport != _config.Transport),
            ("ip_version", fresh.IpVersion != _config.IpVersion), ("netmtu", fresh.NetMtu != _config.NetMtu)])
        {
            if (changed)
            {
                _options.Log(true, $"modified entry 'totem.{name}' in {fresh.File} cannot be changed at run-time");
            }
        }

        return kept.Transport == fresh.Transport ? kept : kept with { Links = _config.Links };
    }

    // ── Exchange of keys ─────────────────────────────────────────────────────────────────────────────────────────

    private void TakeKey(SealKey key)
    {
        if (_nextKey is not null && _nextKey.Id != key.Id)
        {
            _seal!.Forget(_nextKey);
            _nextKey = null;
        }

        if (key.Id == _seal!.Current.Id || key.Id == _nextKey?.Id)
        {
            key.Dispose();
            return;
        }

        EndOldKey();
        _nextKey = key;
        _keyReady.Clear();
        _seal.Accept(key);
        AnnounceKey();
    }

    /// <summary>On each new ring again, as long as the exchange is not over.</summary>
    private void AnnounceKey()
    {
        if (_nextKey is { } key)
        {
            _keyReady.Clear();
            _packer!.TryAdd(KindKeyReady, BitConverter.GetBytes(key.Id));
            _core!.OnMessageQueued(EventLoop.Now);
        }
    }

    private void OnKeyReady(uint sender, ulong id)
    {
        if (_nextKey is not { } next || id != next.Id || !_sync!.IsSynced)
        {
            return;
        }

        _keyReady.Add(sender);
        if (!_sync.Members.All(_keyReady.Contains))
        {
            return;
        }

        _oldKey = _seal!.Current;
        _seal.SendWith(next);
        _nextKey = null;
        TakeMtu();
        _options.Log(false, "the new key is in use on all members");

        // What was sent with the old one may be on its way, and who delivers this late still sends with it.
        var old = _oldKey;
        _loop.Schedule(2L * _config.Totem.Token, () =>
        {
            if (!_disposed && ReferenceEquals(_oldKey, old))
            {
                EndOldKey();
            }
        });
    }

    private void EndOldKey()
    {
        if (_oldKey is { } old)
        {
            _seal!.Forget(old);
            _oldKey = null;
        }
    }

    // ── config_version ───────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>
    /// A node that meets others for the first time and has an older configuration than they must not go on
    /// (corosync.conf(5): config_version).
    /// </summary>
    private bool IsOutdated()
    {
        ulong highest = _sync!.Records.Max(r => r.ConfigVersion);
        if (_config.ConfigVersion == 0 || _metOthers || _sync.Members.Count < 2 || _config.ConfigVersion == highest)
        {
            _metOthers |= _sync.Members.Count > 1;
            return false;
        }

        string text = $"Received config version ({highest}) is different than my config version ({_config.ConfigVersion})! "
            + $"Exiting: {_config.File} of this node is older than the cluster's";
        _options.Log(true, text);
        _loop.Post(() =>
        {
            Leave();
            _options.Fatal?.Invoke(text);
        });
        return true;
    }

    private bool _metOthers;
}
