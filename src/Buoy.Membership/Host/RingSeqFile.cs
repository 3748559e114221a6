using System.Globalization;
using System.Text;

namespace Buoy.Membership.Host;

/// <summary>
/// The highest ring seq this node ever used, durably: <c>ringid_ID</c> in the state folder. Two slots are written in
/// turn, in
/// place, each with its check, so that a torn write leaves the other one and a store costs one fsync. A damaged file
/// is an
/// error, not 0: a ring id would be used twice.
/// </summary>
public sealed class RingSeqFile(string folder, uint nodeId)
{
    private const int SlotSize = 64;
    private int _slot;

    /// <summary>The file.</summary>
    public string Path { get; } = System.IO.Path.Combine(folder, $"ringid_{nodeId}");

    /// <summary>
    /// What was stored; 0 where nothing was. Throws <see cref="IOException"/> for what cannot be used.
    /// </summary>
    public ulong Load()
    {
        if (!File.Exists(Path))
        {
            return 0;
        }

        byte[] bytes = File.ReadAllBytes(Path);
        ulong? highest = null;
        for (int i = 0; i < 2; i++)
        {
            if (bytes.Length >= (i + 1) * SlotSize && Parse(bytes.AsSpan(i * SlotSize, SlotSize)) is { } seq
                && seq >= (highest ?? 0))
            {
                highest = seq;
                _slot = 1 - i;
            }
        }

        return highest ?? throw new IOException(
            $"{Path}: damaged: expected a ring seq and its check; remove it only while the other nodes run");
    }

    /// <summary>Stores; returns only when it is durable. Throws <see cref="IOException"/>.</summary>
    public void Store(ulong seq)
    {
        Directory.CreateDirectory(folder);
        using var handle = File.OpenHandle(Path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read);
        byte[] slot = Encoding.ASCII.GetBytes(Line(seq).PadRight(SlotSize - 1) + "\n");
        if (RandomAccess.GetLength(handle) < 2 * SlotSize)
        {
            RandomAccess.Write(handle, slot, (1 - _slot) * SlotSize);
        }

        RandomAccess.Write(handle, slot, _slot * SlotSize);
        RandomAccess.FlushToDisk(handle);
        _slot = 1 - _slot;
    }

    private static string Line(ulong seq) =>
        $"{seq} {(unchecked(seq * 0x9E3779B97F4A7C15UL) ^ 0x62756F79UL).ToString("x16", CultureInfo.InvariantCulture)}";

    private static ulong? Parse(ReadOnlySpan<byte> slot)
    {
        string text = Encoding.ASCII.GetString(slot).TrimEnd();
        int space = text.IndexOf(' ');
        return space > 0 && ulong.TryParse(text[..space], NumberStyles.None, CultureInfo.InvariantCulture,
            out ulong seq)
            && text == Line(seq) ? seq : null;
    }
}
