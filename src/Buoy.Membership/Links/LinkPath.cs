namespace Buoy.Membership.Links;

/// <summary>One link to one peer: its row of answers, its latency, its MTU.</summary>
public sealed class LinkPath(int link, uint nodeId)
{
    /// <summary>Pings whose answers still count; more than can be on their way.</summary>
    private const int Memory = 16;

    private readonly (ulong Number, long At, int Size)[] _sent = new (ulong, long, int)[Memory];
    private int _next;

    /// <summary>Number of the link.</summary>
    public int Link { get; } = link;

    /// <summary>The peer.</summary>
    public uint NodeId { get; } = nodeId;

    /// <summary>Round trips work.</summary>
    public bool IsUp { get; internal set; }

    /// <summary>Answers in a row since it was down.</summary>
    public int Row { get; internal set; }

    /// <summary>When the last answer came, ms; far in the past where none did.</summary>
    public long LastPong { get; internal set; } = long.MinValue / 2;

    /// <summary>Mean round trip, ms; 0 before the first.</summary>
    public double Latency { get; private set; }

    /// <summary>Times it came up.</summary>
    public int UpCount { get; internal set; }

    /// <summary>Times it went down.</summary>
    public int DownCount { get; internal set; }

    /// <summary>Bytes an IP packet may have on this path: measured, or assumed before.</summary>
    public int Mtu { get; internal set; } = DefaultMtu;

    /// <summary>Measuring: largest size answered, smallest size not answered, size on its way, tries of it.</summary>
    internal (int Good, int Bad, int Trying, int Tries)? Search { get; set; }

    /// <summary>When the search goes on, or begins anew.</summary>
    internal long SearchAt { get; set; } = long.MaxValue;

    /// <summary>An Ethernet's.</summary>
    public const int DefaultMtu = 1500;

    internal void Sent(ulong number, long at, int size)
    {
        _sent[_next] = (number, at, size);
        _next = (_next + 1) % Memory;
    }

    /// <summary>An answer counts once. Returns the size of what it answers, or null.</summary>
    internal int? Answered(ulong number, long now, int precision)
    {
        for (int i = 0; i < Memory; i++)
        {
            if (_sent[i].Number == number && number != 0)
            {
                var (_, at, size) = _sent[i];
                _sent[i] = default;
                if (size == 0)
                {
                    double sample = now - at;
                    _samples = Math.Min(_samples + 1, precision);
                    Latency += (sample - Latency) / _samples;
                }

                return size;
            }
        }

        return null;
    }

    private int _samples;
}
