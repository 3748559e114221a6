using System.Runtime.InteropServices;

namespace Buoy.Balancer.Engine;

/// <summary>Connections in unmanaged blocks that never move; freed ones are used again first.</summary>
internal sealed unsafe class ConnSlab : IDisposable
{
    private const int BlockShift = 8;
    private const int PerBlock = 1 << BlockShift;
    private readonly List<nint> _blocks = [];
    private Conn* _free;

    /// <summary>Connections in use.</summary>
    public int Used { get; private set; }

    /// <summary>Highest index ever made, plus one.</summary>
    public int Capacity => _blocks.Count << BlockShift;

    public Conn* this[int index] => (Conn*)_blocks[index >> BlockShift] + (index & (PerBlock - 1));

    /// <summary>A zeroed connection with its index and a new generation.</summary>
    public Conn* Take(ConnKind kind)
    {
        if (_free == null)
        {
            Grow();
        }

        var c = _free;
        _free = c->RunNext;
        int index = c->Index;
        int generation = c->Generation + 1;
        *c = default;
        c->Index = index;
        c->Generation = generation;
        c->Kind = kind;
        c->TimerSlot = -1;
        c->Pipe = -1;
        c->Backend = -1;
        c->Server = -1;
        c->Avoid = -1;
        c->Persist = -1;
        Used++;
        return c;
    }

    public void Return(Conn* c)
    {
        c->Kind = ConnKind.Free;
        c->RunNext = _free;
        _free = c;
        Used--;
    }

    public void Dispose()
    {
        foreach (nint b in _blocks)
        {
            NativeMemory.Free((void*)b);
        }

        _blocks.Clear();
        _free = null;
    }

    private void Grow()
    {
        var block = (Conn*)NativeMemory.AllocZeroed(PerBlock, (nuint)sizeof(Conn));
        int first = Capacity;
        _blocks.Add((nint)block);
        for (int i = PerBlock - 1; i >= 0; i--)
        {
            block[i].Index = first + i;
            block[i].RunNext = _free;
            _free = block + i;
        }
    }
}
