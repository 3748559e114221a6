using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using CsCheck;

namespace Buoy.Balancer.Tests.Configuration;

/// <summary>Configurations made at random: the parser never throws, and agrees with the original.</summary>
public sealed partial class GeneratedTests
{
    /// <summary>Samples of a test; BUOY_SEEDS=N compares the first N instead, and tells all differences at once.</summary>
    private const int Compared = 60;
    private const ulong Stream = 0x9E3779B97F4A7C15;
    private const int Told = 40;
    private const int Loaded = 2000;
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
        "maxconn 50", "port 8080", "addr 127.0.0.2", "slowstart 5s", "init-addr none",
        "resolve-prefer ipv4", "on-marked-down shutdown-sessions", "id 77", "resolvers dns", "cookie s1", "no-check",
    ];

    private static readonly string[] BindOptions =
        ["name x", "maxconn 10", "backlog 5", "v6only", "v4v6", "transparent", "tfo", "defer-accept", "id 9", "interface lo"];

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
    public void Load_OfAnyBytes_NeverThrows()
    {
        var bytes = Gen.Byte.Array[0, 300];
        for (int n = 0; n < Loaded; n++)
        {
            Assert.NotNull(Load(Sample(bytes, n)));
        }
    }

    [Fact]
    public void Load_OfMutatedText_NeverThrows()
    {
        var noise = Gen.Select(Gen.Double[0, 1], Gen.Byte).Array[0, 8];
        for (int n = 0; n < Loaded; n++)
        {
            byte[] bytes = Encoding.Latin1.GetBytes(Sample(Mutated, n));
            foreach (var (at, value) in Sample(noise, n))
            {
                bytes[(int)(at * (bytes.Length - 1))] = value;
            }

            Assert.NotNull(Load(bytes));
        }
    }

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

    /// <summary>
    /// Sample number n of a generator is the same in every run, so that a difference found by a sweep stays found.
    /// </summary>
    private static T Sample<T>(Gen<T> gen, int n) => gen.Generate(new PCG((uint)n, Stream), null, out _);

    private static void Compare(Gen<string> texts)
    {
        int count = int.TryParse(Environment.GetEnvironmentVariable("BUOY_SEEDS"), out int seeds) ? seeds : Compared;
        var differences = new List<string>();
        string path = Path.GetTempFileName();
        try
        {
            for (int n = 0; n < count && differences.Count < Told; n++)
            {
                string text = Sample(texts, n);
                File.WriteAllText(path, text);
                string ours = Guess().Replace(ConfigurationCase.Ours(path), "");
                if (ours.Contains("not supported yet", StringComparison.Ordinal))
                {
                    continue;
                }

                string original = Guess().Replace(ConfigurationCase.Original(path), "");
                if (original != ours)
                {
                    differences.Add(Difference(n, text, original, ours));
                }
            }
        }
        finally
        {
            File.Delete(path);
        }

        Assert.True(differences.Count == 0, string.Join('\n', differences));
    }

    /// <summary>What differs from one to the other text, line by line, with the line of the configuration it is about.</summary>
    private static string Difference(int n, string text, string original, string ours)
    {
        string[] theirs = original.Split('\n');
        string[] own = ours.Split('\n');
        string[] lines = text.Split('\n');
        int[,] common = new int[theirs.Length + 1, own.Length + 1];
        for (int i = theirs.Length - 1; i >= 0; i--)
        {
            for (int k = own.Length - 1; k >= 0; k--)
            {
                common[i, k] = theirs[i] == own[k] ? common[i + 1, k + 1] + 1 : Math.Max(common[i + 1, k], common[i, k + 1]);
            }
        }

        var said = new StringBuilder($"sample {n}:\n");
        for (int i = 0, k = 0; i < theirs.Length || k < own.Length;)
        {
            if (i < theirs.Length && k < own.Length && theirs[i] == own[k])
            {
                (i, k) = (i + 1, k + 1);
                continue;
            }

            bool first = k == own.Length || (i < theirs.Length && common[i + 1, k] >= common[i, k + 1]);
            string line = first ? theirs[i++] : own[k++];
            said.Append($"  {(first ? '-' : '+')} {line}\n");
            int place = line.IndexOf(".tmp:", StringComparison.Ordinal);
            string digits = place < 0 ? "" : new string([.. line.Skip(place + 5).TakeWhile(char.IsAsciiDigit)]);
            if (int.TryParse(digits, out int at) && at <= lines.Length)
            {
                said.Append($"      {at}: {lines[at - 1]}\n");
            }
        }

        return said.ToString();
    }

    /// <summary>Without the guess at what keyword was meant, which is each program's own.</summary>
    [GeneratedRegex(@"[;.] [dD]id you mean '[^']*' maybe \?|(?<=unknown keyword '[^']*')\.")]
    private static partial Regex Guess();
}
