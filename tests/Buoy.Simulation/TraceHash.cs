using System.Runtime.InteropServices;

namespace Buoy.Simulation;

/// <summary>
/// One number for all that a run did: faults and every node's history. The same seed gives the same number, on every
/// machine and however many runs go on beside it; a change that is to be no change of behaviour keeps it.
/// </summary>
internal static class TraceHash
{
    private const ulong Basis = 0xcbf29ce484222325;
    private const ulong Prime = 0x100000001b3;

    /// <summary>FNV-1a over the entries as <see cref="SeedRun.Describe"/> tells them, with their times.</summary>
    public static ulong Of(Simulation s)
    {
        ulong hash = Basis;
        foreach (var (at, text) in s.Story)
        {
            hash = Add(hash, at, text);
        }

        foreach (var node in s.Nodes)
        {
            foreach (var entry in node.Log)
            {
                hash = Add(hash, entry.At, SeedRun.Describe(entry));
            }
        }

        return hash;
    }

    private static ulong Add(ulong hash, long at, string text)
    {
        hash = (hash ^ (ulong)at) * Prime;
        foreach (byte b in MemoryMarshal.AsBytes(text.AsSpan()))
        {
            hash = (hash ^ b) * Prime;
        }

        return hash;
    }
}
