using Buoy.Linux;
using Buoy.Membership.Links;
using Buoy.Membership.Totem;

namespace Buoy.Membership.Host;

/// <content>The host of the links' monitor: pings, answers, and what a path carries.</content>
public sealed partial class RingEngine
{
    /// <summary>A regular message's own fields, and those of one it carries in recovery, bytes.</summary>
    private const int RegularHeader = 96;

    private readonly Queue<LinkEffect> _linkEffects = new();
    private EventLoop.LoopTimer? _linkTimer;

    /// <summary>Bytes of contents that fit into one datagram which no path cuts into pieces.</summary>
    private int MaxContents()
    {
        int mtu = Math.Min(_config.NetMtu, _transport.IsMonitored ? _transport.Monitor.Mtu : 65535);
        mtu = Math.Min(mtu, Math.Max(LinkPath.DefaultMtu, TotemLimits.VisitBytes / _config.Totem.MaxMessages));
        return Math.Clamp(
            mtu - IpHeaders() - _seal!.Overhead - RegularHeader, 256, TotemLimits.Contents);
    }

    /// <summary>IP and UDP headers of the links in use.</summary>
    private int IpHeaders() => _transport.Links.Any(l => l.Local.IsV6) ? 48 : 28;

    private void OnLinkMessage(long now, int link, uint sender, ReadOnlySpan<byte> bytes)
    {
        if (!_transport.IsMonitored || LinkMessage.Decode(bytes) is not { } message || message.Link != link)
        {
            Count("drop.link-message");
            return;
        }

        if (message.IsPong)
        {
            _transport.Monitor.OnPong(now, sender, link, message.Number);
            PerformLinks();
        }
        else
        {
            SendOnLink(link, sender, message with { IsPong = true }, 0);
        }
    }

    private void OnLinkTimer()
    {
        if (_disposed || _core is null || !_transport.IsMonitored)
        {
            return;
        }

        var monitor = _transport.Monitor;
        monitor.OnTimers(EventLoop.Now);
        PerformLinks();
    }

    private void PerformLinks()
    {
        var monitor = _transport.Monitor;
        monitor.TakeEffects(_linkEffects);
        while (!_disposed && _linkEffects.TryDequeue(out var effect))
        {
            switch (effect)
            {
                case SendPing e:
                    SendOnLink(e.Link, e.NodeId, new LinkMessage(false, e.Link, e.Number), e.Size);
                    break;
                case LinkChanged e:
                    _options.Log(!e.Up, $"link {e.Link} to node {e.NodeId} is {(e.Up ? "up" : "down")}: {e.Reason}");
                    if (!e.Up && !monitor.IsReachable(e.NodeId) && _transport.Links.Count > 1)
                    {
                        _options.Log(true, $"node {e.NodeId} has no active links");
                    }

                    TakeMtu();
                    break;
                case MtuChanged e:
                    _options.Log(false, $"link {e.Link} to node {e.NodeId}: MTU {e.Mtu}");
                    TakeMtu();
                    break;
            }

            monitor.TakeEffects(_linkEffects);
        }

        if (_disposed)
        {
            return;
        }

        _linkTimer?.Cancel();
        long due = monitor.NextDeadline;
        _linkTimer = due == long.MaxValue ? null : _loop.Schedule(Math.Max(0, due - EventLoop.Now), OnLinkTimer);
    }

    private void TakeMtu() => _packer!.MaxContents = MaxContents();

    private void SendOnLink(int link, uint node, LinkMessage message, int packet)
    {
        int size = packet == 0 ? 0 : Math.Clamp(packet - IpHeaders() - _seal!.Overhead, LinkMessage.Size, _encoded.Length);
        int length = message.Encode(_encoded, size);
        length = _seal!.Seal(_encoded.AsSpan(0, length), _sealed);
        _transport.SendOn(link, node, _sealed.AsSpan(0, length), whole: packet > 0);
    }
}
