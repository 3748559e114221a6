using Buoy.Tests;

namespace Buoy.Balancer.Tests.Configuration;

/// <summary>
/// Scenario files: cases/NAME.cfg and, beside it, what is to be said about it. BUOY_REWRITE=1 writes the expectations anew.
/// Files whose name begins with "ours-" tell what we refuse and the original does not; all others must agree with it.
/// </summary>
public sealed class CaseTests
{
    public static TheoryData<string> Cases()
    {
        var data = new TheoryData<string>();
        foreach (string file in Directory.GetFiles(ConfigurationCase.Folder, "*.cfg").Order(StringComparer.Ordinal))
        {
            data.Add(Path.GetFileNameWithoutExtension(file));
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Load_OfCaseFile_SaysWhatIsExpected(string name)
    {
        string path = Path.Combine(ConfigurationCase.Folder, name + ".cfg");
        string expected = Path.ChangeExtension(path, ".expected");
        string said = ConfigurationCase.Ours(path);
        if (Environment.GetEnvironmentVariable("BUOY_REWRITE") == "1")
        {
            File.WriteAllText(expected, said);
        }

        Assert.Equal(File.ReadAllText(expected), said);
    }

    /// <summary>The cases in which we must agree with the original.</summary>
    public static TheoryData<string> CommonCases() =>
        [.. Cases().Select(c => c.Data).Where(name => !name.StartsWith("ours-", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(CommonCases))]
    public void Load_OfCaseFile_SaysWhatTheOriginalSays(string name)
    {
        string path = Path.Combine(ConfigurationCase.Folder, name + ".cfg");
        Assert.Equal(ConfigurationCase.Original(path), ConfigurationCase.Ours(path));
    }

    [Fact]
    public void Load_OfTheSeed_SaysWhatTheOriginalSays()
    {
        string text = File.ReadAllText(SharedData.Require("seed/haproxy.cfg"));
        SharedData.RequireProgram("haproxy");
        string folder = Directory.CreateTempSubdirectory("buoy-seed").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "error.http"), "HTTP/1.0 503 Service Unavailable\r\nConnection: close\r\n\r\nno\n");
            var lines = text.Split('\n').Select(l => l.Contains("errorfile")
                ? string.Join(' ', l.Trim().Split(' ')[..2]) + $" {folder}/error.http"
                : l.Contains("chroot") ? $"  chroot {folder}" : l.Contains("user haproxy") ? "  user root"
                : l.Contains("group haproxy") ? "  group root" : l.Replace("kube-mast", "kube-mast.invalid."));
            string path = Path.Combine(folder, "haproxy.cfg");
            File.WriteAllText(path, string.Join('\n', lines));
            string said = ConfigurationCase.Ours(path);
            Assert.Contains("Falling back to 'option tcplog'", said);
            Assert.Equal(ConfigurationCase.Original(path), said);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
