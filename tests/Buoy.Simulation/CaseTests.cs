namespace Buoy.Simulation;

/// <summary>
/// Scenario files: story, commands, expected trace. BUOY_REWRITE=1 (or <c>./buoy sim --cases --rewrite</c>) writes the
/// traces anew: commit a rewrite only if you understand its cause.
/// </summary>
public sealed class CaseTests
{
    internal static string Folder { get; } = Find();

    public static TheoryData<string> Cases() =>
        [.. Directory.GetFiles(Folder, "*.case").Select(p => Path.GetFileNameWithoutExtension(p)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Case_Run_GivesItsTrace(string name)
    {
        string path = Path.Combine(Folder, name + ".case");
        var file = new CaseFile(File.ReadAllText(path));
        string trace = file.Run();
        Assert.DoesNotContain("VIOLATION", trace, StringComparison.Ordinal);
        if (Environment.GetEnvironmentVariable("BUOY_REWRITE") == "1")
        {
            File.WriteAllText(path, file.With(trace));
        }
        else
        {
            Assert.Equal(file.Expected, trace);
        }
    }

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string cases = Path.Combine(folder.FullName, "tests", "Buoy.Simulation", "cases");
            if (Directory.Exists(cases))
            {
                return cases;
            }
        }

        throw new DirectoryNotFoundException("tests/Buoy.Simulation/cases");
    }
}
