using System.Globalization;

namespace Buoy.Membership.Services;

/// <summary>What cmap says to a change.</summary>
public enum MapStatus
{
    /// <summary>Done.</summary>
    Ok,

    /// <summary>There is no such key.</summary>
    NotExist,

    /// <summary>The key is read only.</summary>
    Access,

    /// <summary>A key has 3 to 255 of a-z A-Z 0-9 . _ - / : characters (Corosync says CS_ERR_NAME_TOO_LONG for all of
    /// it).</summary>
    Name,

    /// <summary>The value is none of its type.</summary>
    Value,
}

/// <summary>What happened to a key.</summary>
public enum MapEvent
{
    /// <summary>It is new.</summary>
    Create,

    /// <summary>It has another value, or type.</summary>
    Modify,

    /// <summary>It is gone.</summary>
    Delete,
}

/// <summary>A value: i8 … u64, flt, dbl, str, bin; as text, of bin as hexadecimal digits.</summary>
public readonly record struct MapValue(string Type, string Text);

/// <summary>Who wants to know of changes of a key, or of all keys with a prefix.</summary>
public sealed record MapTracker(string Key, bool Prefix, Action<MapEvent, string, MapValue> Notify);

/// <summary>
/// cmap, the key-value map of a node (cmap_overview(3)): typed values, read-only keys, tracking by key or prefix. A
/// change
/// to the same type and value is none.
/// </summary>
public sealed class ConfigurationMap
{
    private const int MinName = 3;
    private const int MaxName = 255;

    /// <summary>Values of users, all together: who stores more keeps it elsewhere.</summary>
    private const int MaxKeys = 65536;

    private readonly SortedDictionary<string, MapValue> _values = new(StringComparer.Ordinal);
    private readonly HashSet<string> _readOnly = new(StringComparer.Ordinal);
    private readonly List<MapTracker> _trackers = [];

    /// <summary>All keys, in their order.</summary>
    public IReadOnlyDictionary<string, MapValue> Values => _values;

    /// <summary>Trackers now; without any, nobody needs values kept fresh.</summary>
    public int Trackers => _trackers.Count;

    /// <summary>A user sets a key.</summary>
    public MapStatus Set(string key, MapValue value)
    {
        if (key.Length is < MinName or > MaxName || !key.All(IsNameChar))
        {
            return MapStatus.Name;
        }

        if (_readOnly.Contains(key) || _values.Count >= MaxKeys)
        {
            return MapStatus.Access;
        }

        if (!IsOfItsType(value))
        {
            return MapStatus.Value;
        }

        Put(key, value);
        return MapStatus.Ok;
    }

    /// <summary>A user deletes a key.</summary>
    public MapStatus Delete(string key)
    {
        if (!_values.ContainsKey(key))
        {
            return MapStatus.NotExist;
        }

        if (_readOnly.Contains(key))
        {
            return MapStatus.Access;
        }

        Remove(key);
        return MapStatus.Ok;
    }

    /// <summary>The daemon's own keys under the prefixes that it owns: set, changed and removed to be exactly
    /// these.</summary>
    public void Refresh(IEnumerable<KeyValuePair<string, MapValue>> own)
    {
        var now = new Dictionary<string, MapValue>(own, StringComparer.Ordinal);
        foreach (string gone in _readOnly.Where(k => !now.ContainsKey(k)).ToList())
        {
            _readOnly.Remove(gone);
            Remove(gone);
        }

        foreach (var (key, value) in now)
        {
            _readOnly.Add(key);
            Put(key, value);
        }
    }

    /// <summary>Begins to tell a tracker.</summary>
    public void Add(MapTracker tracker) => _trackers.Add(tracker);

    /// <summary>Ends it.</summary>
    public void Remove(MapTracker tracker) => _trackers.Remove(tracker);

    private static bool IsNameChar(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '/' or ':';

    private static bool IsOfItsType(MapValue v)
    {
        var c = CultureInfo.InvariantCulture;
        const NumberStyles Whole = NumberStyles.AllowLeadingSign;
        return v.Type switch
        {
            "i8" => sbyte.TryParse(v.Text, Whole, c, out _),
            "u8" => byte.TryParse(v.Text, Whole, c, out _),
            "i16" => short.TryParse(v.Text, Whole, c, out _),
            "u16" => ushort.TryParse(v.Text, Whole, c, out _),
            "i32" => int.TryParse(v.Text, Whole, c, out _),
            "u32" => uint.TryParse(v.Text, Whole, c, out _),
            "i64" => long.TryParse(v.Text, Whole, c, out _),
            "u64" => ulong.TryParse(v.Text, Whole, c, out _),
            "flt" or "dbl" => double.TryParse(v.Text, NumberStyles.Float, c, out _),
            "str" => true,
            "bin" => v.Text.Length % 2 == 0 && v.Text.All(char.IsAsciiHexDigit),
            _ => false,
        };
    }

    private void Put(string key, MapValue value)
    {
        bool had = _values.TryGetValue(key, out var old);
        if (!had || old != value)
        {
            _values[key] = value;
            Tell(had ? MapEvent.Modify : MapEvent.Create, key, value);
        }
    }

    private void Remove(string key)
    {
        if (_values.Remove(key, out var old))
        {
            Tell(MapEvent.Delete, key, old);
        }
    }

    private void Tell(MapEvent what, string key, MapValue value)
    {
        foreach (var t in _trackers.ToList())
        {
            if (t.Prefix ? key.StartsWith(t.Key, StringComparison.Ordinal) : key == t.Key)
            {
                t.Notify(what, key, value);
            }
        }
    }
}
