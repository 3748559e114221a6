using System.Diagnostics;
using System.Text;
using Buoy.Balancer.Rules.Samples;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.Rules;

/// <summary>Our fetches and converters against the tables the original prints (<c>haproxy -dKsmp,cnv</c>).</summary>
public sealed class SampleTableTests
{
    [Fact]
    public void Fetches_HaveTheSignaturesOfTheOriginal()
    {
        var printed = Printed("smp").Where(l => l.StartsWith("[ ", StringComparison.Ordinal))
            .ToDictionary(l => l[48..].Split('(', ':')[0].Trim());
        var wrong = new List<string>();
        foreach (var f in SampleRegistry.AllFetches)
        {
            string columns = string.Join(' ', Enumerable.Range(0, 22)
                .Select(i => ((uint)f.Source.Places() >> i & 1) != 0 ? "Y" : "."));
            string ours = $"[ {columns} ] {f.Name}{(f.Signature.Length > 0 ? $"({f.Signature})" : "")}: {Name(f.Type)}";
            if (printed.GetValueOrDefault(f.Name) != ours)
            {
                wrong.Add($"{ours}\n  original: {printed.GetValueOrDefault(f.Name)}");
            }
        }

        Assert.Empty(wrong);
        Assert.True(printed.Count > 200, "the original lists no fetches");
    }

    [Fact]
    public void Converters_HaveTheSignaturesOfTheOriginal()
    {
        var printed = Printed("cnv").Where(l => l.Contains(" => ")).ToDictionary(l => l.Split('(', ':')[0].Trim());
        var wrong = new List<string>();
        foreach (var c in SampleRegistry.AllConverters)
        {
            string ours = $"{c.Name}{(c.Signature.Length > 0 ? $"({c.Signature})" : "")}: {Name(c.Output)} => {Name(c.Input)}";
            if (printed.GetValueOrDefault(c.Name) != ours)
            {
                wrong.Add($"{ours}\n  original: {printed.GetValueOrDefault(c.Name)}");
            }
        }

        Assert.Empty(wrong);
        Assert.True(printed.Count > 100, "the original lists no converters");
    }

    private static string Name(SampleType type) => type switch
    {
        SampleType.Address => "addr", SampleType.Method => "meth", _ => type.ToString().ToLowerInvariant(),
    };

    private static string[] Printed(string what)
    {
        string haproxy = SharedData.RequireProgram("haproxy");
        string config = Path.GetTempFileName();
        try
        {
            File.WriteAllText(config, "backend b\n");
            using var p = Process.Start(new ProcessStartInfo(haproxy, [$"-dK{what}", "-c", "-f", config])
            {
                RedirectStandardOutput = true, RedirectStandardError = true, StandardOutputEncoding = Encoding.Latin1,
            })!;
            _ = p.StandardError.ReadToEndAsync();
            string text = p.StandardOutput.ReadToEnd();
            p.WaitForExit();
            return [.. text.Split('\n').Select(l => l.TrimEnd())];
        }
        finally
        {
            File.Delete(config);
        }
    }
}
