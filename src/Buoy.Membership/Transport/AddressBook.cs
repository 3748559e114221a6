using System.Net;
using System.Net.Sockets;
using Buoy.Linux;
using Buoy.Membership.Configuration;

namespace Buoy.Membership.Transport;

/// <summary>
/// Addresses of the node list's names. Literals are known at once; libc's resolver blocks, so it works aside, and its
/// answers come back to the loop.
/// </summary>
internal sealed class AddressBook(EventLoop loop, Action<string> fault)
{
    private readonly Dictionary<string, UdpAddress> _known = new(StringComparer.OrdinalIgnoreCase);
    private string[] _names = [];
    private IpVersion _version;
    private bool _resolving;

    /// <summary>Called when a name was resolved.</summary>
    public Action? Changed { get; set; }

    /// <summary>The names that matter from now on.</summary>
    public void Use(CorosyncConfig config)
    {
        _version = config.IpVersion;
        _names = [.. config.Nodes.SelectMany(n => n.Addresses).Distinct(StringComparer.OrdinalIgnoreCase)];
        foreach (string name in _names)
        {
            if (UdpAddress.Parse(name) is { } literal)
            {
                _known[name] = literal;
            }
        }
    }

    /// <summary>The address, or null while it is not known.</summary>
    public UdpAddress? Find(string name) => _known.TryGetValue(name, out var address) ? address : null;

    /// <summary>Looks up what is missing, unless it is being looked up.</summary>
    public void Resolve()
    {
        string[] open = [.. _names.Where(n => !_known.ContainsKey(n))];
        if (_resolving || open.Length == 0)
        {
            return;
        }

        _resolving = true;
        var version = _version;
        _ = Task.Run(() =>
        {
            var found = new List<(string Name, UdpAddress Address)>();
            string? failure = null;
            foreach (string name in open)
            {
                try
                {
                    if (Choose(Dns.GetHostAddresses(name), version) is { } address)
                    {
                        found.Add((name, address));
                    }
                    else
                    {
                        failure = $"{name}: no address of the family ip_version asks for";
                    }
                }
                catch (SocketException e)
                {
                    failure = $"{name}: {e.Message}";
                }
            }

            loop.Post(() =>
            {
                _resolving = false;
                foreach (var (name, address) in found)
                {
                    _known[name] = address;
                }

                Changed?.Invoke();
                if (failure is not null)
                {
                    fault(failure);
                }
            });
        });
    }

    private static UdpAddress? Choose(IPAddress[] all, IpVersion version)
    {
        var v4 = all.FirstOrDefault(a => a.AddressFamily is AddressFamily.InterNetwork);
        var v6 = all.FirstOrDefault(a => a.AddressFamily is AddressFamily.InterNetworkV6);
        var chosen = version switch
        {
            IpVersion.V4 => v4,
            IpVersion.V6 => v6,
            IpVersion.V4Then6 => v4 ?? v6,
            _ => v6 ?? v4,
        };
        return chosen is null ? null : UdpAddress.Of(chosen);
    }
}
