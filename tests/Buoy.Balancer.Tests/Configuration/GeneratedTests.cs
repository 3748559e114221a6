using System.Text;
using Buoy.Balancer.Configuration;
using CsCheck;

namespace Buoy.Balancer.Tests.Configuration;

/// <summary>Configurations made at random: the parser never throws, and agrees with the original.</summary>
public sealed class GeneratedTests
{
    private const int Compared = 40;
    private static readonly string[] ProxyLines =
    [
        "mode http", "mode tcp", "timeout client 1s", "timeout server 2m", "timeout connect 500", "timeout check 5s",
        "timeout queue 1h", "timeout http-request 3s", "maxconn 100", "retries 2", "backlog 10", "option httplog",
        "option tcplog", "option dontlognull", "option redispatch", "option redispatch 2", "no option redispatch",
        "option tcp-check", "option httpchk GET /health", "option tcpka", "option clitcpka", "option srvtcpka",
        "option splice-auto", "option splice-request", "option allbackups", "option log-health-checks", "option logasap",
        "option http-server-close", "option httpclose", "option http-keep-alive", "option forwardfor",
        "option forwardfor header X-Client if-none", "balance roundrobin", "balance leastconn", "balance source",
        "balance random(2)", "http-reuse always", "http-reuse never", "log 127.0.0.1 local0", "log global", "no log",
        "stats enable", "stats uri /s", "stats auth a:b", "stats refresh 5s", "stats hide-version", "stats show-legends",
        "disabled", "enabled", "default-server inter 1s fall 2", "default-server check",
    ];

    private static readonly string[] ServerOptions =
    [
        "check", "inter 2s", "fastinter 500", "downinter 1m", "rise 3", "fall 1", "weight 10", "weight 0", "backup", "disabled",
        "maxconn 50", "port 8080", "addr 127.0.0.2", "slowstart 5s", "send-proxy", "send-proxy-v2", "init-addr none",
        "resolve-prefer ipv4", "on-marked-down shutdown-sessions", "id 77", "resolvers dns", "cookie s1", "no-check",
    ];

    private static readonly string[] BindOptions =
        ["name x", "maxconn 10", "backlog 5", "v6only", "v4v6", "transparent", "tfo", "defer-accept", "accept-proxy", "id 9", "interface lo"];

    private static readonly string[] GlobalLines =
    [
        "daemon", "maxconn 1000", "nbthread 2", "log /dev/log local0", "log 127.0.0.1:514 len 200 format rfc5424 local1 info",
        "node n1", "description some text", "hard-stop-after 30s", "spread-checks 5", "stats timeout 30s", "stats maxconn 5",
        "tune.bufsize 32768", "ulimit-n 5000", "pidfile /tmp/x.pid", "log-send-hostname h", "log-tag t", "tune.maxrewrite 1024",
        "stats socket /tmp/buoy-none.sock mode 600 level admin", "ssl-default-bind-options no-sslv3",
    ];

    private static Gen<string> Lines(string[] lines, int most) =>
        Gen.Int[0, lines.Length - 1].Select(i => lines[i]).Array[0, most].Select(l => string.Concat(l.Distinct().Select(x => $"  {x}\n")));

    private static readonly Gen<string> Valid =
        from g in Lines(GlobalLines, 5)
        from d in Lines(ProxyLines, 5)
        from f in Lines(ProxyLines, 4)
        from bo in Gen.Int[0, BindOptions.Length - 1].Select(i => BindOptions[i]).Array[0, 3]
        from b in Lines(ProxyLines, 4)
        from so in Gen.Int[0, ServerOptions.Length - 1].Select(i => ServerOptions[i]).Array[0, 5]
        from so2 in Gen.Int[0, ServerOptions.Length - 1].Select(i => ServerOptions[i]).Array[0, 3]
        from l in Lines(ProxyLines, 5)
        select $"global\n{g}defaults\n{d}resolvers dns\n  nameserver a 127.0.0.1:53\nfrontend f\n  bind 127.0.0.1:1 "
            + $"{string.Join(' ', bo.Distinct())}\n{f}  default_backend b\nbackend b\n{b}  server s1 127.0.0.1:2 "
            + $"{string.Join(' ', so)}\n  server s2 [::1]:3 {string.Join(' ', so2)}\nlisten l\n  bind :4\n{l}  server s 127.0.0.1:5\n";

    private static readonly Gen<string> Mutated =
        from text in Valid
        from kind in Gen.Int[0, 3]
        from at in Gen.Double[0, 1]
        select Mutate(text, kind, at);

    [Fact]
    public void Load_OfGenerated_AgreesWithTheOriginal() => Compare(Valid);

    [Fact]
    public void Load_OfMutated_AgreesWithTheOriginal() => Compare(Mutated);

    [Fact]
    public void Load_OfAnyBytes_NeverThrows() =>
        Gen.Byte.Array[0, 300].Sample(bytes => Assert.NotNull(Load(bytes)), iter: 2000, threads: 1);

    [Fact]
    public void Load_OfMutatedText_NeverThrows() =>
        (from text in Mutated
         from noise in Gen.Select(Gen.Double[0, 1], Gen.Byte).Array[0, 8]
         select (text, noise)).Sample(
            c =>
            {
                byte[] bytes = Encoding.Latin1.GetBytes(c.text);
                foreach (var (at, value) in c.noise)
                {
                    bytes[(int)(at * (bytes.Length - 1))] = value;
                }

                Assert.NotNull(Load(bytes));
            },
            iter: 2000, threads: 1);

    private static LoadResult Load(byte[] bytes)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, bytes);
            return ConfigurationLoader.Load([path]);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static string Mutate(string text, int kind, double at)
    {
        string[] lines = text.Split('\n');
        int i = (int)(at * (lines.Length - 2));
        string[] words = lines[i].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        int w = words.Length == 0 ? -1 : (int)(at * 7919) % words.Length;
        if (w < 0 || (words.Length == 1 && kind == 0))
        {
            return text;
        }

        lines[i] = kind switch
        {
            0 => string.Join(' ', words.Where((_, k) => k != w)),
            1 => string.Join(' ', words.Select((x, k) => k == w ? x + "zq" : x)),
            2 => string.Join(' ', words) + " extra",
            _ => string.Join(' ', words.Select((x, k) => k == w ? $"\"{x}" : x)),
        };
        return string.Join('\n', lines);
    }

    /// <summary>The verdict; the texts are compared by the case files.</summary>
    private static string Comparable(string said) => said.Split('\n').Single(l => l.StartsWith("exit ", StringComparison.Ordinal));

    private static void Compare(Gen<string> texts) => texts.Sample(
        text =>
        {
            string path = Path.GetTempFileName();
            try
            {
                File.WriteAllText(path, text);
                string ours = ConfigurationCase.Ours(path);
                if (ours.Contains("not supported yet", StringComparison.Ordinal))
                {
                    return;
                }

                Assert.Equal(Comparable(ConfigurationCase.Original(path)), Comparable(ours));
            }
            finally
            {
                File.Delete(path);
            }
        },
        iter: Compared, threads: 1);
}
