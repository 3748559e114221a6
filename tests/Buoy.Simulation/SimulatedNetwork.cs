using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>A datagram: one for all receivers of a broadcast, whose bytes are decoded once.</summary>
internal sealed class Packet(byte[] bytes)
{
    private TotemMessage? _message;

    public byte[] Bytes { get; } = bytes;

    /// <summary>Nobody sealed these bytes.</summary>
    public bool Forged { get; init; }

    /// <summary>What the envelope held; messages are never changed, so all receivers may have the same one.</summary>
    public TotemMessage Open(ReadOnlySpan<byte> plain) => _message ??= MessageCodec.Decode(plain)
        ?? throw new InvalidOperationException("an encoded message was not decoded");
}

/// <summary>
/// Datagrams under way, by the millisecond of their arrival and then in the order they were sent in: a wheel with a
/// place for each millisecond, because nothing takes longer than one turn of it. Also which paths are cut.
/// </summary>
internal sealed class SimulatedNetwork
{
    /// <summary>Longest way of a datagram, ms.</summary>
    public const int LongestDelay = Places - 1;

    private const int Places = 256;
    private const int Links = 8;
    private readonly List<Arrival>[] _wheel = new List<Arrival>[Places];
    private readonly int _stride;
    private readonly bool[] _cut;
    private readonly bool[] _linkCut;
    private int _underWay;

    /// <summary>A datagram at its receiver.</summary>
    public readonly record struct Arrival(uint To, int Link, Packet Packet);

    /// <summary>For nodes 1 to <paramref name="nodes"/>.</summary>
    public SimulatedNetwork(int nodes)
    {
        _stride = nodes + 1;
        _cut = new bool[_stride * _stride];
        _linkCut = new bool[_stride * _stride * Links];
        for (int i = 0; i < Places; i++)
        {
            _wheel[i] = [];
        }
    }

    public void Cut(uint from, uint to) => _cut[Path(from, to)] = true;

    public void CutLink(uint from, uint to, int link) => _linkCut[(Path(from, to) * Links) + link] = true;

    public void Heal()
    {
        Array.Clear(_cut);
        Array.Clear(_linkCut);
    }

    /// <summary>Nothing gets through from one to the other over this link.</summary>
    public bool IsCut(uint from, uint to, int link) =>
        _cut[Path(from, to)] || _linkCut[(Path(from, to) * Links) + link];

    /// <summary>Sends; it arrives 1 to <see cref="LongestDelay"/> ms from now.</summary>
    public void Add(long now, int delay, Arrival arrival)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(delay, LongestDelay);
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, 1);
        _wheel[(now + delay) % Places].Add(arrival);
        _underWay++;
    }

    /// <summary>The next moment after <paramref name="now"/> of an arrival; none: the end of time.</summary>
    public long NextAfter(long now)
    {
        for (int i = 1; _underWay > 0 && i < Places; i++)
        {
            if (_wheel[(now + i) % Places].Count > 0)
            {
                return now + i;
            }
        }

        return long.MaxValue;
    }

    /// <summary>What arrives at this moment. Clear it with <see cref="Arrived"/>.</summary>
    public List<Arrival> At(long now) => _wheel[now % Places];

    /// <summary>All of this moment was handed over.</summary>
    public void Arrived(long now)
    {
        _underWay -= _wheel[now % Places].Count;
        _wheel[now % Places].Clear();
    }

    private int Path(uint from, uint to) => ((int)from * _stride) + (int)to;
}
