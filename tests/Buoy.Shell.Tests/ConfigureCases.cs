using Buoy.Tests;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Buoy.Shell.Tests;

/// <summary>
/// What the real crmsh made of 105 inputs. A case listed in passing.txt must pass, one that passes must be listed;
/// BUOY_REWRITE=1 writes the list anew.
/// </summary>
public sealed partial class ConfigureCases
{
    private static readonly string List = Path.Combine(SharedData.Repository, "tests", "Buoy.Shell.Tests", "passing.txt");

    public static TheoryData<string> Names()
    {
        var names = new TheoryData<string>();
        string? folder = SharedData.Folder is { } f ? Path.Combine(f, "crm-configure-cases") : null;
        if (folder is null || !Directory.Exists(folder))
        {
            names.Add("");
            return names;
        }

        foreach (string line in File.ReadLines(Path.Combine(folder, "cases.tsv")).Skip(1))
        {
            names.Add(line.Split('\t')[0]);
        }

        return names;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Configure_OfCase_MakesWhatCrmshMade(string name)
    {
        string folder = SharedData.Require("crm-configure-cases");
        SharedData.Require("/usr/lib/ocf/resource.d/heartbeat/Dummy");
        List<string> problems = Problems(folder, name);
        bool listed = File.Exists(List) && File.ReadLines(List).Contains(name);
        if (Environment.GetEnvironmentVariable("BUOY_REWRITE") == "1")
        {
            Rewrite(name, problems.Count == 0);
            return;
        }

        if (listed)
        {
            Assert.True(problems.Count == 0, string.Join("\n", problems));
        }
        else
        {
            Assert.True(problems.Count > 0, $"{name} passes: add it to passing.txt (BUOY_REWRITE=1 does)");
        }
    }

    private static void Rewrite(string name, bool passes)
    {
        lock (List)
        {
            var names = File.Exists(List) ? File.ReadLines(List).ToHashSet() : [];
            _ = passes ? names.Add(name) : names.Remove(name);
            File.WriteAllLines(List, names.Order(StringComparer.Ordinal));
            if (!passes)
            {
                string folder = SharedData.Require("crm-configure-cases");
                Console.WriteLine($"{name}: {string.Join("\n   ", Problems(folder, name))}");
            }
        }
    }

    private static List<string> Problems(string folder, string name)
    {
        string stem = Path.Combine(folder, name);
        string[] row = File.ReadLines(Path.Combine(folder, "cases.tsv")).Select(l => l.Split('\t')).First(r => r[0] == name);
        using var shell = new OfflineShell(File.ReadAllText(Path.Combine(folder, "base.xml")));
        string[] options = row[2].Length > 0 ? [row[2]] : [];
        (int rc, string output, string error) = shell.Crm([.. options, "configure"], File.ReadAllText(stem + ".crm"));
        var problems = new List<string>();
        if (rc.ToString() != row[3])
        {
            problems.Add($"exit status {rc}, expected {row[3]}");
        }

        Compare("messages", Messages(Optional(stem + ".err") + Optional(stem + ".out")), Messages(error + output), problems);
        Compare("cib", Canonical(XElement.Load(stem + ".xml")), Canonical(XElement.Parse(shell.CibText)), problems);
        Compare("show", File.ReadAllText(stem + ".show").TrimEnd(), shell.Crm(["configure", "show"], "").Output.TrimEnd(), problems);
        return problems;
    }

    private static void Compare(string what, string expected, string found, List<string> problems)
    {
        if (expected != found)
        {
            problems.Add($"{what}: expected\n{expected}\nfound\n{found}");
        }
    }

    private static string Optional(string path) => File.Exists(path) ? File.ReadAllText(path) : "";

    /// <summary>What crmsh itself words, without what it passes on from crm_verify.</summary>
    private static string Messages(string text) => string.Join("\n", text.Split('\n')
        .Where(l => l.StartsWith("ERROR:", StringComparison.Ordinal) || l.StartsWith("WARNING:", StringComparison.Ordinal))
        .Where(l => !PassedOn().IsMatch(l)).Order(StringComparer.Ordinal));

    [GeneratedRegex(@"^\w+: +(\(\w+\) \t|crm_verify:|\w+ \(\d+\):|element \w+:|Entity:|Relax-NG)|got no meta-data")]
    private static partial Regex PassedOn();

    /// <summary>Configuration and status with attributes in the order of their names.</summary>
    private static string Canonical(XElement cib)
    {
        var copy = new XElement(cib);
        foreach (XElement e in copy.DescendantsAndSelf())
        {
            List<XAttribute> sorted = [.. e.Attributes().OrderBy(a => a.Name.LocalName, StringComparer.Ordinal)];
            e.ReplaceAttributes(sorted);
            e.Nodes().Where(n => n is not XElement).ToList().ForEach(n => n.Remove());
        }

        var sections = copy.Element("configuration")!.Elements().Where(s => s.HasElements).OrderBy(s => s.Name.LocalName).ToList();
        return string.Join("\n", sections.Select(s => s.ToString()));
    }
}
