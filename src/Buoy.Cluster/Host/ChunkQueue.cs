namespace Buoy.Cluster.Host;

/// <summary>
/// Bytes that wait to be written, in pieces of one size that a store common to many queues hands out and takes back. A
/// burst leaves no large array behind, and the store keeps a bounded number of pieces.
/// </summary>
internal sealed class ChunkQueue(ChunkQueue.Store store)
{
    private readonly Queue<byte[]> _chunks = new();
    private byte[] _last = [];
    private int _begin;
    private int _end = Store.ChunkSize;

    /// <summary>Where pieces come from.</summary>
    internal sealed class Store
    {
        /// <summary>Bytes of a piece: small enough to be moved by the collector like any other object.</summary>
        public const int ChunkSize = 64 << 10;

        private const int MaxKept = 32;
        private readonly Stack<byte[]> _free = new();

        public byte[] Take() => _free.TryPop(out byte[]? chunk) ? chunk : GC.AllocateUninitializedArray<byte>(ChunkSize);

        public void GiveBack(byte[] chunk)
        {
            if (_free.Count < MaxKept)
            {
                _free.Push(chunk);
            }
        }
    }

    /// <summary>Bytes that wait.</summary>
    public long Length { get; private set; }

    /// <summary>The first of them that lie together; empty where none wait.</summary>
    public ReadOnlySpan<byte> First => _chunks.TryPeek(out byte[]? chunk)
        ? chunk.AsSpan(_begin, (_chunks.Count == 1 ? _end : chunk.Length) - _begin) : default;

    /// <summary>Adds bytes behind the others.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        Length += bytes.Length;
        while (!bytes.IsEmpty)
        {
            if (_end == Store.ChunkSize)
            {
                _last = store.Take();
                _chunks.Enqueue(_last);
                _end = 0;
            }

            int n = Math.Min(bytes.Length, Store.ChunkSize - _end);
            bytes[..n].CopyTo(_last.AsSpan(_end));
            _end += n;
            bytes = bytes[n..];
        }
    }

    /// <summary>The first bytes were written: at most as many as <see cref="First"/> has.</summary>
    public void Skip(int count)
    {
        Length -= count;
        _begin += count;
        if (Length == 0 || _begin == Store.ChunkSize)
        {
            store.GiveBack(_chunks.Dequeue());
            _begin = 0;
            _end = Length == 0 ? Store.ChunkSize : _end;
        }
    }

    /// <summary>Nobody will read the rest.</summary>
    public void Clear()
    {
        while (Length > 0)
        {
            Skip(First.Length);
        }
    }
}
