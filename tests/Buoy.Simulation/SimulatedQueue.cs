using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>One entry, one message; ordinary ones wait until the view was given, as in the program.</summary>
internal sealed class SimulatedQueue : OutgoingQueue
{
    private readonly Queue<(byte[] Contents, bool Safe)> _ordinary = new();
    private readonly Queue<byte[]> _urgent = new();
    private bool _synchronises;

    /// <summary>Ordinary messages may pass; closed by every installation once it was closed at first.</summary>
    public bool IsOpen
    {
        get;
        set
        {
            _synchronises |= !value;
            field = value;
        }
    }

    public override int Count => _urgent.Count + (IsOpen ? _ordinary.Count : 0);

    public int Waiting => _urgent.Count + _ordinary.Count;

    public void Add(byte[] contents, bool safe) => _ordinary.Enqueue((contents, safe));

    public void AddUrgent(byte[] contents) => _urgent.Enqueue(contents);

    public override void OnInstalled()
    {
        _urgent.Clear();
        IsOpen = !_synchronises;
    }

    public override bool TryTake(out byte[] contents, out bool safe)
    {
        safe = false;
        if (_urgent.TryDequeue(out byte[]? urgent))
        {
            contents = urgent;
            return true;
        }

        if (IsOpen && _ordinary.TryDequeue(out var entry))
        {
            (contents, safe) = entry;
            return true;
        }

        contents = [];
        return false;
    }
}
