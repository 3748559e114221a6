using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.Rules.Patterns;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Tests.Rules;

/// <summary>
/// The files of expressions/: what the original makes of hundreds of fetches, converters and ACLs, and that ours makes
/// the
/// same of them.
/// </summary>
public sealed unsafe class ExpressionTests
{
    public static TheoryData<string> Files() => [.. ExpressionFile.Names()];

    [Theory]
    [MemberData(nameof(Files))]
    public void Expressions_InTheOriginal_GiveWhatTheFileSays(string name)
    {
        var file = ExpressionFile.Open(name);
        var results = new OriginalEvaluator().Evaluate(file.Cases, file.Request);
        if (Environment.GetEnvironmentVariable("BUOY_REWRITE") == "1")
        {
            file.Rewrite(results);
            return;
        }

        Compare(file.Cases, results);
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Expressions_InOurs_GiveWhatTheFileSays(string name)
    {
        var file = ExpressionFile.Open(name);
        using var ours = new OwnEvaluator(file.Request);
        Compare(file.Cases, [.. file.Cases.Select(ours.Evaluate)]);
    }

    private static void Compare(IReadOnlyList<ExpressionCase> cases, IReadOnlyList<string> results)
    {
        var wrong = cases.Zip(results).Where(x => x.First.Result != x.Second)
            .Select(x => $"{x.First.Text}\n   expected {x.First.Result}\n   got      {x.Second}").ToList();
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {cases.Count} differ:\n{string.Join('\n', wrong)}");
    }
}

/// <summary>Evaluates expressions with our code on a request, without sockets.</summary>
internal sealed unsafe class OwnEvaluator : IDisposable
{
    private readonly byte* _request;
    private readonly SampleScope _scope = new();
    private readonly PatternStore _patterns = new();

    public OwnEvaluator(string request)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(request);
        _request = (byte*)System.Runtime.InteropServices.NativeMemory.Alloc((nuint)bytes.Length);
        bytes.CopyTo(new Span<byte>(_request, bytes.Length));
        var parser = new HttpHead();
        Assert.Equal(ParseResult.Complete, parser.ParseRequest(_request, bytes.Length));
        _scope.Http = true;
        _scope.FirstRequest = true;
        _scope.Request.LoadRequest(parser, _request);
        _scope.Request.SetBody(_request + parser.Length, bytes.Length - parser.Length, complete: true);
        _scope.SessionVariables = new VariableStore();
        _scope.TransactionVariables = new VariableStore();
        _scope.RequestVariables = new VariableStore();
        _scope.ResponseVariables = new VariableStore();
        _scope.ProcessVariables = new ProcessVariables();
        fixed (Buoy.Balancer.Engine.SocketAddressBytes* source = &_scope.Source, destination = &_scope.Destination)
        {
            _ = Buoy.Balancer.Engine.Sockets.Write(IPAddress.Loopback, 40000, source);
            _ = Buoy.Balancer.Engine.Sockets.Write(IPAddress.Loopback, 40001, destination);
        }
    }

    public string Evaluate(ExpressionCase c)
    {
        _scope.Temporary.Reset();
        var words = Words(c.Body.Replace("DIR", ExpressionFile.Files));
        var place = new SourcePlace("file", 1);
        var context = new SampleContext { Place = place, Patterns = _patterns };
        int index = 0;
        string keyword = words.Count > 0 ? words[0].Split('(', ',')[0] : "";
        bool converted = words.Count > 0 && System.Text.RegularExpressions.Regex.IsMatch(words[0], @"^[^(]*,|\),");
        var implied = c.IsAcl ? AclKeywords.Find(keyword) : null;
        if (implied is { } i)
        {
            words[0] = i.Fetch + words[0][keyword.Length..];
        }

        var expression = SampleParser.Parse(words, ref index, context, out string error);
        if (expression is null)
        {
            return Refused(error, c, words);
        }

        if (!c.IsAcl)
        {
            return expression.Evaluate(_scope, SampleType.Str, out var sample)
                ? OriginalEvaluator.Printable(sample.Bytes) : "NONE";
        }

        var subject = new PatternSubject(keyword, expression.Type, converted ? null : implied?.Method);
        var test = new PatternArguments(_patterns, subject, place).Read(words, index, out error);
        if (test is null)
        {
            return Refused(error, c, words);
        }

        var value = default(Sample);
        do
        {
            if (expression.Next(_scope, ref value))
            {
                var copy = value;
                if (test.Match(_scope, ref copy))
                {
                    return "1";
                }
            }
        }
        while ((value.Flags & SampleFlags.NotLast) != 0);
        return "0";
    }

    public void Dispose()
    {
        _scope.Dispose();
        System.Runtime.InteropServices.NativeMemory.Free(_request);
    }

    private static string Refused(string error, ExpressionCase c, List<string> words) =>
        "!" + (error + (c.IsAcl && error.Contains("fetch method") ? $" in ACL expression '{words[0]}'" : ""))
            .Replace(ExpressionFile.Files, "DIR").TrimEnd('.', ' ');

    /// <summary>Words as the reader of configuration lines makes them.</summary>
    private static List<string> Words(string line) =>
        LineReader.Split(line, _ => null).Words;
}
