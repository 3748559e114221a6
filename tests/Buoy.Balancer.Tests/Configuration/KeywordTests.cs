using System.Diagnostics;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.Configuration;

/// <summary>The tables of keywords: printed to docs/haproxy-keywords.md, and complete as the original knows them.</summary>
public sealed class KeywordTests
{
    [Fact]
    public void Document_OfKeywords_IsPrintedFromTheTables()
    {
        string path = Path.Combine(SharedData.Repository, "docs", "haproxy-keywords.md");
        string text = Print();
        if (Environment.GetEnvironmentVariable("BUOY_REWRITE") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }

        Assert.Equal(text, File.ReadAllText(path));
    }

    [Fact]
    public async Task Tables_HoldEveryKeywordTheOriginalRegisters()
    {
        string haproxy = SharedData.RequireProgram("haproxy");
        string config = Path.GetTempFileName();
        try
        {
            File.WriteAllText(config, "backend b\n");
            using var p = Process.Start(new ProcessStartInfo(haproxy, ["-dKcfg", "-c", "-f", config])
            {
                RedirectStandardOutput = true, RedirectStandardError = true,
            })!;
            var error = p.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            string[] lines = (await p.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Split('\n');
            await error;
            await p.WaitForExitAsync(TestContext.Current.CancellationToken);
            var missing = Registered(lines).Where(k => !k.Table.ContainsKey(k.Keyword)).Select(k => k.Keyword).ToArray();
            Assert.True(lines.Length > 100, "the original lists no keywords");
            Assert.Empty(missing);
        }
        finally
        {
            File.Delete(config);
        }
    }

    private static IEnumerable<(IReadOnlyDictionary<string, KeywordStatus> Table, string Keyword)> Registered(string[] lines)
    {
        string section = "";
        foreach (string line in lines)
        {
            if (line.Length > 0 && line[0] != '\t')
            {
                section = line;
                continue;
            }

            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (words.Length == 0)
            {
                continue;
            }

            switch (section, words[0])
            {
                case ("global", _):
                    yield return (Keywords.Global, words[0]);
                    break;
                case ("listen", "bind"):
                    yield return (Keywords.Bind, words[2] == "ssl" && words.Length > 3 && words[3][0] != '+' ? words[3] : words[2]);
                    break;
                case ("listen", "server"):
                    yield return (Keywords.Server, words[3]);
                    break;
                case ("listen", "option"):
                    yield return (Keywords.Options, words[1]);
                    break;
                case ("listen", _):
                    yield return (Keywords.Proxy, words[0]);
                    break;
            }
        }
    }

    private static string Print()
    {
        var text = new StringBuilder("""
            # Keywords of haproxy.cfg

            Printed from `src/Buoy.Balancer/Configuration/Keywords.cs` by a test. **Supported** keywords are read, checked and acted
            upon; **accepted** ones are allowed and have no effect here (tuning of the original's internals); **refused** ones are
            known by name, and an alert says that they are not supported yet.

            """.ReplaceLineEndings("\n"));
        foreach (var (title, table) in Keywords.All)
        {
            text.Append($"\n## {title}\n");
            foreach (var status in Enum.GetValues<KeywordStatus>())
            {
                var words = table.Where(k => k.Value == status).Select(k => $"`{k.Key}`").ToArray();
                if (words.Length > 0)
                {
                    text.Append($"\n{status}:\n{Wrap(words)}");
                }
            }
        }

        return text.ToString();
    }

    private static string Wrap(IEnumerable<string> words)
    {
        var text = new StringBuilder();
        int column = 0;
        foreach (string w in words)
        {
            if (column + w.Length + 1 > 118)
            {
                text.Append('\n');
                column = 0;
            }

            text.Append(column > 0 ? " " : "").Append(w);
            column += w.Length + 1;
        }

        return text.Append('\n').ToString();
    }
}
