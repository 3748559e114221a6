namespace Buoy.Balancer.StickTables;

/// <summary>The keys that a stream's stick rules gave, kept until a server has answered; used again for each
/// stream.</summary>
internal sealed class StickKeyStore
{
    private byte[] _bytes = [];
    private (int Offset, int Length)[] _keys = [];
    private int _rules;
    private int _used;

    /// <summary>Forgets all; so many rules may give keys.</summary>
    public void Reset(int rules)
    {
        if (_keys.Length < rules)
        {
            _keys = new (int, int)[rules];
        }

        _keys.AsSpan(0, rules).Fill((-1, 0));
        (_rules, _used) = (rules, 0);
    }

    public void Set(int rule, ReadOnlySpan<byte> key)
    {
        if (_used + key.Length > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(_used + key.Length, _bytes.Length * 2));
        }

        key.CopyTo(_bytes.AsSpan(_used));
        _keys[rule] = (_used, key.Length);
        _used += key.Length;
    }

    /// <summary>The key of a rule; false where it gave none.</summary>
    public bool TryGet(int rule, out ReadOnlySpan<byte> key)
    {
        var (offset, length) = rule < _rules ? _keys[rule] : (-1, 0);
        key = offset < 0 ? default : _bytes.AsSpan(offset, length);
        return offset >= 0;
    }
}
