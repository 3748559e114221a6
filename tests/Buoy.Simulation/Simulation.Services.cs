namespace Buoy.Simulation;

/// <content>
/// Processes that use the services: they join groups, speak, leave and end, from a source of chance of their own, so
/// that seeds without services run as they always did.
/// </content>
internal sealed partial class Simulation
{
    /// <summary>One world in so many has no services.</summary>
    private const int WithoutServices = 4;

    /// <summary>Processes of one node that are in groups at a time.</summary>
    private const int MostClients = 4;

    private static readonly string[] GroupNames = ["a", "b", "c \u00ff"];
    private readonly List<GroupClient> _clients = [];

    /// <summary>Somebody set expected votes in the course of the run.</summary>
    public bool ExpectedWasSet { get; private set; }

    private Random _chance = new(0);
    private int _said;

    /// <summary>Nodes offer process groups and quorum notices.</summary>
    public bool HasServices { get; private set; }

    /// <summary>Bytes of a datagram's contents where messages are packed; 0 = one message is one datagram.</summary>
    public int PackedContents { get; private set; }

    /// <summary>All processes there ever were.</summary>
    public IReadOnlyList<GroupClient> Clients => _clients;

    /// <summary>Services are simulated from now on.</summary>
    public void StageServices(int packedContents) => (HasServices, PackedContents) = (true, packedContents);

    private void DrawServices(int seed)
    {
        _chance = new Random(~seed);
        if (seed % WithoutServices != 0)
        {
            StageServices(_chance.Next(2) == 0 ? 0 : _chance.Next(100, 1400));
        }
    }

    /// <summary>A new process on a node asks to join a group.</summary>
    public GroupClient Join(SimulatedNode node, string group)
    {
        var client = new GroupClient((uint)_clients.Count + 1, node, group);
        _clients.Add(client);
        node.Services!.Join(client);
        node.Flush(Now);
        return client;
    }

    /// <summary>A process says the next number, with so many bytes more.</summary>
    public void Say(GroupClient client, int more)
    {
        client.Node.Services!.Say(client, ++_said, more);
        client.Node.Flush(Now);
    }

    public void Leave(GroupClient client)
    {
        client.Node.Services!.Leave(client);
        client.Node.Flush(Now);
    }

    public void End(GroupClient client)
    {
        client.Node.Services!.End(client);
        client.Node.Flush(Now);
    }

    /// <summary>What processes do of themselves between two faults.</summary>
    public void DisturbServices()
    {
        for (int i = HasServices ? _chance.Next(4) : 0; i > 0; i--)
        {
            var node = _nodes[_chance.Next(_nodes.Length)];
            if (node.Services is null || node.PausedUntil > Now)
            {
                continue;
            }

            if (MaySetExpected && _chance.Next(12) == 0)
            {
                int votes = Quorum!.ExpectedVotes + _chance.Next(3);
                Tell($"node {node.Id} is told to expect {votes} votes");
                node.SetExpected(votes);
                ExpectedWasSet = true;
            }

            var clients = node.Services.Clients.ToList();
            var client = clients.Count > 0 ? clients[_chance.Next(clients.Count)] : null;
            switch (_chance.Next(10))
            {
                case <= 2 when clients.Count < MostClients:
                    Join(node, GroupNames[_chance.Next(GroupNames.Length)]);
                    break;
                case 3 when client is not null:
                    Leave(client);
                    break;
                case 4 when client is not null:
                    End(client);
                    break;
                default:
                    for (int words = client is null ? 0 : _chance.Next(8); words > 0; words--)
                    {
                        Say(client!, _chance.Next(5) == 0 ? _chance.Next(3000) : _chance.Next(40));
                    }

                    break;
            }
        }
    }

    /// <summary>
    /// Nothing but a majority of the votes is quorate: then more votes may be expected, and as many as there are again,
    /// without two partitions ever being quorate.
    /// </summary>
    private bool MaySetExpected =>
        Quorum is { TwoNode: false, WaitForAll: false, LastManStanding: false, AutoTieBreaker: null };

    /// <summary>In peace every process that is left speaks once more, and one more joins on every node.</summary>
    public void SpeakInPeace()
    {
        foreach (var node in _nodes.Where(n => n.Services is not null))
        {
            Join(node, GroupNames[0]);
            foreach (var client in node.Services!.Clients.ToList())
            {
                Say(client, 0);
            }

            if (MaySetExpected)
            {
                node.SetExpected(Quorum!.ExpectedVotes);
            }
        }
    }
}
