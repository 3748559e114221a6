using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Patterns;
using CsCheck;

namespace Buoy.Balancer.Tests.Rules;

/// <summary>Lookups against the plainest possible search, what they cost, and reading while another thread
/// writes.</summary>
public sealed class PatternIndexTests
{
    private static readonly SourcePlace Here = new("test.cfg", 1);
    private static readonly Gen<string> Word = Gen.Char["abAB./"].Array[0, 6].Select(c => new string(c));

    private static (PatternReference Reference, PatternSet Set) New(MatchMethod method, bool ignoreCase)
    {
        var reference = new PatternReference("", Here);
        var set = reference.AddSet(method, ignoreCase, MapOutput.None, resolve: false, out string error);
        Assert.Equal("", error);
        return (reference, set!);
    }

    /// <summary>What the manual says of a method, for one pattern.</summary>
    private static bool Plain(MatchMethod method, string text, string pattern, bool ignoreCase)
    {
        var how = ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        return method switch
        {
            MatchMethod.Str => text.Equals(pattern, how),
            MatchMethod.Beg => text.StartsWith(pattern, how),
            MatchMethod.End => text.EndsWith(pattern, how),
            MatchMethod.Sub => text.Contains(pattern, how),
            _ => false,
        };
    }

    [Theory]
    [InlineData("str", false)]
    [InlineData("str", true)]
    [InlineData("beg", false)]
    [InlineData("beg", true)]
    [InlineData("end", false)]
    [InlineData("end", true)]
    [InlineData("sub", false)]
    [InlineData("sub", true)]
    public void Find_OfText_IsWhatAPlainSearchFinds(string name, bool ignoreCase)
    {
        var method = MatchMethods.Find(name)!.Value;
        Gen.Select(Word.Array[0, 12], Word.Array[0, 4], Word.Array[1, 12]).Sample((patterns, removed, texts) =>
        {
            var (reference, set) = New(method, ignoreCase);
            foreach (string p in patterns)
            {
                Assert.Null(reference.Add(p, null));
            }

            foreach (string r in removed)
            {
                reference.Delete(r);
            }

            var left = patterns.Where(p => !removed.Contains(p)).ToList();
            foreach (string text in texts)
            {
                var matches = left.Where(p => Plain(method, text, p, ignoreCase)).ToList();
                string? expected = method == MatchMethod.Beg && !ignoreCase
                    ? matches.MaxBy(p => p.Length) : matches.FirstOrDefault();
                Assert.Equal(expected, set.Index.Find(Encoding.Latin1.GetBytes(text))?.Element.Pattern);
            }
        }, seed: "0000000000001", iter: 2000, threads: 1);
    }

    [Fact]
    public void Find_OfAnAddress_IsTheSmallestNetwork()
    {
        var network = Gen.Select(Gen.UInt[0, 15], Gen.Int[0, 32]).Select(
            (a, bits) => (Address: a << 28 | a << 4, Bits: bits));
        Gen.Select(network.Array[0, 12], Gen.UInt[0, 15].Array[1, 8]).Sample((networks, addresses) =>
        {
            var (reference, set) = New(MatchMethod.Ip, ignoreCase: false);
            foreach (var (a, bits) in networks)
            {
                Assert.Null(reference.Add($"{Text(a)}/{bits}", null));
            }

            foreach (uint n in addresses)
            {
                uint address = n << 28 | n << 4;
                var best = networks.Where(x => x.Bits == 0 || (x.Address ^ address) >> (32 - x.Bits) == 0)
                    .Select(x => (int?)x.Bits).Max();
                var entry = set.Index.Find(IPAddress.Parse(Text(address)).GetAddressBytes());
                Assert.Equal(best, entry?.Bits);
            }
        }, seed: "0000000000001", iter: 2000, threads: 1);

        static string Text(uint a) => $"{a >> 24}.{(a >> 16) & 255}.{(a >> 8) & 255}.{a & 255}";
    }

    [Fact]
    public void Find_OfANumber_IsTheFirstRangeThatHasIt()
    {
        Gen.Select(Gen.Select(Gen.Int[0, 9], Gen.Int[0, 3]).Array[0, 8], Gen.Int[-1, 12].Array[1, 8]).Sample(
            (ranges, numbers) =>
        {
            var (reference, set) = New(MatchMethod.Int, ignoreCase: false);
            foreach (var (low, length) in ranges)
            {
                Assert.Null(reference.Add(length == 0 ? $"{low}" : $"{low}:{low + length}", null));
            }

            foreach (int n in numbers)
            {
                var first = ranges.Where(r => n >= r.Item1 && n <= r.Item1 + r.Item2).Select(
                    r => ((long, long)?)(r.Item1, r.Item1 + r.Item2))
                    .FirstOrDefault();
                var entry = set.Index.Find((long)n);
                Assert.Equal(first, entry is null ? null : (entry.Low, entry.High));
            }
        }, seed: "0000000000001", iter: 2000, threads: 1);
    }

    [Theory]
    [InlineData("str", "word17", "nothing")]
    [InlineData("beg", "word17/more", "nothing")]
    [InlineData("end", "moreword17", "nothing")]
    [InlineData("sub", "xxword17xx", "nothing")]
    [InlineData("dom", "a.word17.b", "nothing")]
    [InlineData("reg", "xxword17xx", "nothing")]
    public void Find_OfText_AllocatesNothing(string name, string hit, string miss)
    {
        var (reference, set) = New(MatchMethods.Find(name)!.Value, ignoreCase: false);
        for (int i = 0; i < 100; i++)
        {
            reference.Add($"word{i}", null);
        }

        byte[] one = Encoding.Latin1.GetBytes(hit);
        byte[] other = Encoding.Latin1.GetBytes(miss);
        Assert.NotNull(set.Index.Find(one));
        Assert.Null(set.Index.Find(other));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            set.Index.Find(one);
            set.Index.Find(other);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>
    /// A key that stays is found at every moment, while others come and go and versions replace each other.
    /// </summary>
    [Theory]
    [InlineData("str")]
    [InlineData("beg")]
    [InlineData("end")]
    public void Find_WhileAnotherThreadChanges_NeverMissesWhatStays(string name)
    {
        var (reference, set) = New(MatchMethods.Find(name)!.Value, ignoreCase: false);
        reference.Add("stays", null);
        byte[] key = Encoding.Latin1.GetBytes("stays");
        bool done = false;
        int missed = 0;
        var reader = new Thread(() =>
        {
            while (!Volatile.Read(ref done))
            {
                missed += set.Index.Find(key) is null ? 1 : 0;
            }
        });
        reader.Start();
        for (int round = 0; round < 200; round++)
        {
            for (int i = 0; i < 40; i++)
            {
                reference.Add($"s{i}", null);
                reference.Add($"stay{i}s", null);
            }

            for (int i = 0; i < 40; i++)
            {
                reference.Delete($"s{i}");
                reference.Delete($"stay{i}s");
            }

            uint next = reference.Prepare();
            reference.Add("stays", null, next);
            Assert.True(reference.Commit(next));
        }

        Volatile.Write(ref done, true);
        reader.Join();
        Assert.Equal(0, missed);
        Assert.Equal("stays", Assert.Single(reference.Elements()).Pattern);
    }

    [Fact]
    public void IsMatch_OfAPatternThatExplodes_EndsAndDoesNotMatch()
    {
        var regex = ByteRegex.Create("^(a+)+$", ignoreCase: false, capture: true, out string error);
        Assert.Equal("", error);
        Assert.False(regex!.IsMatch(Encoding.Latin1.GetBytes(new string('a', 60) + "b")));
    }
}
