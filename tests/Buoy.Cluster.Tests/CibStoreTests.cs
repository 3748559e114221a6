using Buoy.Cib.Persistence;
using Buoy.Linux;
using CsCheck;

namespace Buoy.Cluster.Tests;

/// <summary>The CIB on disk: what was written is found, what was torn or altered is not.</summary>
public sealed class CibStoreTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("buoy-cib-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Cib(int epoch) =>
        $"""
            <cib epoch="{epoch}" num_updates="0" admin_epoch="0"><configuration><crm_config/><nodes/><resources/>
            <constraints/></configuration><status/></cib>
            """;

    private CibStore Store(int keep = 10) => new(_folder, FolderSync.Sync, keep);

    private string Current => Path.Combine(_folder, CibStore.FileName);

    [Fact]
    public void Load_OfAnEmptyFolder_FindsNothingAndSaysNothing()
    {
        var load = Store().Load();
        Assert.Null(load.Document);
        Assert.Empty(load.Messages);
    }

    [Fact]
    public void Load_AfterWrites_FindsTheLast()
    {
        for (int i = 1; i <= 5; i++)
        {
            Store().Write(Cib(i));
        }

        var load = Store().Load();
        Assert.Equal(5, load.Document!.Version.Epoch);
        Assert.Empty(load.Messages);
    }

    [Fact]
    public void Write_ManyTimes_KeepsTheLastVersionsOnly()
    {
        for (int i = 1; i <= 9; i++)
        {
            Store(3).Write(Cib(i));
        }

        Assert.Equal(["cib-5.raw", "cib-6.raw", "cib-7.raw"], Directory.GetFiles(_folder, "cib-*.raw")
            .Select(Path.GetFileName).Order());
    }

    [Fact]
    public void Load_AfterAnyTruncationOrBitFlip_FindsTheVersionBeforeAndSaysSo()
    {
        Store().Write(Cib(1));
        Store().Write(Cib(2));
        byte[] good = File.ReadAllBytes(Current);
        Gen.Select(Gen.Int[0, good.Length - 1], Gen.Int[0, 8]).Sample((at, bit) =>
        {
            byte[] bad = bit == 8 ? good[..at] : (byte[])good.Clone();
            if (bit < 8)
            {
                bad[at] ^= (byte)(1 << bit);
            }

            File.WriteAllBytes(Current, bad);
            var load = Store().Load();
            Assert.Equal(1, load.Document!.Version.Epoch);
            Assert.NotEmpty(load.Messages);
        }, iter: 300, threads: 1);
    }

    [Fact]
    public void Load_AfterAWriteThatEndedAtAnyStep_FindsTheOldOrTheNew()
    {
        Store().Write(Cib(1));
        Store().Write(Cib(2));
        var before = Directory.GetFiles(_folder).ToDictionary(f => f, File.ReadAllBytes);
        Store().Write(Cib(3));
        var after = Directory.GetFiles(_folder).ToDictionary(f => f, File.ReadAllBytes);
        byte[] next = after[Current], signature = after[Current + ".sig"];
        string backup = Path.Combine(_folder, "cib-1.raw");
        Action[] steps =
        [
            () => File.WriteAllBytes(Current + ".tmp", next[..(next.Length / 2)]),
            () => File.WriteAllBytes(Current + ".tmp", next),
            () => File.WriteAllBytes(Current + ".sig.tmp", signature),
            () => File.Move(Current, backup),
            () => File.Move(Current + ".sig", backup + ".sig"),
            () => File.Move(Current + ".tmp", Current),
            () => File.Move(Current + ".sig.tmp", Current + ".sig"),
        ];
        for (int done = 0; done <= steps.Length; done++)
        {
            foreach (string f in Directory.GetFiles(_folder))
            {
                File.Delete(f);
            }

            foreach (var (file, content) in before)
            {
                File.WriteAllBytes(file, content);
            }

            foreach (var step in steps.Take(done))
            {
                step();
            }

            Assert.Equal(done < 6 ? 2 : 3, Store().Load().Document!.Version.Epoch);
        }
    }

    [Fact]
    public void Load_WithNothingGoodLeft_SaysThatItBeginsEmpty()
    {
        Store().Write(Cib(1));
        File.WriteAllText(Current, Cib(7));
        var load = Store().Load();
        Assert.Null(load.Document);
        Assert.Contains(load.Messages, m => m.Contains("no digest"));
        Assert.Contains(load.Messages, m => m.Contains("beginning with an empty one"));
    }
}
