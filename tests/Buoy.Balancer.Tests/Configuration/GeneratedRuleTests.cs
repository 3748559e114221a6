using System.Text.RegularExpressions;

namespace Buoy.Balancer.Tests.Configuration;

/// <summary>
/// Configurations made of rules, ACLs and settings of their surroundings, right and slightly wrong: the verdict and the
/// place of the first alert are the original's. BUOY_SEEDS=N compares the first N.
/// </summary>
public sealed partial class GeneratedRuleTests
{
    private const int Compared = 60;

    private static readonly string[] Acls =
    [
        "acl a1 path_beg /x", "acl a2 hdr(host) -i Foo.Com", "acl a3 src 10.0.0.0/8", "acl a1 path -m sub y",
        "acl a4 req.len gt 3", "acl a5 res.hdr(x) y", "acl a6 url_param(n) -m int 1:5", "acl a7 nbsrv(b) lt 1",
        "acl a8 method GET", "acl a9 hdr_cnt(x) ge 2",
    ];

    private static readonly string[] Conditions =
    [
        "", "if a1", "unless a2", "if a1 a3 or !a2", "if { path /z }", "if { src 127.0.0.1 } TRUE", "if nosuch",
        "if { foo }", "if a5", "if HTTP", "if METH_POST", "if LOCALHOST", "if { res.hdr(a) b }",
    ];

    private static readonly string[] Actions =
    [
        "http-request deny", "http-request deny deny_status 429", "http-request deny deny_status 999",
        "http-request return status 200 content-type text/plain lf-string \"a %[path] b\"",
        "http-request return status 200 hdr a b", "http-request set-header X %[src]", "http-request set-header X",
        "http-request add-header A \"b c\"", "http-request del-header A", "http-request replace-header A (.*) \\1",
        "http-request replace-header A ( b", "http-request set-path /%[path]", "http-request set-query a=b",
        "http-request set-method PUT", "http-request redirect location /a",
        "http-request redirect scheme https code 301", "http-request redirect foo", "http-request auth realm x",
        "http-request set-var(txn.a) path", "http-request set-var(foo.a) path", "http-request set-var(txn.a)",
        "http-request unset-var(txn.a)", "http-request set-log-level silent", "http-request set-log-level foo",
        "http-request tarpit", "http-request allow", "http-request reject", "http-request silent-drop",
        "http-request set-timeout server 5s", "http-request wait-for-body time 1s", "http-request capture path len 5",
        "http-request capture path id 0", "http-request strict-mode on", "http-request set-priority-class int(3)",
        "http-request disable-l7-retry", "http-request set-src src", "http-request set-tos 5", "http-request foo",
        "http-response set-header A b", "http-response set-status 404", "http-response del-header X",
        "http-response deny", "http-response set-var(res.a) status", "http-response return status 500",
        "http-after-response set-header A %[status]", "http-after-response set-status 201", "redirect location /b",
        "redirect prefix /c", "use_backend b", "use_backend nob", "use_backend %[path]", "use-server s1",
        "tcp-request connection accept", "tcp-request connection reject", "tcp-request session accept",
        "tcp-request content accept", "tcp-request content reject", "tcp-request content set-var(sess.a) src",
        "tcp-request inspect-delay 5s", "tcp-response content accept", "tcp-response content reject",
        "tcp-response inspect-delay 2s", "tcp-request content switch-mode http",
        "tcp-request connection expect-proxy layer4", "monitor fail", "stick on src", "http-request track-sc0 src",
    ];

    private static readonly string[] Settings =
    [
        "mode http", "mode tcp", "capture request header A len 10", "capture response header B len 5",
        "capture cookie C len 8", "log-format \"%ci %[src]\"", "log-format \"%foo\"",
        "log-format-sd \"[a@1 b=\\\"c\\\"]\"", "error-log-format \"%ci\"", "unique-id-format %{+X}o%ci",
        "unique-id-header X-Id", "monitor-uri /m", "errorfile 503 /dev/null", "errorloc 404 /x", "errorloc302 503 /y",
        "http-error status 404 content-type text/plain string x", "http-error status 299",
        "cookie SRV insert indirect nocache", "cookie SRV prefix", "cookie SRV", "balance uri", "balance hdr(x)",
        "balance url_param p", "balance foo", "balance rdp-cookie", "hash-type consistent",
        "hash-type map-based sdbm avalanche", "option httplog", "option tcplog", "option httpclose",
        "option http-server-close", "option forwardfor", "option prefer-last-server", "option http-buffer-request",
        "timeout tarpit 5s", "timeout http-request 1s", "timeout tunnel 1h", "timeout client-fin 5s",
        "retry-on all-retryable-errors", "retry-on 503 foo", "retries 5", "http-reuse always",
        "declare capture request len 5", "stats enable", "stats uri /s", "option dontlognull",
        "option idle-close-on-response", "fullconn 100", "default_backend b", "default_backend nob",
        "http-check expect status 200", "option httpchk", "stick-table type ip size 100", "email-alert from a",
        "filter trace", "option originalto", "rate-limit sessions 5", "log-tag x", "maxconn 5 6", "option foo",
        "foo bar",
    ];

    [Fact]
    public void Load_OfGeneratedRules_GivesTheOriginalsVerdictAndPlace()
    {
        int count = int.TryParse(Environment.GetEnvironmentVariable("BUOY_SEEDS"), out int seeds) ? seeds : Compared;
        var differences = new List<string>();
        int compared = 0;
        string path = Path.GetTempFileName();
        try
        {
            for (int seed = 0; seed < count; seed++)
            {
                string text = Make(new Random(seed));
                File.WriteAllText(path, text);
                string ours = ConfigurationCase.Ours(path);
                if (ours.Contains("not supported yet", StringComparison.Ordinal))
                {
                    continue;
                }

                compared++;
                string original = ConfigurationCase.Original(path);
                if (Verdict(ours) != Verdict(original))
                {
                    differences.Add($"seed {seed}:\n{text}\noriginal:\n{original}\nours:\n{ours}");
                }
            }
        }
        finally
        {
            File.Delete(path);
        }

        Assert.True(compared > count / 2, $"only {compared} of {count} were compared");
        Assert.True(differences.Count == 0, string.Join('\n', differences));
    }

    /// <summary>The exit code and where the first alert is.</summary>
    private static string Verdict(string said) =>
        ExitCode().Match(said).Value + FirstAlert().Match(said).Groups[1].Value;

    private static string Make(Random r) =>
        $"global\n  log 127.0.0.1:9 local0\ndefaults{(r.Next(10) < 3 ? " d1" : "")}\n"
        + $"  mode {(r.Next(4) > 0 ? "http" : "tcp")}\n  log global\n  timeout client 1s\n  timeout server 1s\n  timeout connect 1s\n{Lines(r, 2)}"
        + $"frontend f\n  bind 127.0.0.1:1\n{Lines(r, 6)}backend b\n{Lines(r, 6)}  server s1 127.0.0.1:2\n"
        + $"listen l\n  bind 127.0.0.1:3\n{Lines(r, 4)}  server s1 127.0.0.1:4\n";

    private static string Lines(Random r, int most) =>
        string.Concat(Enumerable.Range(0, r.Next(most + 1)).Select(_ => $"  {Line(r)}\n"));

    private static string Line(Random r) => r.Next(20) switch
    {
        < 4 => Pick(r, Acls),
        < 13 => $"{Pick(r, Actions)} {(r.Next(10) < 6 ? Pick(r, Conditions) : "")}".TrimEnd(),
        _ => Pick(r, Settings),
    };

    private static string Pick(Random r, string[] from) => from[r.Next(from.Length)];

    [GeneratedRegex(@"exit \d+")]
    private static partial Regex ExitCode();

    [GeneratedRegex(@"\[ALERT\][^\n]*?\.tmp(:\d+)")]
    private static partial Regex FirstAlert();
}
