using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;
using Buoy.Balancer.Stats;
using Buoy.Balancer.Tests.Control;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.Stats;

public sealed class StatsServiceTests
{
    private static readonly KeyValuePair<string, string> Admin =
        new("Authorization", "Basic " + Convert.ToBase64String("admin:admin"u8));

    private static BalancerConfig Seed(Scratch d, StatsConfig? stats = null) => new ModelBuilder(d["log"], d["s"])
        .Proxy("kubernetes-apiserver-https", ProxyKind.Frontend, p => p with { DefaultBackend = 1, MaxConn = 9984 })
        .Proxy("kubernetes-master-nodes", ProxyKind.Backend, null,
            ModelBuilder.Server("kube-mast01", 6443, s => s with { Check = true, Inter = 60_000 }),
            ModelBuilder.Server("kube-mast02", 6443, s => s with { Check = true, Inter = 60_000 }),
            ModelBuilder.Server("kube-mast03", 6443, s => s with { Check = true, Inter = 60_000 }))
        .Proxy("stats", ProxyKind.Listen, p => p with
        {
            Mode = ProxyMode.Http, MaxConn = 9984,
            Stats = stats ?? new StatsConfig { Uri = "/", HideVersion = true, Auth = [("admin", "admin")] },
        })
        .Build();

    private static (string Head, string Body, bool Close) Ask(
        ControlRig rig, string target, params KeyValuePair<string, string>[] headers) =>
        Ask(rig, "GET", target, headers);

    private static (string Head, string Body, bool Close) Ask(
        ControlRig rig, string method, string target, KeyValuePair<string, string>[] headers)
    {
        using var done = new ManualResetEventSlim();
        (byte[] Bytes, bool Close) got = ([], false);
        rig.Plane.Local.Answer(new LocalRequest(2, method, target, headers, [], null), (bytes, close) =>
        {
            got = (bytes, close);
            done.Set();
        });
        Assert.True(done.Wait(TimeSpan.FromSeconds(15)));
        string text = Encoding.UTF8.GetString(got.Bytes);
        int cut = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        return (text[..cut], text[cut..], got.Close);
    }

    [Fact]
    public void Request_WithoutPassword_GetsHaproxysAnswer()
    {
        string sample = File.ReadAllText(SharedData.Require("samples/pacemaker-2node/haproxy-stats-unauthorized.txt"));
        using var d = new Scratch();
        using var rig = new ControlRig(Seed(d)).Start();
        var (head, body, _) = Ask(rig, "/");
        Assert.Equal(sample.Replace("\r", "").TrimEnd(), (head + body).Replace("\r", "").TrimEnd());
        Assert.StartsWith("HTTP/1.1 401", Ask(rig, "/", new KeyValuePair<string, string>(
            "authorization", "Basic " + Convert.ToBase64String("admin:wrong"u8))).Head);
        Assert.StartsWith("HTTP/1.1 401", Ask(rig, "/", new KeyValuePair<string, string>("authorization", "Basic !!"))
            .Head);
    }

    [Fact]
    public void Csv_OfTheSeed_HasTheSamplesShape()
    {
        string[] sample = File.ReadAllLines(SharedData.Require("samples/pacemaker-2node/haproxy-stats.csv"));
        using var d = new Scratch();
        using var rig = new ControlRig(Seed(d)).Start();
        var (head, body, close) = Ask(rig, "/;csv", Admin);
        string[] lines = body.Split('\n');
        Assert.Contains("content-type: text/plain\r\n", head);
        Assert.False(close);
        Assert.Equal(sample[0], lines[0]);

        // The sample's checks have run, and so has a session.
        int[] vary = [36, 38, 65, 56];
        Assert.Equal(
            sample.Skip(1).Where(l => l.Length > 0).Select(Holes), lines.Skip(1).Where(l => l.Length > 0)
                .Select(Holes));

        string Holes(string line) =>
            string.Concat(line.Split(',').Select((c, i) => vary.Contains(i) ? '?' : c.Length > 0 ? 'x' : '-'));
    }

    [Theory]
    [InlineData("/", "/", true)]
    [InlineData("/", "/;csv", true)]
    [InlineData("/haproxy?stats", "/haproxy?stats;norefresh", true)]
    [InlineData("/haproxy?stats", "/haproxy", false)]
    [InlineData("/stats", "http://host/stats;csv", true)]
    [InlineData("/stats", "/status", false)]
    public void Target_IsMatchedByPrefix(string uri, string target, bool matches)
    {
        using var d = new Scratch();
        using var rig = new ControlRig(Seed(d, new StatsConfig { Uri = uri }));
        Assert.Equal(matches, rig.Plane.Local.Matches(2, Encoding.UTF8.GetBytes(target)));
        Assert.False(rig.Plane.Local.Matches(0, Encoding.UTF8.GetBytes(target)));
    }

    [Fact]
    public void Page_ShowsEveryObjectAndFollowsItsSettings()
    {
        using var d = new Scratch();
        var stats =
            new StatsConfig { Uri = "/s?x", Refresh = 7, ShowNode = true, ShowLegends =
                true, ShowDescription = "<our> site" };
        using var rig = new ControlRig(Seed(d, stats)).Start();
        var (head, body, _) = Ask(rig, "/s?x");
        Assert.Contains("content-type: text/html", head);
        Assert.Contains("refresh: 7\r\n", head);
        foreach (
            string name in (
                string[])["kubernetes-apiserver-https", "kube-mast02", "Backend", "127.0.0.1:6443", "&lt;our&gt; site"])
        {
            Assert.Contains(name, body);
        }

        Assert.Contains(rig.Plane.Options.Version, body);
        var quiet = Ask(rig, "/s?x;norefresh");
        Assert.DoesNotContain("refresh:", quiet.Head);
        Assert.DoesNotContain("http-equiv", quiet.Body);
        Assert.Equal("", Ask(rig, "HEAD", "/s?x", []).Body);
        Assert.StartsWith("HTTP/1.1 405 ", Ask(rig, "PUT", "/s?x", []).Head);
        Assert.Contains("location: /s?x;st=DENY\r\n", Ask(rig, "POST", "/s?x", []).Head);
        Assert.True(Ask(rig, "/s?x", new KeyValuePair<string, string>("Connection", "close")).Close);
    }

    [Fact]
    public void Page_HidesTheVersionAndOtherScopes()
    {
        using var d = new Scratch();
        using var rig = new ControlRig(
            Seed(d, new StatsConfig { Uri = "/", HideVersion = true, Scopes = ["."] }), more: o =>
                o with { Version = "9.8.7-x" }).Start();
        string body = Ask(rig, "/").Body;
        Assert.DoesNotContain("9.8.7-x", body);
        Assert.DoesNotContain("kube-mast01", body);
        Assert.Contains("stats", body);
        Assert.DoesNotContain("kube-mast01", Ask(rig, "/;csv").Body);
    }

    [Fact]
    public void Json_IsWellFormed()
    {
        using var d = new Scratch();
        using var rig = new ControlRig(Seed(d)).Start();
        var (head, body, _) = Ask(rig, "/;json", Admin);
        Assert.Contains("application/json", head);
        using var json = System.Text.Json.JsonDocument.Parse(body);
        Assert.Equal(7, json.RootElement.GetArrayLength());
    }

    [Fact]
    public void Rate_OverTwoSeconds_Slides()
    {
        var f = new Buoy.Balancer.Control.FrequencyCounter();
        f.Tick(0, 0);
        f.Tick(100, 1000);
        Assert.Equal(100, f.Read(100, 1000));
        Assert.Equal(75, f.Read(125, 1500));
        f.Tick(125, 2000);
        Assert.Equal(25, f.Read(125, 2000));
        Assert.Equal(0, f.Read(125, 3000));
        Assert.Equal(100, f.Max);
    }
}
