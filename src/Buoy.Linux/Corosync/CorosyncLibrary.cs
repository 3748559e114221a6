using System.Runtime.InteropServices;

namespace Buoy.Linux.Corosync;

/// <summary>
/// A shared library of Corosync, looked for when it is first needed: the program starts, and says what is missing, where
/// Corosync is not installed.
/// </summary>
internal sealed class CorosyncLibrary(string name)
{
    private readonly Lazy<nint> _handle = new(() => NativeLibrary.TryLoad(name, out nint h) ? h : 0);

    /// <summary>True where it could be loaded.</summary>
    public bool Present => _handle.Value != 0;

    /// <summary>Address of a function; throws <see cref="EntryPointNotFoundException"/> in a library too old for us.</summary>
    public nint this[string function] => NativeLibrary.GetExport(_handle.Value, function);

    public static CorosyncLibrary Cpg { get; } = new("libcpg.so.4");
    public static CorosyncLibrary Quorum { get; } = new("libquorum.so.5");
    public static CorosyncLibrary VoteQuorum { get; } = new("libvotequorum.so.8");
    public static CorosyncLibrary Cmap { get; } = new("libcmap.so.4");
    public static CorosyncLibrary Cfg { get; } = new("libcfg.so.7");
}
