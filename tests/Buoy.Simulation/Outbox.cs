using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>A node's messages above the ring: what waits, and what came.</summary>
internal abstract class Outbox
{
    /// <summary>What the core takes from.</summary>
    public abstract OutgoingQueue Queue { get; }

    /// <summary>Adds a message that waits for the view.</summary>
    public abstract void Add(byte kind, ReadOnlySpan<byte> message, bool safe);

    /// <summary>Adds one that does not.</summary>
    public abstract void AddUrgent(byte kind, ReadOnlySpan<byte> message);

    /// <summary>The view was given.</summary>
    public abstract void Open();

    /// <summary>A new regular configuration.</summary>
    public abstract void OnConfiguration();

    /// <summary>Contents that were delivered.</summary>
    public abstract void OnContents(uint sender, byte[] contents, MessageHandler handler);
}

/// <summary>One message is one datagram, agreed or safe.</summary>
internal sealed class PlainOutbox(bool gated) : Outbox
{
    private readonly SimulatedQueue _queue = new() { IsOpen = !gated };

    public override OutgoingQueue Queue => _queue;

    public override void Add(byte kind, ReadOnlySpan<byte> message, bool safe) => _queue.Add([kind, .. message], safe);

    public override void AddUrgent(byte kind, ReadOnlySpan<byte> message) => _queue.AddUrgent([kind, .. message]);

    public override void Open() => _queue.IsOpen = true;

    public override void OnConfiguration()
    {
    }

    public override void OnContents(uint sender, byte[] contents, MessageHandler handler)
    {
        if (contents.Length > 0)
        {
            handler(sender, contents[0], contents.AsSpan(1));
        }
    }
}

/// <summary>The program's own packing: small messages share a datagram, large ones are cut. All are agreed.</summary>
internal sealed class PackedOutbox(int maxContents) : Outbox
{
    private readonly MessagePacker _packer = new(maxContents);
    private readonly MessageAssembler _assembler = new();

    public override OutgoingQueue Queue => _packer;

    public override void Add(byte kind, ReadOnlySpan<byte> message, bool safe)
    {
        if (!_packer.TryAdd(kind, message))
        {
            throw new InvalidOperationException($"the queue is full: {_packer.Waiting} messages wait");
        }
    }

    public override void AddUrgent(byte kind, ReadOnlySpan<byte> message) => _packer.AddUrgent(kind, message);

    public override void Open() => _packer.Open();

    public override void OnConfiguration() => _assembler.Clear();

    public override void OnContents(uint sender, byte[] contents, MessageHandler handler)
    {
        if (!_assembler.OnContents(sender, contents, handler))
        {
            throw new InvalidOperationException($"contents of node {sender} are not what a packer makes");
        }
    }
}
