using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Buoy.Linux.Corosync;

/// <summary>libcmap: reading the key-value map of the real Corosync (cmap_overview(3), cmap_keys(7)).</summary>
public sealed unsafe class CmapSession : IDisposable
{
    private const int MaxName = 256;
    private const int MaxValue = 4096;
    private static readonly Functions s_functions = new();
    private ulong _handle;

    private CmapSession(ulong handle) => _handle = handle;

    /// <summary>Connects to a map: the configuration's, or the statistics'.</summary>
    public static CmapSession? TryOpen(bool statistics, out CorosyncStatus status)
    {
        if (!CorosyncLibrary.Cmap.Present)
        {
            status = CorosyncStatus.NoLibrary;
            return null;
        }

        ulong handle;
        status = (CorosyncStatus)s_functions.Initialize(&handle, statistics ? 1u : 0u);
        return status == CorosyncStatus.Ok ? new CmapSession(handle) : null;
    }

    /// <summary>A value as text, whatever its type; null where the key is absent.</summary>
    public string? Get(string key)
    {
        byte* name = stackalloc byte[MaxName];
        Write(name, key);
        byte* value = stackalloc byte[MaxValue];
        nuint length = MaxValue;
        int type;
        if ((CorosyncStatus)s_functions.Get(_handle, name, value, &length, &type) != CorosyncStatus.Ok)
        {
            return null;
        }

        var c = CultureInfo.InvariantCulture;
        return type switch
        {
            1 => (*(sbyte*)value).ToString(c),
            2 => (*value).ToString(c),
            3 => (*(short*)value).ToString(c),
            4 => (*(ushort*)value).ToString(c),
            5 => (*(int*)value).ToString(c),
            6 => (*(uint*)value).ToString(c),
            7 => (*(long*)value).ToString(c),
            8 => (*(ulong*)value).ToString(c),
            9 => (*(float*)value).ToString(c),
            10 => (*(double*)value).ToString(c),
            11 => Encoding.UTF8.GetString(new ReadOnlySpan<byte>(value, (int)length)).TrimEnd('\0'),
            _ => Convert.ToHexString(new ReadOnlySpan<byte>(value, (int)length)),
        };
    }

    /// <summary>Names of all keys that begin with a prefix, in the map's order.</summary>
    public IReadOnlyList<string> Keys(string prefix)
    {
        var keys = new List<string>();
        byte* name = stackalloc byte[MaxName];
        Write(name, prefix);
        ulong iterator;
        if ((CorosyncStatus)s_functions.IterInit(_handle, name, &iterator) != CorosyncStatus.Ok)
        {
            return keys;
        }

        nuint length;
        int type;
        while ((CorosyncStatus)s_functions.IterNext(_handle, iterator, name, &length, &type) == CorosyncStatus.Ok)
        {
            keys.Add(Marshal.PtrToStringUTF8((nint)name) ?? "");
        }

        _ = s_functions.IterFinalize(_handle, iterator);
        return keys;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle != 0)
        {
            _ = s_functions.Close(_handle);
            _handle = 0;
        }
    }

    private static void Write(byte* to, string text) => to[Encoding.UTF8.GetBytes(text, new Span<byte>(to, MaxName - 1))] = 0;

    private sealed class Functions
    {
        private static CorosyncLibrary L => CorosyncLibrary.Cmap;

        public readonly delegate* unmanaged<ulong*, uint, int> Initialize =
            (delegate* unmanaged<ulong*, uint, int>)GetExport("cmap_initialize_map");

        public readonly delegate* unmanaged<ulong, byte*, void*, nuint*, int*, int> Get =
            (delegate* unmanaged<ulong, byte*, void*, nuint*, int*, int>)GetExport("cmap_get");

        public readonly delegate* unmanaged<ulong, byte*, ulong*, int> IterInit =
            (delegate* unmanaged<ulong, byte*, ulong*, int>)GetExport("cmap_iter_init");

        public readonly delegate* unmanaged<ulong, ulong, byte*, nuint*, int*, int> IterNext =
            (delegate* unmanaged<ulong, ulong, byte*, nuint*, int*, int>)GetExport("cmap_iter_next");

        public readonly delegate* unmanaged<ulong, ulong, int> IterFinalize =
            (delegate* unmanaged<ulong, ulong, int>)GetExport("cmap_iter_finalize");

        public readonly delegate* unmanaged<ulong, int> Close =
            (delegate* unmanaged<ulong, int>)GetExport("cmap_finalize");

        private static nint GetExport(string name) => L.Present ? L[name] : 0;
    }
}
