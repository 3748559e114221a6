using System.Diagnostics;
using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Shell.Language;
using Buoy.Tests;
using CsCheck;

namespace Buoy.Shell.Tests;

/// <summary>The crm language: what holds for every text and every configuration.</summary>
public sealed class LanguageTests
{
    private static Gen<string> Any(params string[] all) => Gen.Int[0, all.Length - 1].Select(i => all[i]);

    private static readonly Gen<string> Id = Gen.String[Gen.Char["abcdexyz"], 1, 6];

    private static readonly Gen<string> Value = Gen.String[Gen.Char["ab1./:=@ '\"#(),-_"], 0, 12];

    private static readonly Gen<string> Pairs = Gen.Select(Id, Value, (n, v) =>
        $"{n}={CrmTokenizer.QuoteAlways(v)}").Array[1, 3]
        .Select(p => string.Join(' ', p.DistinctBy(x => x.Split('=')[0])));

    private static readonly Gen<string> Line = Gen.OneOf(
        Gen.Select(Id, Pairs, Pairs, Gen.Int[1, 99], (id, p, m, t) =>
            $"primitive p{id} Dummy params {p} meta {m} op monitor interval={t}s timeout={t + 1}"),
        Gen.Select(Id, Id, Gen.Int[-9, 999], (id, r, s) => $"location l{id} r{r} {s}: node1"),
        Gen.Select(Id, Id, Id, (id, a, b) => $"location l{id} r{a} rule {id.Length}: #uname eq n{a} and x{b} gt 3"),
        Gen.Select(Id, Id, Id, (id, a, b) => $"colocation c{id} inf: a{a} b{b}:Promoted"),
        Gen.Select(Id, Id, Id, (id, a, b) => $"order o{id} Optional: a{a} ( b{b} c{a} ) symmetrical=false"),
        Gen.Select(Id, Pairs, (id, p) => $"property $id=s{id} {p}"),
        Gen.Select(Id, Id, Pairs, (id, v, p) => $"alert a{id} /bin/{v} attributes {p} to x{v}"),
        Gen.Select(Id, Id, (id, t) => $"rsc_ticket t{id} k{t}: a:Promoted b loss-policy=stop"),
        Gen.Select(Id, Pairs, (id, p) => $"node n{id} attributes {p}"));

    [Fact]
    public void Split_OfAnyText_NeverThrowsButItsOwnError() => Gen.String.Sample(text =>
    {
        try
        {
            _ = CrmTokenizer.Split(text);
            _ = CrmTokenizer.Lines(new StringReader(text)).Count();
        }
        catch (CrmSyntaxException)
        {
            // An unclosed quotation.
        }
    });

    [Fact]
    public void Parse_OfAnyWords_NeverThrowsButItsOwnError() => Gen.Select(Any([.. CrmParser.Commands]), Gen.OneOf(Id,
        Value,
        Any("rule", "params", "op", "inf:", "(", "]", "meta", "date", "spec", "to", "xpath:x", "read", "and", "10:",
            "{")).Array[0, 8])
        .Sample((command, words) =>
        {
            try
            {
                _ = CrmParser.Parse([command, .. words], ParseContext.Empty);
            }
            catch (CrmSyntaxException)
            {
                // What is expected of most.
            }
        });

    [Fact]
    public void Quote_OfAnyValue_IsReadBack() => Value.Where(v => !v.Contains('\\')).Sample(v =>
        CrmTokenizer.Split(CrmTokenizer.Quote(v)) is [var back] && back == v);

    [Fact]
    public void Print_OfAnyObject_IsReadBackAsTheSame() => Line.Sample(line =>
    {
        XElement made = CrmParser.Parse(CrmTokenizer.Split(line), ParseContext.Empty);
        string text = CrmPrinter.Print(made, []);
        XElement back = text.StartsWith("xml ", StringComparison.Ordinal) ? XElement.Parse(text[4..].Replace(" \\\n",
            "\n"))
            : CrmParser.Parse(CrmTokenizer.Split(text.Replace("\\\n", " ")), ParseContext.Empty);
        return CibText.Digest(made) == CibText.Digest(back);
    });

    [Fact]
    public void Show_SavedAndLoaded_GivesTheSameConfiguration()
    {
        const string text = """
            primitive a Dummy op monitor interval=10s timeout=20s
            primitive b ocf:pacemaker:Dummy
            group g a b meta priority=3
            location l g rule -inf: not_defined pingd or pingd lte 0
            property stonith-enabled=false no-quorum-policy=stop
            rsc_defaults resource-stickiness=10
            """;
        SharedData.Require("/usr/lib/ocf/resource.d/heartbeat/Dummy");
        string empty = CibDocument.Empty().ToXml();
        using var one = new OfflineShell(empty);
        Assert.Equal(0, one.Crm(["configure"], text).Status);
        string shown = one.Crm(["configure", "show"]).Output;
        using var two = new OfflineShell(empty);
        Assert.Equal(0, two.Crm(["configure", "load", "update", "-"], shown).Status);
        Assert.Equal(shown, two.Crm(["configure", "show"]).Output);
    }

    [Fact]
    public async Task SeedsConfiguration_MakesTheCibThatCrmshMakes()
    {
        string seed = File.ReadAllText(SharedData.Require("seed/cluster.crm"));
        string start = File.ReadAllText(SharedData.Require("crm-configure-cases/base.xml"));
        string crm = SharedData.RequireProgram("crm");
        using var ours = new OfflineShell(start);
        (int status, _, string error) = ours.Crm(["configure"], seed);
        Assert.Equal((0, ""), (status, error));

        // The haproxy agent is built in here and not installed for crmsh: -F lets its commit go on.
        using var theirs = new OfflineShell(start);
        var info = new ProcessStartInfo(crm, "-D plain -F configure") { RedirectStandardInput = true,
            RedirectStandardOutput = true, RedirectStandardError = true };
        info.Environment["CIB_file"] = theirs.CibFile;
        using Process p = Process.Start(info)!;
        p.StandardInput.Write(seed);
        p.StandardInput.Close();
        Task<string> problems = p.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        _ = await p.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await p.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(p.ExitCode == 0, await problems);
        Assert.Equal(Sections(theirs.CibText), Sections(ours.CibText));

        static string Sections(string xml) => string.Join("\n",
            CibDocument.Parse(xml).Section("configuration")!.Elements()
            .OrderBy(s => s.Name.LocalName, StringComparer.Ordinal).Select(s => s.Name + " " + CibText.Digest(s)));
    }
}
