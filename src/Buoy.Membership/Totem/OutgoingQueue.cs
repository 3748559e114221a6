namespace Buoy.Membership.Totem;

/// <summary>Where the core takes new messages from when it holds the token.</summary>
public abstract class OutgoingQueue
{
    /// <summary>Units (<see cref="TotemLimits.FlowUnit"/>) waiting, about; 0 = nothing waits.</summary>
    public abstract int Count { get; }

    /// <summary>Takes the next one. False: nothing waits.</summary>
    public abstract bool TryTake(out byte[] contents, out bool safe);

    /// <summary>A regular configuration was installed; called before any message is originated on it.</summary>
    public virtual void OnInstalled()
    {
    }
}

/// <summary>One entry, one message: for tests and for simple users.</summary>
public sealed class SimpleOutgoingQueue : OutgoingQueue
{
    private readonly Queue<(byte[] Contents, bool Safe)> _queue = new();

    /// <inheritdoc/>
    public override int Count => _queue.Count;

    /// <summary>Adds a message; tell the core afterwards (<see cref="TotemCore.OnMessageQueued"/>).</summary>
    public void Add(byte[] contents, bool safe = false) => _queue.Enqueue((contents, safe));

    /// <inheritdoc/>
    public override bool TryTake(out byte[] contents, out bool safe)
    {
        bool any = _queue.TryDequeue(out var entry);
        (contents, safe) = any ? entry : ([], false);
        return any;
    }
}
