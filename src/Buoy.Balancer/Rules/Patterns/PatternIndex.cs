using System.Buffers.Binary;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>
/// The patterns of one set and version, arranged for its method. One writer at a time; lookups take no lock and
/// allocate
/// nothing (a regular expression: its engine's own).
/// </summary>
internal abstract class PatternIndex
{
    /// <summary>Is a lookup quicker than going through all? The word <c>get map</c> shows.</summary>
    public virtual bool IsTree => false;

    public static PatternIndex Create(MatchMethod method, bool ignoreCase) => method switch
    {
        MatchMethod.Str => new ExactIndex(ignoreCase),
        MatchMethod.Bin => new ExactIndex(ignoreCase: false, tree: false),
        MatchMethod.Beg => new PrefixIndex(ignoreCase),
        MatchMethod.End => new SuffixIndex(ignoreCase),
        MatchMethod.Int or MatchMethod.Len or MatchMethod.Version => new RangeIndex(),
        MatchMethod.Ip => new NetworkIndex(),
        MatchMethod.Found or MatchMethod.Bool => new NoIndex(),
        _ => new ScanIndex(method, ignoreCase),
    };

    /// <summary>The matching entry for text or bytes, null = none.</summary>
    public virtual PatternEntry? Find(ReadOnlySpan<byte> text) => null;

    /// <summary>The matching entry for a number.</summary>
    public virtual PatternEntry? Find(long number) => null;

    public abstract void Add(PatternEntry entry);

    public abstract void Remove(PatternEntry entry);

    /// <summary>found, bool: patterns are not looked at.</summary>
    private sealed class NoIndex : PatternIndex
    {
        public override void Add(PatternEntry entry)
        {
        }

        public override void Remove(PatternEntry entry)
        {
        }
    }

    /// <summary>str, bin.</summary>
    private sealed class ExactIndex(bool ignoreCase, bool tree = true) : PatternIndex
    {
        private readonly TextTable _table = new(ignoreCase);

        public override bool IsTree => tree && !ignoreCase;

        public override PatternEntry? Find(ReadOnlySpan<byte> text) => _table.Find(text);

        public override void Add(PatternEntry entry) => _table.Add(entry.Text, entry);

        public override void Remove(PatternEntry entry) => _table.Remove(entry.Text, entry);
    }

    /// <summary>beg: the longest prefix; where case is ignored, the first that was given, as in the original.</summary>
    private sealed class PrefixIndex(bool ignoreCase) : PatternIndex
    {
        private readonly PrefixTree _tree = new(ignoreCase, backwards: false);

        public override bool IsTree => !ignoreCase;

        public override PatternEntry? Find(ReadOnlySpan<byte> text) =>
            ignoreCase ? _tree.FindFirst(text) : _tree.FindLongest(text);

        public override void Add(PatternEntry entry) => _tree.Add(entry);

        public override void Remove(PatternEntry entry) => _tree.Remove(entry);
    }

    /// <summary>end: the first that was given.</summary>
    private sealed class SuffixIndex(bool ignoreCase) : PatternIndex
    {
        private readonly PrefixTree _tree = new(ignoreCase, backwards: true);

        public override PatternEntry? Find(ReadOnlySpan<byte> text) => _tree.FindFirst(text);

        public override void Add(PatternEntry entry) => _tree.Add(entry);

        public override void Remove(PatternEntry entry) => _tree.Remove(entry);
    }

    /// <summary>int, len: the first given that the number lies in. Single numbers are looked up, ranges gone
    /// through.</summary>
    private sealed class RangeIndex : PatternIndex
    {
        private readonly TextTable _single = new(fold: false);
        private readonly EntryList _ranges = new();

        public override PatternEntry? Find(ReadOnlySpan<byte> text) => Find(text.Length);

        public override PatternEntry? Find(long number)
        {
            Span<byte> key = stackalloc byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(key, number);
            var single = _single.Find(key);
            foreach (var e in _ranges.Entries)
            {
                if (number >= e.Low && number <= e.High)
                {
                    return single is not null && single.Element.Order < e.Element.Order ? single : e;
                }
            }

            return single;
        }

        public override void Add(PatternEntry entry)
        {
            if (entry.Low == entry.High)
            {
                _single.Add(Key(entry), entry);
            }
            else
            {
                _ranges.Add(entry);
            }
        }

        public override void Remove(PatternEntry entry)
        {
            if (entry.Low == entry.High)
            {
                _single.Remove(Key(entry), entry);
            }
            else
            {
                _ranges.Remove(entry);
            }
        }

        private static byte[] Key(PatternEntry entry)
        {
            byte[] key = new byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(key, entry.Low);
            return key;
        }
    }

    /// <summary>ip: the smallest network, of the address's own family first (manual 7.1.6); then masks with
    /// holes.</summary>
    private sealed class NetworkIndex : PatternIndex
    {
        private const ulong MappedTag = 0xffff00000000;
        private readonly NetworkTree _v4 = new();
        private readonly NetworkTree _v6 = new();
        private readonly EntryList _holes = new();

        public override bool IsTree => true;

        public override PatternEntry? Find(ReadOnlySpan<byte> text)
        {
            if (text.Length == 4)
            {
                uint address = BinaryPrimitives.ReadUInt32BigEndian(text);
                return _v4.Find((UInt128)address << 96)
                    ?? (_v6.IsEmpty ? null : _v6.Find(new UInt128(0, MappedTag | address))) ?? Holes(address);
            }

            if (text.Length != 16)
            {
                return null;
            }

            var six = BinaryPrimitives.ReadUInt128BigEndian(text);
            if (_v6.Find(six) is { } entry)
            {
                return entry;
            }

            uint? four = text[0] == 0x20 && text[1] == 2 ? BinaryPrimitives.ReadUInt32BigEndian(text[2..])
                : six >> 32 == UInt128.Zero || six >> 32 == 0xffff ? (uint)(six & uint.MaxValue) : null;
            return four is { } f ? _v4.Find((UInt128)f << 96) ?? Holes(f) : null;
        }

        public override void Add(PatternEntry entry)
        {
            if (entry.Bits < 0)
            {
                _holes.Add(entry);
            }
            else
            {
                (entry.Address.Length == 4 ? _v4 : _v6).Add(entry);
            }
        }

        public override void Remove(PatternEntry entry)
        {
            if (entry.Bits < 0)
            {
                _holes.Remove(entry);
            }
            else
            {
                (entry.Address.Length == 4 ? _v4 : _v6).Remove(entry);
            }
        }

        private PatternEntry? Holes(uint address)
        {
            foreach (var e in _holes.Entries)
            {
                if ((address & e.Mask) == BinaryPrimitives.ReadUInt32BigEndian(e.Address))
                {
                    return e;
                }
            }

            return null;
        }
    }

    /// <summary>sub, dir, dom, reg: one after the other.</summary>
    private sealed class ScanIndex(MatchMethod method, bool ignoreCase) : PatternIndex
    {
        private readonly EntryList _list = new();

        public override PatternEntry? Find(ReadOnlySpan<byte> text)
        {
            foreach (var e in _list.Entries)
            {
                bool match = method switch
                {
                    MatchMethod.Sub => TextFold.IndexOf(text, e.Text, ignoreCase) >= 0,
                    MatchMethod.Reg or MatchMethod.Regm => e.Regex!.IsMatch(text),
                    _ => WordMatch.Find(text, e.Text, method, ignoreCase),
                };
                if (match)
                {
                    return e;
                }
            }

            return null;
        }

        public override void Add(PatternEntry entry) => _list.Add(entry);

        public override void Remove(PatternEntry entry) => _list.Remove(entry);
    }

    /// <summary>Entries in order; readers see a moment's state.</summary>
    private sealed class EntryList
    {
        private PatternEntry[] _entries = [];
        private Slice _slice = new([], 0);

        private sealed record Slice(PatternEntry[] Entries, int Count);

        public ReadOnlySpan<PatternEntry> Entries
        {
            get
            {
                var slice = Volatile.Read(ref _slice);
                return slice.Entries.AsSpan(0, slice.Count);
            }
        }

        public void Add(PatternEntry entry)
        {
            int count = _slice.Count;
            if (count == _entries.Length)
            {
                Array.Resize(ref _entries, Math.Max(4, count * 2));
            }

            _entries[count] = entry;
            Volatile.Write(ref _slice, new Slice(_entries, count + 1));
        }

        public void Remove(PatternEntry entry)
        {
            PatternEntry[] rest = [.. Entries.ToArray().Where(e => !ReferenceEquals(e, entry))];
            _entries = rest;
            Volatile.Write(ref _slice, new Slice(rest, rest.Length));
        }
    }
}
