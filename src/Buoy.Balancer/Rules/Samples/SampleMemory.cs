using System.Runtime.InteropServices;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>
/// Memory for what fetches, converters and rewrites make while rules run; one owner, emptied at the start of each
/// evaluation. Blocks never move, so that earlier pointers stay good when it grows.
/// </summary>
internal sealed unsafe class SampleMemory : IDisposable
{
    private const int BlockSize = 65536;

    /// <summary>More than that in one evaluation is refused: a rule that makes megabytes is a mistake or an attack.</summary>
    private const int MaxBytes = 4 << 20;
    private readonly List<(nint Start, int Size)> _blocks = [];
    private int _block;
    private int _used;
    private int _total;

    ~SampleMemory() => Free();

    /// <summary>Bytes that stay until <see cref="Reset"/>; null where the limit is reached.</summary>
    public byte* Take(int length)
    {
        if (length < 0 || _total + length > MaxBytes)
        {
            return null;
        }

        int size = (length + 7) & ~7;
        while (_block < _blocks.Count && _used + size > _blocks[_block].Size)
        {
            _block++;
            _used = 0;
        }

        if (_block == _blocks.Count)
        {
            int block = Math.Max(BlockSize, size);
            _blocks.Add(((nint)NativeMemory.Alloc((nuint)block), block));
            _used = 0;
        }

        var p = (byte*)_blocks[_block].Start + _used;
        _used += size;
        _total += size;
        return p;
    }

    /// <summary>All that was taken is free again.</summary>
    public void Reset()
    {
        _block = 0;
        _used = 0;
        _total = 0;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        foreach (var (start, _) in _blocks)
        {
            NativeMemory.Free((void*)start);
        }

        _blocks.Clear();
        Reset();
    }
}
