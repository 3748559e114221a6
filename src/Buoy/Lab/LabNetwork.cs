using System.Net;

namespace Buoy.Lab;

/// <summary>Addresses of the lab's segment: the seed's, and what the seed leaves open.</summary>
/// <param name="Prefix">First three octets.</param>
/// <param name="Bits">Prefix length.</param>
/// <param name="Nic">Interface name inside each cluster node.</param>
/// <param name="Vip">The floating address.</param>
/// <param name="Port">Where the service listens.</param>
internal sealed record LabNetwork(string Prefix, int Bits, string Nic, IPAddress Vip, int Port)
{
    /// <summary>192.168.4.0/27, enp0s3.41, VIP 192.168.4.20 port 6443.</summary>
    public static LabNetwork Seed { get; } = new("192.168.4", 27, "enp0s3.41", IPAddress.Parse("192.168.4.20"), 6443);

    /// <summary>Names of the API servers that haproxy.cfg balances over.</summary>
    public static IReadOnlyList<string> Servers { get; } = ["kube-mast01", "kube-mast02", "kube-mast03"];

    public string Broadcast => $"{Prefix}.31";

    public string Dns => $"{Prefix}.1";

    public string Client => $"{Prefix}.30";

    /// <summary>Address of node 1, 2 …</summary>
    public string Node(int number) => $"{Prefix}.{10 + number}";

    /// <summary>Address of API server 1, 2, 3.</summary>
    public string Server(int number) => $"{Prefix}.{20 + number}";

    /// <summary>hapx-node01, hapx-node02 …</summary>
    public static string NodeName(int number) => $"hapx-node{number:00}";

    /// <summary>/etc/hosts of every node.</summary>
    public string Hosts(int nodes)
    {
        var lines = new List<string> { "127.0.0.1 localhost" };
        for (int i = 1; i <= nodes; i++)
        {
            lines.Add($"{Node(i)} {NodeName(i)}.kube.demo {NodeName(i)}");
        }

        return string.Join('\n', lines) + "\n";
    }
}
