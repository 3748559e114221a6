using Buoy.Membership.Host;
using Buoy.Membership.Totem;
using CsCheck;

namespace Buoy.Tests;

/// <summary>Packing above the ring, and the ring seq's file.</summary>
public sealed class PackerTests
{
    private static readonly Gen<byte[]> Message = Gen.OneOf(Gen.Byte.Array[0, 40], Gen.Byte.Array[200, 3000]);

    private static List<byte[]> Drain(MessagePacker packer)
    {
        var contents = new List<byte[]>();
        while (packer.TryTake(out byte[] c, out _))
        {
            contents.Add(c);
        }

        return contents;
    }

    [Fact]
    public void Assemble_OfWhatWasPacked_SameMessagesInOrder()
    {
        Message.Array[0, 30].SampleFixed(
            messages =>
            {
                var packer = new MessagePacker(500);
                packer.Open();
                Assert.All(messages, m => Assert.True(packer.TryAdd(0, m)));
                var got = new List<byte[]>();
                var assembler = new MessageAssembler();
                foreach (byte[] contents in Drain(packer))
                {
                    Assert.True(contents.Length <= 500 && assembler.OnContents(1, contents, (_, _, m) =>
                        got.Add(m.ToArray())));
                }

                return got.Count == messages.Length && got.Zip(messages).All(p => p.First.SequenceEqual(p.Second));
            },
            iterations: 300);
    }

    [Fact]
    public void Assemble_AcrossAnInstallation_HalfMessageComesWholeAgain()
    {
        Gen.Select(Message.Array[1, 20], Gen.Int[0, 30]).SampleFixed(
            (messages, cut) =>
            {
                var packer = new MessagePacker(500);
                packer.Open();
                Assert.All(messages, m => Assert.True(packer.TryAdd(0, m)));
                var got = new List<byte[]>();
                var assembler = new MessageAssembler();
                void Take(byte[] c) => assembler.OnContents(1, c, (_, _, m) => got.Add(m.ToArray()));
                for (int i = 0; i < cut && packer.TryTake(out byte[] c, out _); i++)
                {
                    Take(c);
                }

                packer.OnInstalled();
                assembler.Clear();
                Assert.False(packer.TryTake(out _, out _));
                packer.Open();
                Drain(packer).ForEach(Take);
                return got.Count == messages.Length && got.Zip(messages).All(p => p.First.SequenceEqual(p.Second));
            },
            iterations: 300);
    }

    [Fact]
    public void TryAdd_BeyondTheBound_RefusesAndTakesAgainLater()
    {
        var packer = new MessagePacker(1300);
        packer.Open();
        int taken = 0;
        while (packer.TryAdd(0, new byte[MessagePacker.MaxMessage]))
        {
            taken++;
        }

        Assert.InRange(taken, 2, 16);
        Drain(packer);
        Assert.True(packer.TryAdd(0, [1]));
    }

    [Fact]
    public void OnContents_OfNoise_NeverThrows()
    {
        Gen.Byte.Array[0, 100].Array[1, 10].SampleFixed(
            noise =>
            {
                var assembler = new MessageAssembler();
                Array.ForEach(noise, n => assembler.OnContents(1, n, (_, _, _) => { }));
            },
            iterations: 2000);
    }

    [Fact]
    public void RingSeqFile_StoredAndTorn_KeepsTheOtherSlotOrFails()
    {
        string folder = Directory.CreateTempSubdirectory("buoy-seq-").FullName;
        try
        {
            var file = new RingSeqFile(folder, 7);
            Assert.Equal(0ul, file.Load());
            foreach (ulong seq in (ulong[])[1, 5, 9])
            {
                file.Store(seq);
                Assert.Equal(seq, new RingSeqFile(folder, 7).Load());
            }

            byte[] bytes = File.ReadAllBytes(file.Path);
            for (int slot = 0; slot < 2; slot++)
            {
                byte[] torn = [.. bytes];
                torn[slot * 64] ^= 1;
                File.WriteAllBytes(file.Path, torn);
                Assert.Contains(new RingSeqFile(folder, 7).Load(), (ulong[])[5, 9]);
            }

            File.WriteAllText(file.Path, "rubbish");
            Assert.Throws<IOException>(() => new RingSeqFile(folder, 7).Load());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void RingSeqFile_AfterALoad_DoesNotOverwriteTheNewestSlot()
    {
        string folder = Directory.CreateTempSubdirectory("buoy-seq-").FullName;
        try
        {
            for (ulong seq = 1; seq < 20; seq += 3)
            {
                var file = new RingSeqFile(folder, 7);
                file.Load();
                file.Store(seq);
                byte[] bytes = File.ReadAllBytes(file.Path);
                Assert.Contains(Enumerable.Range(0, 2), slot =>
                {
                    byte[] torn = [.. bytes];
                    torn[slot * 64] ^= 1;
                    File.WriteAllBytes(file.Path, torn);
                    return new RingSeqFile(folder, 7).Load() == seq;
                });
                File.WriteAllBytes(file.Path, bytes);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
