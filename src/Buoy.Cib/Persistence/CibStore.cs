using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Buoy.Cib.Persistence;

/// <summary>What was found on disk.</summary>
/// <param name="Document">The newest good CIB; null where there is none.</param>
/// <param name="Messages">What was wrong, one sentence each; empty when all was well.</param>
public sealed record CibLoad(CibDocument? Document, IReadOnlyList<string> Messages);

/// <summary>
/// The CIB on disk: <c>cib.xml</c> with its digest in <c>cib.xml.sig</c>, and the versions before as <c>cib-N.raw</c>,
/// the
/// names that Pacemaker gives them. A file is only believed when some digest file of the folder says what it holds, so
/// a torn or
/// altered one is never loaded.
/// </summary>
/// <remarks>
/// Steps of a write, each of which may be the last one: (1) new text and digest to temporary files, both synced; (2)
/// the present
/// pair becomes cib-N; (3) the temporary pair takes its place; (4) the folder is synced. After any of them the last
/// written or
/// the new CIB is found: its digest stands in one of the digest files, under whatever name.
/// </remarks>
public sealed class CibStore
{
    /// <summary>The current CIB.</summary>
    public const string FileName = "cib.xml";
    private const string Signature = ".sig";
    private const string Temporary = ".tmp";
    private const string BackupPattern = "cib-*.raw";
    private readonly string _folder;
    private readonly Action<string> _syncFolder;
    private readonly int _keep;

    /// <param name="folder">Is made where it does not exist, for its owner only.</param>
    /// <param name="syncFolder">fsync of a folder.</param>
    /// <param name="keep">How many older versions stay.</param>
    public CibStore(string folder, Action<string> syncFolder, int keep = 10)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        _folder = folder;
        _syncFolder = syncFolder;
        _keep = keep;
        if (!Directory.Exists(folder) && !OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder,
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    /// <summary>Finds the newest good CIB. Throws <see cref="IOException"/> only where the folder cannot be
    /// read.</summary>
    public CibLoad Load()
    {
        var messages = new List<string>();
        var digests = Directory.GetFiles(_folder, "*" + Signature)
            .Concat(Directory.GetFiles(_folder, "*" + Signature + Temporary))
            .Select(ReadDigest).Where(d => d is not null).ToHashSet();
        string current = Path.Combine(_folder, FileName);
        if (File.Exists(current) && Read(current, digests!, messages) is { } good)
        {
            return new CibLoad(good, messages);
        }

        var backups = Directory.GetFiles(_folder, BackupPattern);
        if (!File.Exists(current) && (backups.Length > 0 || digests.Count > 0))
        {
            messages.Add($"{current} is missing");
        }

        var best = backups.Select(f => (File: f, Document: Read(f, digests!, messages))).Where(c =>
            c.Document is not null)
            .OrderByDescending(c => c.Document!.Version).ThenByDescending(c => Number(c.File)).FirstOrDefault();
        if (best.Document is not null)
        {
            messages.Add($"going on with {best.File}, version {best.Document.Version}");
        }
        else if (messages.Count > 0)
        {
            messages.Add("no good CIB is left: beginning with an empty one");
        }

        return new CibLoad(best.Document, messages);
    }

    /// <summary>Writes a CIB; returns when it is on the disk. Throws <see cref="IOException"/> where it cannot
    /// be.</summary>
    public void Write(string xml)
    {
        byte[] content = Encoding.UTF8.GetBytes(xml);
        string current = Path.Combine(_folder, FileName);
        string signature = current + Signature;
        WriteSynced(current + Temporary, content);
        WriteSynced(signature + Temporary, Encoding.ASCII.GetBytes(Digest(content) + "\n"));
        if (File.Exists(current))
        {
            string backup = Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture,
                $"cib-{NextNumber()}.raw"));
            File.Move(current, backup, overwrite: true);
            if (File.Exists(signature))
            {
                File.Move(signature, backup + Signature, overwrite: true);
            }
        }

        File.Move(current + Temporary, current, overwrite: true);
        File.Move(signature + Temporary, signature, overwrite: true);
        _syncFolder(_folder);
        Prune();
    }

    private static string Digest(ReadOnlySpan<byte> content) => Convert.ToHexStringLower(SHA256.HashData(content));

    private static string? ReadDigest(string file)
    {
        const int Longest = 256;
        try
        {
            return new FileInfo(file).Length > Longest ? null : File.ReadAllText(file).Trim();
        }
        catch (IOException)
        {
            // An unreadable digest vouches for nothing.
            return null;
        }
    }

    private static CibDocument? Read(string file, HashSet<string> digests, List<string> messages)
    {
        try
        {
            byte[] content = File.ReadAllBytes(file);
            if (!digests.Contains(Digest(content)))
            {
                messages.Add($"{file} is not what was written: no digest in its folder fits it");
                return null;
            }

            return CibDocument.Parse(Encoding.UTF8.GetString(content));
        }
        catch (Exception e) when (e is IOException or CibException or UnauthorizedAccessException)
        {
            messages.Add($"{file}: {e.Message}");
            return null;
        }
    }

    private static void WriteSynced(string file, byte[] content)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using var stream = new FileStream(file, options);
        stream.Write(content);
        stream.Flush(flushToDisk: true);
    }

    private static long Number(string backup) =>
        long.TryParse(Path.GetFileName(backup)["cib-".Length..^".raw".Length], out long n) ? n : -1;

    private long NextNumber() => Directory.GetFiles(_folder, BackupPattern).Select(Number).DefaultIfEmpty(-1).Max() + 1;

    private void Prune()
    {
        foreach (string old in Directory.GetFiles(_folder, BackupPattern).OrderByDescending(Number).Skip(_keep))
        {
            File.Delete(old);
            File.Delete(old + Signature);
        }
    }
}
