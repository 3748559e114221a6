using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>
/// A list of patterns that the runtime API and rules can change: a file, shared by all that name it, or the words of
/// one
/// <c>acl</c> (management manual, "show map"). Changes take its lock; lookups read the version in force without one.
/// <code>
///   Add(…)  → element → one entry per set → the index of its version
///   Prepare → number → Add(…, number) … → Commit(number): the indexes of that version are in force, older ones go
/// </code>
/// </summary>
internal sealed class PatternReference(string file, SourcePlace place)
{
    private static long _order;
    private readonly Lock _lock = new();
    private readonly LinkedList<PatternElement> _elements = [];
    private readonly Dictionary<string, List<LinkedListNode<PatternElement>>> _byPattern = new(StringComparer.Ordinal);
    private readonly Dictionary<uint, Generation> _generations = [];
    private readonly List<PatternSet> _sets = [];
    private readonly List<string> _users = [];
    private Generation _current = new(0, []);

    /// <summary>A version: one index per set.</summary>
    internal sealed record Generation(uint Number, PatternIndex[] Indexes);

    /// <summary>The file as named in the configuration, empty for the words of an ACL.</summary>
    public string File { get; } = file;

    public SourcePlace Place { get; } = place;

    /// <summary>The number after <c>#</c>; given at the end of reading, unless <c>-u</c> did.</summary>
    public int Id { get; set; } = -1;

    public bool UsedByAcl { get; private set; }

    public bool UsedByMap { get; private set; }

    /// <summary>Read as two columns.</summary>
    public bool HasValues { get; init; }

    /// <summary>The version in force.</summary>
    public Generation Current => Volatile.Read(ref _current);

    public uint NextGeneration { get; private set; }

    public IReadOnlyList<PatternSet> Sets => _sets;

    /// <summary>Elements of all versions, times the sets that use them, as the original counts.</summary>
    public long Count
    {
        get
        {
            lock (_lock)
            {
                return (long)_elements.Count * _sets.Count;
            }
        }
    }

    /// <summary>What the list of the runtime API says about it.</summary>
    public string Description { get; private set; } = "";

    /// <summary>Notes who uses it: an ACL that reads it as a map is both.</summary>
    public void AddUser(bool map, string keyword, SourcePlace at, bool acl = false)
    {
        UsedByMap |= map;
        UsedByAcl |= acl || !map;
        if (File.Length == 0)
        {
            Description = $"acl '{keyword}' file '{at.File}' line {at.Line}";
            return;
        }

        _users.Add($"by {(map ? "map" : "acl")} at file '{at.File}' line {at.Line}");
        Description = $"pattern loaded from file '{File}' used {string.Join(", ", _users)}";
    }

    /// <summary>Another way to look into it; null and an error where an element does not suit it.</summary>
    public PatternSet? AddSet(MatchMethod method, bool ignoreCase, MapOutput output, bool resolve, out string error)
    {
        lock (_lock)
        {
            var set = new PatternSet(this, _sets.Count, method, ignoreCase, output, resolve);
            var entries = new List<PatternEntry>(_elements.Count);
            error = "";
            foreach (var element in _elements)
            {
                if (Read(element, set, resolve, out error) is not { } entry)
                {
                    error += element.Line > 0 ? $" at line {element.Line} of file '{File}'" : "";
                    return null;
                }

                entries.Add(entry);
            }

            var index = PatternIndex.Create(method, ignoreCase);
            foreach (var entry in entries)
            {
                entry.Element.Entries.Add(entry);
                index.Add(entry);
            }

            _sets.Add(set);
            _current = new Generation(_current.Number, [.. _current.Indexes, index]);
            _generations[_current.Number] = _current;
            return set;
        }
    }

    /// <summary>
    /// Adds an element to the version in force or another one; an error where it does not suit a set or the version was
    /// not prepared.
    /// </summary>
    public string? Add(string pattern, string? value, uint? generation = null, bool resolve = false, int line = 0)
    {
        lock (_lock)
        {
            uint number = generation ?? _current.Number;
            if ((int)(NextGeneration - number) < 0)
            {
                return $"Version number in the future, please use 'prepare {(UsedByMap ? "map" : "acl")}' before.";
            }

            var element = new PatternElement(Interlocked.Increment(ref _order), number, pattern, value, line);
            foreach (var set in _sets)
            {
                if (Read(element, set, resolve, out string error) is not { } entry)
                {
                    return error;
                }

                element.Entries.Add(entry);
            }

            Insert(element);
            return null;
        }
    }

    /// <summary>Sets the value of all elements of that pattern in force.</summary>
    /// <returns>False = there is none, or the error says what is wrong with the value.</returns>
    public bool Set(string pattern, string value, out string? error)
    {
        lock (_lock)
        {
            return Set(InForce(pattern), value, out error);
        }
    }

    /// <summary>As <see cref="Set(string, string, out string?)"/> for the element of that number.</summary>
    public bool Set(long id, string value, out string? error)
    {
        lock (_lock)
        {
            return Set(ById(id), value, out error);
        }
    }

    /// <summary><c>http-request set-map</c>: sets the value, or adds the element.</summary>
    public void SetOrAdd(string pattern, string value)
    {
        lock (_lock)
        {
            if (!Set(InForce(pattern), value, out string? error) && error is null)
            {
                Add(pattern, value);
            }
        }
    }

    /// <summary><c>http-request add-acl</c>: adds the element unless it is there.</summary>
    public void AddOnce(string pattern)
    {
        lock (_lock)
        {
            if (InForce(pattern).Count == 0)
            {
                Add(pattern, null);
            }
        }
    }

    /// <summary>Deletes all elements of that pattern in force; false = there is none.</summary>
    public bool Delete(string pattern)
    {
        lock (_lock)
        {
            return Delete(InForce(pattern));
        }
    }

    /// <summary>Deletes the element of that number.</summary>
    public bool Delete(long id)
    {
        lock (_lock)
        {
            return Delete(ById(id));
        }
    }

    /// <summary>Deletes all elements of a version.</summary>
    public void Clear(uint? generation)
    {
        lock (_lock)
        {
            uint number = generation ?? _current.Number;
            if (number == _current.Number)
            {
                Volatile.Write(ref _current, Empty(number));
                _generations[number] = _current;
            }
            else
            {
                _generations.Remove(number);
            }

            Purge(e => e.Generation == number);
        }
    }

    /// <summary>Gives out a new version's number.</summary>
    public uint Prepare()
    {
        lock (_lock)
        {
            return ++NextGeneration;
        }
    }

    /// <summary>Puts a version in force and drops the older ones; false = no such version was prepared.</summary>
    public bool Commit(uint number)
    {
        lock (_lock)
        {
            if ((int)(NextGeneration - number) < 0 || (int)(number - _current.Number) <= 0)
            {
                return false;
            }

            Volatile.Write(ref _current, At(number));
            foreach (uint old in _generations.Keys.Where(k => (int)(k - number) < 0).ToList())
            {
                _generations.Remove(old);
            }

            Purge(e => (int)(e.Generation - number) < 0);
            return true;
        }
    }

    /// <summary>The elements of a version in order.</summary>
    public IReadOnlyList<PatternElement> Elements(uint? generation = null)
    {
        lock (_lock)
        {
            uint number = generation ?? _current.Number;
            return [.. _elements.Where(e => e.Generation == number)];
        }
    }

    /// <summary>Makes an element ready for a set, with its value.</summary>
    private static PatternEntry? Read(PatternElement element, PatternSet set, bool resolve, out string error)
    {
        var value = element.Sample is null ? null : MapValue.Read(element.Sample, set.Output);
        if (value is null && element.Sample is not null)
        {
            error = $"unable to parse '{element.Sample}'";
            return null;
        }

        var entry = PatternReader.Read(element, set.Method, set.IgnoreCase, resolve && set.Resolve, out error);
        if (entry is not null)
        {
            entry.Value = value;
        }

        return entry;
    }

    private bool Set(IReadOnlyList<PatternElement> elements, string value, out string? error)
    {
        error = null;
        var values = new MapValue[_sets.Count];
        for (int i = 0; i < values.Length; i++)
        {
            if (MapValue.Read(value, _sets[i].Output) is not { } v)
            {
                error = elements.Count > 0 ? $"unable to parse '{value}'" : null;
                return false;
            }

            values[i] = v;
        }

        foreach (var element in elements)
        {
            element.Sample = value;
            for (int i = 0; i < values.Length; i++)
            {
                element.Entries[i].Value = values[i];
            }
        }

        return elements.Count > 0;
    }

    private bool Delete(List<PatternElement> elements)
    {
        foreach (var element in elements)
        {
            Remove(element);
        }

        return elements.Count > 0;
    }

    private List<PatternElement> InForce(string pattern) => _byPattern.TryGetValue(pattern, out var nodes)
        ? [.. nodes.Select(n => n.Value).Where(e => e.Generation == _current.Number)] : [];

    private List<PatternElement> ById(long id) => [.. _elements.Where(e => e.Order == id)];

    private Generation Empty(uint number) =>
        new(number, [.. _sets.Select(s => PatternIndex.Create(s.Method, s.IgnoreCase))]);

    private Generation At(uint number)
    {
        if (!_generations.TryGetValue(number, out var generation))
        {
            generation = number == _current.Number ? _current : Empty(number);
            _generations.Add(number, generation);
        }

        return generation;
    }

    private void Insert(PatternElement element)
    {
        var node = _elements.AddLast(element);
        if (!_byPattern.TryGetValue(element.Pattern, out var nodes))
        {
            _byPattern.Add(element.Pattern, nodes = new(1));
        }

        nodes.Add(node);
        var indexes = At(element.Generation).Indexes;
        for (int i = 0; i < indexes.Length; i++)
        {
            indexes[i].Add(element.Entries[i]);
        }
    }

    private void Remove(PatternElement element)
    {
        var indexes = At(element.Generation).Indexes;
        for (int i = 0; i < indexes.Length; i++)
        {
            indexes[i].Remove(element.Entries[i]);
        }

        Forget(element);
    }

    private void Forget(PatternElement element)
    {
        var nodes = _byPattern[element.Pattern];
        int at = nodes.FindIndex(n => ReferenceEquals(n.Value, element));
        _elements.Remove(nodes[at]);
        nodes.RemoveAt(at);
        if (nodes.Count == 0)
        {
            _byPattern.Remove(element.Pattern);
        }
    }

    /// <summary>Forgets elements whose indexes are gone already.</summary>
    private void Purge(Func<PatternElement, bool> which)
    {
        for (var node = _elements.First; node is not null;)
        {
            var next = node.Next;
            if (which(node.Value))
            {
                Forget(node.Value);
            }

            node = next;
        }
    }
}
