using System.Runtime.InteropServices;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>How long a variable lives (manual 7.3.2, "var").</summary>
internal enum VariableScope : byte
{
    Process,
    Session,
    Transaction,
    Request,
    Response,
    Check,
}

/// <summary>A variable's scope and the number of its name.</summary>
internal readonly record struct VariableName(VariableScope Scope, int Id)
{
    private static readonly Dictionary<string, int> Ids = new(StringComparer.Ordinal);

    /// <summary>Reads <c>txn.name</c>; null and an error in the original's words where it is not one.</summary>
    public static VariableName? Parse(string text, out string error)
    {
        int dot = text.IndexOf('.');
        VariableScope? scope = dot < 0 ? null : text[..dot] switch
        {
            "proc" => VariableScope.Process,
            "sess" => VariableScope.Session,
            "txn" => VariableScope.Transaction,
            "req" => VariableScope.Request,
            "res" => VariableScope.Response,
            "check" => VariableScope.Check,
            _ => null,
        };
        error = "";
        if (scope is null || dot == text.Length - 1)
        {
            error = $"invalid variable name '{text}'. A variable name must be start by its scope. The scope can be 'proc', "
                + "'sess', 'txn', 'req', 'res' or 'check'.";
            return null;
        }

        string name = text[(dot + 1)..];
        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '.'))
            {
                error = $"invalid syntax at char '{text[text.IndexOf(c, dot + 1)..]}'";
                return null;
            }
        }

        lock (Ids)
        {
            if (!Ids.TryGetValue(name, out int id))
            {
                id = Ids.Count;
                Ids.Add(name, id);
            }

            return new VariableName(scope.Value, id);
        }
    }
}

/// <summary>Variables of one scope. Text is copied in; its memory is kept for the next use of the store.</summary>
internal sealed unsafe class VariableStore : IDisposable
{
    private struct Entry
    {
        public int Id;
        public bool Set;
        public Sample Value;
        public int Capacity;
        public byte* Memory;
    }

    private Entry[] _entries = [];
    private int _count;

    ~VariableStore() => Free();

    /// <summary>False where it is not set. Text points into the store: good until it is set again.</summary>
    public bool TryGet(int id, ref Sample sample)
    {
        for (int i = 0; i < _count; i++)
        {
            ref var e = ref _entries[i];
            if (e.Id == id && e.Set)
            {
                var flags = sample.Flags;
                sample = e.Value;
                sample.Flags = flags;
                return true;
            }
        }

        return false;
    }

    public void Set(int id, in Sample value)
    {
        ref var e = ref Find(id);
        byte* data = value.Data;
        bool text = value.IsText || (value.Type == SampleType.Method && value.Integer == (long)HttpMethod.Other);
        if (text && e.Capacity < value.Length)
        {
            byte* old = e.Memory;
            e.Capacity = Math.Max(64, value.Length);
            e.Memory = (byte*)NativeMemory.Alloc((nuint)e.Capacity);
            Buffer.MemoryCopy(data, e.Memory, e.Capacity, value.Length); // before the old goes: it may be the source
            NativeMemory.Free(old);
        }
        else if (text)
        {
            Buffer.MemoryCopy(data, e.Memory, e.Capacity, value.Length);
        }

        e.Value = value;
        e.Value.Data = e.Memory;
        e.Value.Flags = SampleFlags.None;
        e.Value.Cursor = 0;
        e.Set = true;
    }

    public void Unset(int id)
    {
        for (int i = 0; i < _count; i++)
        {
            if (_entries[i].Id == id)
            {
                _entries[i].Set = false;
            }
        }
    }

    /// <summary>No variable is set any more.</summary>
    public void Clear()
    {
        for (int i = 0; i < _count; i++)
        {
            _entries[i].Set = false;
        }
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private ref Entry Find(int id)
    {
        int free = -1;
        for (int i = 0; i < _count; i++)
        {
            if (_entries[i].Id == id)
            {
                return ref _entries[i];
            }

            free = _entries[i].Set ? free : i;
        }

        if (free < 0)
        {
            if (_count == _entries.Length)
            {
                Array.Resize(ref _entries, Math.Max(4, _count * 2));
            }

            free = _count++;
        }

        _entries[free].Id = id;
        return ref _entries[free];
    }

    private void Free()
    {
        for (int i = 0; i < _count; i++)
        {
            NativeMemory.Free(_entries[i].Memory);
        }

        _entries = [];
        _count = 0;
    }
}

/// <summary>Variables of the process: shared by all shards, read by copy.</summary>
internal sealed class ProcessVariables
{
    private readonly VariableStore _store = new();

    /// <summary>Set at least once: spares the lock where nobody uses them.</summary>
    private volatile bool _any;

    public bool TryGet(SampleScope scope, int id, ref Sample sample)
    {
        if (!_any)
        {
            return false;
        }

        lock (_store)
        {
            return _store.TryGet(id, ref sample) && (!sample.IsText || sample.SetCopy(scope, sample.Bytes, sample.Type));
        }
    }

    public void Set(int id, in Sample value)
    {
        lock (_store)
        {
            _store.Set(id, value);
            _any = true;
        }
    }

    public void Unset(int id)
    {
        lock (_store)
        {
            _store.Unset(id);
        }
    }
}
