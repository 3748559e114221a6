using System.Text;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.Rules;

/// <summary>One line of a case file: an expression, or <c>acl: CRITERION …</c>, and what comes out.</summary>
/// <param name="Result">Bytes outside printable ASCII as %HH; NONE = no sample; !TEXT = refused with that text.</param>
internal sealed record ExpressionCase(string Text, string Result)
{
    public bool IsAcl => Text.StartsWith("acl:", StringComparison.Ordinal);

    public string Body => IsAcl ? Text[4..].Trim() : Text;
}

/// <summary>
/// A file of expressions/: lines <c>expression => result</c> under one request, whose lines begin with "&gt; ".
/// Results are
/// the original's: BUOY_REWRITE=1 asks it anew. <c>DIR</c> stands for the folder of maps and lists.
/// </summary>
internal sealed class ExpressionFile
{
    private const string Arrow = " => ";
    private readonly string _path;
    private readonly List<string> _lines;

    private ExpressionFile(string path)
    {
        _path = path;
        _lines = [.. File.ReadAllLines(path, Encoding.Latin1)];
    }

    public static string Folder { get; } =
        Path.Combine(SharedData.Repository, "tests", "Buoy.Balancer.Tests", "Rules", "expressions");

    /// <summary>Folder of maps and lists.</summary>
    public static string Files { get; } = Path.Combine(Folder, "files");

    public IReadOnlyList<ExpressionCase> Cases => [.. _lines.Where(IsCase).Select(Split)];

    /// <summary>The request as sent, with a body where a line "&gt;&gt; " gives one.</summary>
    public string Request
    {
        get
        {
            var head = _lines.Where(l => l.StartsWith("> ", StringComparison.Ordinal)).Select(l => l[2..]).ToList();
            string body = string.Join("\r\n",
                _lines.Where(l => l.StartsWith(">> ", StringComparison.Ordinal)).Select(l => l[3..]));
            if (head.Count == 0)
            {
                head = ["GET / HTTP/1.1", "Host: www.example.com:8080"];
            }

            if (body.Length > 0)
            {
                head.Add($"Content-Length: {body.Length}");
            }

            return string.Join("\r\n", head) + "\r\nConnection: close\r\n\r\n" + body;
        }
    }

    public static ExpressionFile Open(string name) => new(Path.Combine(Folder, name + ".txt"));

    public static IEnumerable<string> Names() =>
        Directory.GetFiles(Folder, "*.txt").Select(f => Path.GetFileNameWithoutExtension(f)!).Order(
            StringComparer.Ordinal);

    /// <summary>Writes other results behind the expressions.</summary>
    public void Rewrite(IReadOnlyList<string> results)
    {
        int next = 0;
        var lines = _lines.Select(l => IsCase(l) ? Split(l).Text + Arrow + results[next++] : l).ToList();
        File.WriteAllLines(_path, lines, Encoding.Latin1);
    }

    private static bool IsCase(string line) => line.Length > 0 && line[0] is not ('#' or '>');

    private static ExpressionCase Split(string line)
    {
        int at = line.LastIndexOf(Arrow, StringComparison.Ordinal);
        return at < 0 ? new ExpressionCase(line, "") : new ExpressionCase(line[..at], line[(at + Arrow.Length)..]);
    }
}
