using Buoy.Balancer.Tests.Configuration;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.Rules;

/// <summary>
/// Lines of rules, right and wrong (lines.txt, <c>\n</c> between two lines of one case), each in a frontend or, behind
/// <c>backend:</c>, in a backend: verdict and messages are the original's. Lines behind <c>ours:</c> say what we refuse.
/// </summary>
public sealed class RuleLineTests
{
    [Fact]
    public void Load_OfEachLine_SaysWhatTheOriginalSays()
    {
        SharedData.RequireProgram("haproxy");
        string folder = Directory.CreateTempSubdirectory("buoy-lines").FullName;
        string[] lines = [.. File.ReadLines(Path.Combine(Path.GetDirectoryName(RulePair.Folder)!, "lines.txt"))
            .Where(l => l.Trim().Length > 0 && l[0] != '#')];
        string[] wrong = new string[lines.Length];
        try
        {
            Parallel.For(0, lines.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
            {
                string path = Path.Combine(folder, $"{i}.cfg");
                wrong[i] = Compare(lines[i], path);
            });
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        string all = string.Concat(wrong);
        if (all.Length > 0 && Environment.GetEnvironmentVariable("BUOY_TRANSCRIPTS") is { Length: > 0 } transcripts)
        {
            File.WriteAllText(Path.Combine(transcripts, "lines"), all);
        }

        Assert.Equal("", all);
    }

    private static string Compare(string line, string path)
    {
        bool own = line.StartsWith("ours:", StringComparison.Ordinal);
        File.WriteAllText(path, Configuration(own ? line[5..] : line));
        string ours = ConfigurationCase.Ours(path);
        if (own)
        {
            return ours.Contains("is not supported yet") ? "" : $"> {line}\n  ours refuses no more: {ours}\n";
        }

        string original = ConfigurationCase.Original(path);
        return ours == original ? "" : $"> {line}\n  original: {original}  ours:     {ours}";
    }

    private static string Configuration(string text)
    {
        bool backend = text.StartsWith("backend:", StringComparison.Ordinal);
        bool tcp = text.StartsWith("tcp:", StringComparison.Ordinal);
        text = backend ? text[8..] : tcp ? text[4..] : text;
        string head = $"defaults\n  mode {(tcp ? "tcp" : "http")}\n  timeout client 1s\n  timeout server 1s\n  timeout connect 1s\n";
        string lines = string.Concat(text.Split("\\n").Select(l => $"  {l.Trim()}\n"));
        return head + (backend ? "frontend f\n  bind :18080\nbackend b\n" : "frontend f\n  bind :18080\n") + lines;
    }
}
