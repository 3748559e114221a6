using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Tests.Control;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.Rules;

/// <summary>Asks the installed HAProxy what expressions and ACLs make of a request: one process, one request for
/// all.</summary>
internal sealed partial class OriginalEvaluator
{
    private const int Chunk = 40;
    private readonly string _program = SharedData.RequireProgram("haproxy");

    /// <summary>One result per case, as <see cref="ExpressionCase"/> writes them.</summary>
    public IReadOnlyList<string> Evaluate(IReadOnlyList<ExpressionCase> cases, string request)
    {
        using var scratch = new Scratch();
        string[] results = new string[cases.Count];
        for (int from = 0; from < cases.Count; from += Chunk)
        {
            Check(cases, from, Math.Min(cases.Count, from + Chunk), scratch, results);
        }

        var good = Enumerable.Range(0, cases.Count).Where(i => results[i] is null).ToList();
        Run(cases, good, scratch, request, results);
        return results;
    }

    private static IEnumerable<string> Head(int port) =>
    [
        "global", "  tune.bufsize 1000000", "  tune.http.maxhdr 32767", "defaults", "  mode http",
            "  timeout client 15s",
        "  timeout server 15s", "  timeout connect 15s", "userlist known", "  group staff users joe,eve",
        "  user joe insecure-password secret", "  user eve insecure-password other",
        "backend be", "  server s1 127.0.0.1:9 weight 7", "  server s2 127.0.0.1:9 disabled",
        "frontend f", $"  bind 127.0.0.1:{port} name li id 7", "  option http-buffer-request",
    ];

    /// <summary>Refused lines get their message.</summary>
    private void Check(IReadOnlyList<ExpressionCase> cases, int from, int to, Scratch scratch, string[] results)
    {
        var lines = Head(1).ToList();
        int first = lines.Count + 1;
        for (int i = from; i < to; i++)
        {
            string body = cases[i].Body.Replace("DIR", ExpressionFile.Files);
            lines.Add(cases[i].IsAcl ? $"  acl a {body}" : $"  http-request set-var(txn.r) {body}");
        }

        File.WriteAllLines(scratch["check"], lines, Encoding.Latin1);
        using var process = Process.Start(new ProcessStartInfo(_program, ["-c", "-f", scratch["check"]])
        {
            RedirectStandardError = true, RedirectStandardOutput = true, StandardErrorEncoding = Encoding.Latin1,
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        string said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        _ = output.Result;
        if (process.ExitCode > 1 && to - from > 1)
        {
            // It may crash behind several errors, and what it said is lost: then one by one.
            for (int i = from; i < to; i++)
            {
                Check(cases, i, i + 1, scratch, results);
            }

            return;
        }

        int last = -1;
        foreach (Match m in Alert().Matches(said))
        {
            int index = from + int.Parse(m.Groups[1].Value) - first;
            if (index < from || index >= to)
            {
                throw new InvalidOperationException($"the original refuses the frame:\n{said}");
            }

            last = cases[index].IsAcl ? last : index;
            results[index] = "!" + m.Groups[2].Value.Replace(ExpressionFile.Files, "DIR").TrimEnd('.', ' ');
        }

        // Behind a wrong rule it reads no further.
        if (last >= 0 && last + 1 < to)
        {
            Check(cases, last + 1, to, scratch, results);
        }
    }

    private void Run(
        IReadOnlyList<ExpressionCase> cases, List<int> good, Scratch scratch, string request, string[] results)
    {
        int port = FreePort();
        var lines = Head(port).ToList();
        foreach (int i in good)
        {
            string body = cases[i].Body.Replace("DIR", ExpressionFile.Files);
            if (cases[i].IsAcl)
            {
                lines.Add($"  acl a{i} {body}");
                lines.Add($"  http-request set-var(txn.r{i}) str(1) if a{i}");
                lines.Add($"  http-request set-var(txn.r{i}) str(0) unless a{i}");
            }
            else
            {
                lines.Add($"  http-request set-var(txn.r{i}) {body}");
            }

            lines.Add($"  http-after-response set-header r{i} \"<%[var(txn.r{i}),url_enc]>\" if {{ var(txn.r{i}) -m found }}");
        }

        lines.Add("  http-request return status 200 if METH_GET or METH_POST or TRUE");
        File.WriteAllLines(scratch["run"], lines, Encoding.Latin1);
        using var process = Process.Start(new ProcessStartInfo(_program, ["-db", "-f", scratch["run"]])
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
        })!;
        var said = process.StandardError.ReadToEndAsync();
        try
        {
            string answer = Ask(port, request, () => process.HasExited ? said.Result : null);
            foreach (int i in good)
            {
                var m = Regex.Match(answer, $@"\r\nr{i}: <(.*?)>\r\n");
                results[i] = m.Success ? Plain(m.Groups[1].Value) : "NONE";
            }

            if (!answer.StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
            {
                throw new InvalidOperationException($"the original answers: {answer[..Math.Min(200, answer.Length)]}");
            }
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }
    }

    private static string Ask(int port, string request, Func<string?> ended)
    {
        using var socket = new Socket(
            AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 15000 };
        bool connected = SpinWait.SpinUntil(() =>
        {
            try
            {
                socket.Connect(IPAddress.Loopback, port);
                return true;
            }
            catch (SocketException)
            {
                return ended() is { } why ? throw new InvalidOperationException(why) : false;
            }
        }, TimeSpan.FromSeconds(15));
        Assert.True(connected, "the original does not listen");
        socket.Send(Encoding.Latin1.GetBytes(request));
        var all = new MemoryStream();
        byte[] buffer = new byte[65536];
        for (int n; (n = socket.Receive(buffer)) > 0;)
        {
            all.Write(buffer, 0, n);
        }

        return Encoding.Latin1.GetString(all.ToArray());
    }

    /// <summary>Undoes url_enc and writes bytes outside printable ASCII, and the percent sign, as %HH.</summary>
    private static string Plain(string encoded)
    {
        var bytes = new List<byte>();
        for (int i = 0; i < encoded.Length; i++)
        {
            if (encoded[i] == '%')
            {
                bytes.Add(Convert.ToByte(encoded.Substring(i + 1, 2), 16));
                i += 2;
            }
            else
            {
                bytes.Add((byte)encoded[i]);
            }
        }

        return Printable([.. bytes]);
    }

    public static string Printable(ReadOnlySpan<byte> bytes)
    {
        var s = new StringBuilder();
        foreach (byte b in bytes)
        {
            _ = b is > 0x20 and < 0x7f and not (byte)'%' || (b == ' ' && s.Length > 0)
                ? s.Append((char)b) : s.Append($"%{b:X2}");
        }

        string text = s.ToString();
        return text.EndsWith(' ') ? text[..^1] + "%20" : text;
    }

    private static int FreePort()
    {
        using var s = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        s.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)s.LocalEndPoint!).Port;
    }

    [GeneratedRegex(@"ALERT\].*?parsing \[[^]]*:(\d+)\] : error detected (?:while parsing ACL 'a'|in frontend 'f' while parsing '[^']*' rule) : (.*)")]
    private static partial Regex Alert();
}
