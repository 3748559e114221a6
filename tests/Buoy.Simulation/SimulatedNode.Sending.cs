using Buoy.Membership.Links;
using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <content>From a message to datagrams on links.</content>
internal sealed partial class SimulatedNode
{
    private void Send(uint? to, TotemMessage message, bool everywhere)
    {
        message = _simulation.Altered(message);
        var datagram = Reseal(message);
        if (to is { } one)
        {
            Route(one, message, datagram, everywhere);
            return;
        }

        foreach (var node in _simulation.Nodes)
        {
            if (node.Id != Id)
            {
                Route(node.Id, message, datagram, everywhere);
            }
        }
    }

    private void Route(uint to, TotemMessage message, Packet datagram, bool everywhere)
    {
        Span<int> links = stackalloc int[8];
        int n = 1;
        links[0] = 0;
        if (Links is not null)
        {
            n = Links.Route(to, everywhere, links);
            if (_simulation.Mutation.NeverFailsOver)
            {
                n = 1;
                links[0] = _simulation.LinkCount - 1;
            }
        }

        for (int i = 0; i < n; i++)
        {
            _simulation.Transmit(this, to, links[i], message, datagram);
        }
    }

    public void SendOutOfTurn(uint to, TotemMessage message) => Send(to, message, everywhere: false);

    private void SendOnLink(int link, uint to, LinkMessage message)
    {
        Span<byte> buffer = stackalloc byte[LinkMessage.Size];
        message.Encode(buffer);
        _simulation.Transmit(this, to, link, null, Sealed(buffer));
    }

    /// <summary>The same message as a datagram of its own.</summary>
    public Packet Reseal(TotemMessage message)
    {
        byte[] buffer = new byte[MessageCodec.MaxSize(message)];
        return Sealed(buffer.AsSpan(0, MessageCodec.Encode(message, buffer)));
    }

    private Packet Sealed(ReadOnlySpan<byte> message)
    {
        byte[] buffer = new byte[message.Length + _seal!.Overhead];
        int length = _seal.Seal(message, buffer);
        return new Packet(length == buffer.Length ? buffer : buffer[..length]);
    }
}
