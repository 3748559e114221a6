namespace Buoy.Tests;

/// <summary>
/// Finds the data that tests compare with and that is not part of the project: the folder <c>shared</c> beside the
/// repository, or the one BUOY_CASES names. Where it is missing the test is skipped and says so.
/// </summary>
internal static class SharedData
{
    /// <summary>The repository's root.</summary>
    public static string Repository { get; } = FindUp(AppContext.BaseDirectory, "Buoy.slnx")
        ?? throw new InvalidOperationException("the repository's root is not above the test");

    /// <summary>The folder, or null.</summary>
    public static string? Folder { get; } = Find();

    /// <summary>Path of a file or folder in it; skips the calling test where there is none.</summary>
    public static string Require(string relative)
    {
        string path = Path.Combine(Folder ?? "", relative);
        Assert.SkipUnless(Folder is not null && Path.Exists(path), $"{relative} is not beside the repository, and BUOY_CASES does not name it");
        return path;
    }

    /// <summary>Skips the calling test where a program is not installed.</summary>
    public static string RequireProgram(string name)
    {
        string? found = (Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin").Split(':')
            .Select(d => Path.Combine(d, name)).FirstOrDefault(File.Exists);
        Assert.SkipUnless(found is not null, $"{name} is not installed");
        return found!;
    }

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("BUOY_CASES") is { Length: > 0 } named)
        {
            return Directory.Exists(named) ? named : null;
        }

        string beside = Path.Combine(Path.GetDirectoryName(Repository)!, "shared");
        return Directory.Exists(beside) ? beside : null;
    }

    private static string? FindUp(string? from, string name)
    {
        while (from is not null && !File.Exists(Path.Combine(from, name)))
        {
            from = Path.GetDirectoryName(from);
        }

        return from;
    }
}
