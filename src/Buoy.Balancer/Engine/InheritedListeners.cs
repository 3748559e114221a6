using System.Buffers.Binary;
using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Engine;

/// <summary>
/// Listening sockets that an older process handed over. Each is taken by the bind line that means the same address on the
/// same interface; what nobody took is closed.
/// </summary>
internal sealed class InheritedListeners
{
    private readonly List<(int Fd, string Address, string Interface)> _sockets = [];

    /// <summary>Takes over the descriptors; those that are no listening stream sockets are closed.</summary>
    public void Add(IEnumerable<ListeningSocket> sockets)
    {
        foreach (var s in sockets)
        {
            byte[] address = DescriptorPassing.LocalAddress(s.Fd);
            if (address.Length == 0 || !DescriptorPassing.IsStream(s.Fd))
            {
                ProcessControl.Close(s.Fd);
                continue;
            }

            _sockets.Add((s.Fd, Name(address), s.Interface));
        }
    }

    /// <summary>All sockets for a bind line, ready to accept and no longer here.</summary>
    public List<int> Take(BalancerConfig config, BindConfig bind)
    {
        string? wanted = bind.EndPoint is { } end ? Name(end) : bind.UnixPath;
        var found = new List<int>();
        for (int i = 0; i < _sockets.Count && wanted is not null; i++)
        {
            var s = _sockets[i];
            if (s.Address == wanted && s.Interface == (bind.Interface ?? ""))
            {
                _sockets.RemoveAt(i--);
                if (ListenerFactory.Refresh(s.Fd, config, bind))
                {
                    found.Add(s.Fd);
                }
                else
                {
                    ProcessControl.Close(s.Fd);
                }
            }
        }

        return found;
    }

    /// <summary>Closes what is left.</summary>
    public void CloseRest()
    {
        _sockets.ForEach(s => ProcessControl.Close(s.Fd));
        _sockets.Clear();
    }

    private static string Name(IPEndPoint end) => $"{end.Address}:{end.Port}";

    /// <summary>A socket address as the configuration means it: Unix paths without the ".PID.tmp" they were bound with.</summary>
    private static string Name(byte[] address)
    {
        switch (BinaryPrimitives.ReadUInt16LittleEndian(address))
        {
            case DataSyscalls.AF_INET when address.Length >= 8:
                return Name(new IPEndPoint(new IPAddress(address.AsSpan(4, 4)), Port()));
            case DataSyscalls.AF_INET6 when address.Length >= 24:
                return Name(new IPEndPoint(new IPAddress(address.AsSpan(8, 16)), Port()));
            case DataSyscalls.AF_UNIX when address.Length > 2:
                var bytes = address.AsSpan(2);
                bool isAbstract = bytes[0] == 0;
                int end = isAbstract ? bytes[1..].IndexOf((byte)0) + 1 : bytes.IndexOf((byte)0);
                string path = Encoding.UTF8.GetString(end > 0 ? bytes[..end] : bytes);
                string[] parts = path.Split('.');
                return !isAbstract && parts.Length > 2 && parts[^1] == "tmp" && parts[^2].All(char.IsAsciiDigit)
                    ? string.Join('.', parts[..^2]) : path;
            default:
                return "";
        }

        int Port() => BinaryPrimitives.ReadUInt16BigEndian(address.AsSpan(2));
    }
}
