namespace Buoy.Membership.Totem;

/// <summary>
/// The messages of one ring as one node holds them, with its water marks. Sequence numbers start at 1.
/// </summary>
public sealed class RingLog(RingId id)
{
    private readonly Dictionary<ulong, RegularMessage> _messages = [];
    private ulong _discarded;

    /// <summary>The ring.</summary>
    public RingId Id { get; } = id;

    /// <summary>Every message up to here was received.</summary>
    public ulong Aru { get; private set; }

    /// <summary>Highest number received.</summary>
    public ulong HighSeqReceived { get; private set; }

    /// <summary>Every message up to here was delivered (or skipped by right).</summary>
    public ulong HighDelivered { get; set; }

    /// <summary>Messages held.</summary>
    public int Count => _messages.Count;

    /// <summary>
    /// Takes a message in. False: it was here before, or is farther ahead than flow control lets anybody send.
    /// </summary>
    public bool Add(RegularMessage message)
    {
        if (message.Seq <= Aru || message.Seq - Aru > 2 * TotemLimits.RetransmitWindow || !_messages.TryAdd(message.Seq, message))
        {
            return false;
        }

        HighSeqReceived = Math.Max(HighSeqReceived, message.Seq);
        while (_messages.ContainsKey(Aru + 1))
        {
            Aru++;
        }

        return true;
    }

    /// <summary>The message of a number, or null where it is missing or discarded.</summary>
    public RegularMessage? Find(ulong seq) => _messages.GetValueOrDefault(seq);

    /// <summary>Forgets what was delivered and is held by everybody: up to the given number.</summary>
    public void Discard(ulong upTo)
    {
        for (upTo = Math.Min(upTo, HighDelivered); _discarded < upTo; _discarded++)
        {
            _messages.Remove(_discarded + 1);
        }
    }
}
