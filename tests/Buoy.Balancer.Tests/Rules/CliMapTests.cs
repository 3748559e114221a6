using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Patterns;
using Buoy.Balancer.Rules.Samples;
using Buoy.Balancer.Tests.Control;

namespace Buoy.Balancer.Tests.Rules;

/// <summary>The runtime API's commands for maps and ACLs: the original and ours answer the same to one
/// dialogue.</summary>
public sealed partial class CliMapTests
{
    private const int FirstLine = 9;

    private static readonly string[] Rules =
    [
        "acl a1 src -f DIR/networks.lst 127.0.0.1",
        "acl a2 hdr_beg(host) -i www. foo",
        "acl a3 path -u 77 -m str /x /y",
        "acl a4 path -M -f DIR/str.map",
        "acl a5 hdr_val(x) gt 5 lt 3 eq 7 1:9 -3",
        "acl a6 path -m reg ^/a(b+)$",
        "http-request set-var(txn.m1) path,map(DIR/str.map,def)",
        "http-request set-var(txn.m2) path,map_beg(DIR/str.map,def)",
        "http-request set-var(txn.m3) path,map_int_int(DIR/numbers.map,4)",
        "http-request set-var(txn.m4) src,map_ip(DIR/ip.map)",
    ];

    private static readonly string[] Dialogue =
    [
        "show acl #0", "show acl #77", "show acl #2", "show map #1", "show map DIR/str.map", "show map nope",
        "show map @3 DIR/str.map", "get map #0 a", "get map DIR/str.map ab", "get map DIR/str.map zz", "get acl #77 /x",
        "get acl #0 10.1.2.3", "get acl DIR/networks.lst 10.1.2.3", "get acl DIR/networks.lst 11.0.0.1",
            "get acl #5 10",
        "get acl #5 x", "get acl #6 /abb", "get acl #2 WWW.x", "get map DIR/numbers.map 12",
            "get map DIR/ip.map 10.1.2.3",
        "get map DIR/ip.map 10.9.3.3", "get map", "get acl", "get acl #99 x",
        "add map DIR/str.map k", "add map DIR/str.map k v w", "show map DIR/str.map", "get map DIR/str.map kk",
        "add acl DIR/str.map k", "add acl DIR/networks.lst bad/x", "add map DIR/numbers.map q 5",
        "add map DIR/numbers.map 5 notint", "add acl DIR/networks.lst 172.16.0.0/12", "get acl #0 172.20.1.1",
        "add acl #77 /q /r", "show acl #77", "get acl #77 /q", "add map", "add acl", "add acl #99 x",
        "add map @5 DIR/numbers.map 6 1", "prepare map DIR/str.map", "add map @1 DIR/str.map n v1",
        "show map @1 DIR/str.map", "get map DIR/str.map n", "commit map @7 DIR/str.map", "commit map DIR/str.map",
        "commit map @1 DIR/str.map", "show map DIR/str.map", "get map DIR/str.map n", "get map DIR/str.map ab",
        "set map DIR/str.map n v2", "show map DIR/str.map", "get map DIR/str.map n", "set map DIR/str.map zz v2",
        "set map", "set map DIR/numbers.map 12 13", "get map DIR/numbers.map 12",
        "del map DIR/str.map zz", "del map DIR/str.map n", "show map DIR/str.map", "get map DIR/str.map n", "del map",
        "del acl #77 /x", "show acl #77", "get acl #77 /x", "del acl #77 zz", "del acl", "del acl #77 #0x1",
        "clear map @9 DIR/str.map", "clear map DIR/numbers.map", "show map DIR/numbers.map",
            "get map DIR/numbers.map 12",
        "clear acl #77", "show acl #77", "clear map", "clear acl", "clear acl #99",
        "add map DIR/numbers.map <<\n1 10\n2 20\n", "show map DIR/numbers.map", "get map DIR/numbers.map 2",
        "add acl #77 <<\n/p 1\n/q\n", "show acl #77", "prepare map", "prepare acl #77", "add acl @1 #77 /new",
            "show acl #77",
        "commit acl @1 #77", "show acl #77", "get acl #77 /new", "get acl #77 /q", "commit map", "commit acl @2 #77",
    ];

    [Fact]
    public void Commands_OnMapsAndAcls_AnswerAsTheOriginal()
    {
        using var scratch = new Scratch();
        foreach (string file in Directory.GetFiles(ExpressionFile.Files))
        {
            File.Copy(file, scratch[Path.GetFileName(file)]);
        }

        string[] rules = [.. Rules.Select(r => r.Replace("DIR", scratch.Folder))];
        string config = string.Join('\n', (string[])
        [
            "global", $"  stats socket {scratch["hs"]} mode 600 level admin", "defaults", "  mode http",
                "  timeout client 5s",
            "  timeout server 5s", "frontend f", $"  bind unix@{scratch["f"]}", .. rules.Select(r => "  " + r), "",
        ]);
        using var original = new HaproxyRig(scratch, scratch["hs"], config);
        var model = new ModelBuilder(scratch["olog"], scratch["os"]).Proxy("f", ProxyKind.Frontend).Build();
        using var log = new LogListener(scratch["olog"]);
        using var ours = new ControlRig(model with { Patterns = Read(rules, scratch["haproxy.cfg"]) }).Start();
        CliClient.AskUntil(scratch["os"], "show version", a => a.Length > 1);

        var wrong = new List<string>();
        foreach (string command in (string[])["show acl", "show map", .. Dialogue])
        {
            string text = command.Replace("DIR", scratch.Folder);
            string expected = Plain(CliClient.Ask(scratch["hs"], text));
            string said = Plain(CliClient.Ask(scratch["os"], text));
            if (expected != said)
            {
                wrong.Add($"> {command}\n{expected}--- ours\n{said}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong).Replace(scratch.Folder, "DIR"));
    }

    /// <summary>Reads the rules as the configuration does, into a store.</summary>
    private static PatternStore Read(string[] rules, string file)
    {
        var store = new PatternStore();
        for (int i = 0; i < rules.Length; i++)
        {
            var words = rules[i].Split(' ').ToList();
            var place = new SourcePlace(file, FirstLine + i);
            var context = new SampleContext { Place = place, Patterns = store };
            int index = 2;
            string keyword = words[2].Split('(', ',')[0];
            var implied = words[0] == "acl" ? AclKeywords.Find(keyword) : null;
            words[2] = (implied?.Fetch ?? keyword) + words[2][keyword.Length..];
            var expression = SampleParser.Parse(words, ref index, context, out string error);
            Assert.Equal("", error);
            if (words[0] == "acl")
            {
                var subject = new PatternSubject(keyword, expression!.Type, implied?.Method);
                Assert.NotNull(new PatternArguments(store, subject, place).Read(words, index, out error));
            }
        }

        return store;
    }

    /// <summary>Numbers of elements made equal; the original's own client's lists left out.</summary>
    private static string Plain(string answer) => string.Concat(Pointer().Replace(answer, "0xN").Split('\n')
        .Where(l => !l.Contains("httpclient", StringComparison.Ordinal)).Select(l => l + "\n"));

    [GeneratedRegex("^0x[0-9a-f]+", RegexOptions.Multiline)]
    private static partial Regex Pointer();
}
