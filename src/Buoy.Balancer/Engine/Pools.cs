using System.Runtime.InteropServices;
using Buoy.Balancer.State;
using Buoy.Linux;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <summary>
/// Blocks for unsent rests and incomplete heads, in four sizes; one shard's own. Kept blocks are bounded.
/// </summary>
internal sealed unsafe class BufferPool : IDisposable
{
    private const int KeepPerSize = 64;
    private static readonly int[] Sizes = [2048, 16384, 65536, 262144];
    private readonly Stack<nint>[] _free = [new(KeepPerSize), new(KeepPerSize), new(KeepPerSize), new(KeepPerSize)];

    /// <summary>A block of at least that many bytes; <paramref name="capacity"/> is what it has.</summary>
    public byte* Rent(int size, out int capacity)
    {
        for (int i = 0; i < Sizes.Length; i++)
        {
            if (size <= Sizes[i])
            {
                capacity = Sizes[i];
                return _free[i].TryPop(out nint b) ? (byte*)b : (byte*)NativeMemory.Alloc((nuint)capacity);
            }
        }

        capacity = size;
        return (byte*)NativeMemory.Alloc((nuint)size);
    }

    public void Return(byte* block, int capacity)
    {
        int i = Array.IndexOf(Sizes, capacity);
        if (i >= 0 && _free[i].Count < KeepPerSize)
        {
            _free[i].Push((nint)block);
        }
        else
        {
            NativeMemory.Free(block);
        }
    }

    public void Dispose()
    {
        foreach (var stack in _free)
        {
            while (stack.TryPop(out nint b))
            {
                NativeMemory.Free((void*)b);
            }
        }
    }
}

/// <summary>Pipes of 256 KB for splice; a pipe is held only while bytes are in it.</summary>
internal sealed unsafe class PipePool(PipeGauge gauge, int shard) : IDisposable
{
    /// <summary>
    /// A quarter of 1 MB costs the same and locks less memory; the 64 KB default is slower than HAProxy.
    /// </summary>
    public const int PipeSize = 256 * 1024;
    private readonly List<(int Read, int Write)> _pipes = [];
    private readonly Stack<int> _free = [];

    /// <summary>Numbers whose pipe could not be replaced.</summary>
    private readonly Stack<int> _empty = [];
    private int _used;

    /// <summary>
    /// Pipes are refused after a failure until that time (ms), so that exhausted descriptors cost nothing.
    /// </summary>
    private long _refusedUntil;

    /// <summary>A pipe's number, or -1 where descriptors or pipe memory are exhausted: then one copies.</summary>
    public int Rent(long now)
    {
        if (_free.TryPop(out int pipe))
        {
            _used++;
            Tell();
            return pipe;
        }

        if (now < _refusedUntil)
        {
            return -1;
        }

        int* fds = stackalloc int[2];
        if (pipe2(fds, SOCK_NONBLOCK | SOCK_CLOEXEC) < 0)
        {
            _refusedUntil = now + 1000;
            return -1;
        }

        _ = fcntl(fds[1], F_SETPIPE_SZ, PipeSize);
        _used++;
        Tell();
        if (_empty.TryPop(out int slot))
        {
            _pipes[slot] = (fds[0], fds[1]);
            return slot;
        }

        _pipes.Add((fds[0], fds[1]));
        return _pipes.Count - 1;
    }

    public int ReadEnd(int pipe) => _pipes[pipe].Read;

    public int WriteEnd(int pipe) => _pipes[pipe].Write;

    /// <summary>Gives an empty pipe back.</summary>
    public void Return(int pipe)
    {
        _free.Push(pipe);
        _used--;
        Tell();
    }

    /// <summary>Gives back a pipe with bytes left in it: it is emptied by replacing it.</summary>
    public void Discard(int pipe)
    {
        var (read, write) = _pipes[pipe];
        _ = close(read);
        _ = close(write);
        _used--;
        int* fds = stackalloc int[2];
        if (pipe2(fds, SOCK_NONBLOCK | SOCK_CLOEXEC) < 0)
        {
            _pipes[pipe] = (-1, -1);
            _empty.Push(pipe);
            Tell();
            return;
        }

        _ = fcntl(fds[1], F_SETPIPE_SZ, PipeSize);
        _pipes[pipe] = (fds[0], fds[1]);
        _free.Push(pipe);
        Tell();
    }

    public void Dispose()
    {
        foreach (var (read, write) in _pipes)
        {
            if (read >= 0)
            {
                _ = close(read);
                _ = close(write);
            }
        }

        _pipes.Clear();
        _free.Clear();
        _empty.Clear();
        _used = 0;
        Tell();
    }

    private void Tell() => gauge.Set(shard, _used, _free.Count);
}
