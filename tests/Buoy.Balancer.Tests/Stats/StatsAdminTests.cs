using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;
using Buoy.Balancer.Tests.Control;
using Buoy.Balancer.Tests.Engine;

namespace Buoy.Balancer.Tests.Stats;

/// <summary>The form of the statistics page beside the original: what it answers, what it does, what it says then.</summary>
public sealed partial class StatsAdminTests
{
    private static readonly string[] Forms =
    [
        "s=s1&s=s2&action=drain&b=bb", "s=nope&action=ready&b=bb", "s=s1&action=foo&b=bb", "action=ready&b=bb",
        "s=s1&action=ready", "s=s1&action=ready&b=nope", "", "s=s1&s=nope&action=ready&b=bb", "s=s2&action=maint&b=%235",
        "s=s2&action=maint&b=%2399", "s=s1&action=dhlth&b=bb", "s=s1&action=ehlth&b=bb", "s=s1&action=hnolb&b=bb",
        "s=s1&action=hrunn&b=bb", "s=s2&action=shutdown&b=bb", "s=s1&action=dagent&b=bb", "s=s1&action=disable&b=b2",
    ];

    [Fact]
    public void Forms_Posted_ActAndAnswerAsTheOriginal()
    {
        using var scratch = new Scratch();
        int[] ports = [Harness.FreePort(), Harness.FreePort(), Harness.FreePort()];
        using var web = new TestServer();
        string text = $"""
            global
             stats socket {scratch["h.sock"]} mode 600 level admin
            defaults
             mode http
             maxconn 100
             timeout client 3s
             timeout server 3s
             timeout connect 3s
            frontend st
             bind 127.0.0.1:{ports[0]}
             stats uri /st
             stats admin if LOCALHOST
            frontend ro
             bind 127.0.0.1:{ports[1]}
             stats uri /st
            frontend never
             bind 127.0.0.1:{ports[2]}
             stats uri /st
             stats admin unless TRUE
            backend bb
             server s1 127.0.0.1:{web.Port} check inter 10s
             server s2 127.0.0.1:{web.Port}
            backend b2
             server s1 127.0.0.1:{web.Port}

            """;
        using var original = new HaproxyRig(scratch, scratch["h.sock"], text);
        string file = scratch["ours.cfg"];
        File.WriteAllText(file, text.Replace("h.sock", "o.sock"));
        using var ours = new ControlRig(ConfigurationLoader.Load([file]).Config!, maxConn: 100).Start();
        foreach (string socket in (string[])["h.sock", "o.sock"])
        {
            CliClient.AskUntil(scratch[socket], "show stat bb 4 1", a => a.Contains("L4OK"));
        }

        for (int proxy = 0; proxy < ports.Length; proxy++)
        {
            foreach (string form in proxy == 0 ? Forms : Forms[..2])
            {
                foreach (string target in (string[])["/st", "/st;up?scope=b"])
                {
                    Assert.Equal(
                        $"{form}: {Location(Post(ports[proxy], target, form))}",
                        $"{form}: {Location(Answer(ours, proxy, "POST", target, form))}");
                }

                Assert.Equal(States(scratch["h.sock"]), States(scratch["o.sock"]));
            }
        }

        foreach (string result in (string[])["DONE", "NONE", "PART", "ERRP", "EXCD", "DENY", "WHAT"])
        {
            Assert.Equal(
                Said(Get(ports[0], $"/st;st={result}")), Said(Answer(ours, 0, "GET", $"/st;st={result}", "")));
        }

        foreach (int proxy in (int[])[0, 1, 2])
        {
            Assert.Equal(Inputs(Get(ports[proxy], "/st")), Inputs(Answer(ours, proxy, "GET", "/st", "")));
        }
    }

    private static string Answer(ControlRig rig, int proxy, string method, string target, string body)
    {
        using var answered = new ManualResetEventSlim();
        string said = "";
        rig.Plane.Local.Answer(
            new LocalRequest(proxy, method, target, [], Encoding.ASCII.GetBytes(body), new IPEndPoint(IPAddress.Loopback, 1)),
            (bytes, _) =>
            {
                said = Encoding.UTF8.GetString(bytes);
                answered.Set();
            });
        Assert.True(answered.Wait(TimeSpan.FromSeconds(20)));
        return said;
    }

    private static string Post(int port, string target, string form) => Exchange(
        port, $"POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {form.Length}\r\n\r\n{form}");

    private static string Get(int port, string target) =>
        Exchange(port, $"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

    private static string Exchange(int port, string request)
    {
        using var s = Reliability.Victim.Connect(port);
        s.Send(Encoding.ASCII.GetBytes(request));
        return Harness.ReadToEnd(s);
    }

    private static string Location(string response) => string.Join(' ', response.Split("\r\n")
        .Where(l => l.StartsWith("HTTP/") || l.StartsWith("location:")));

    /// <summary>Status of all servers, without what time moves.</summary>
    private static string States(string socket) => string.Join('\n', CliClient.Ask(socket, "show stat -1 4 -1")
        .Split('\n').Where(l => l.StartsWith('b')).Select(l => string.Join(',', l.Split(',')[0], l.Split(',')[1], l.Split(',')[17])));

    private static string Said(string page)
    {
        string line = page.Split('\n').Single(l => l.Contains("Remove this message"));
        return Tag().Replace(line[line.IndexOf("[X]", StringComparison.Ordinal)..], "").Trim();
    }

    /// <summary>The boxes, options and hidden fields that a browser would send.</summary>
    private static string Inputs(string page) => string.Join('\n', Control().Matches(page).Select(m => m.Value));

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex Tag();

    [GeneratedRegex("<input class='[^>]*>|<select name=action>|<option value=[^>]*>|<input type=\"hidden\" name=\"b\"[^>]*>")]
    private static partial Regex Control();
}
