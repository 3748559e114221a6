using System.Text;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Tests.Rules;

/// <summary>Expressions: what they say about wrong text, and what they find in a request without any socket.</summary>
public sealed unsafe class SampleTests
{
    /// <summary>Texts observed in the original (2.6).</summary>
    [Theory]
    [InlineData("", "missing fetch method")]
    [InlineData("foo", "unknown fetch method 'foo'")]
    [InlineData("path,foo", "unknown converter 'foo'")]
    [InlineData("path,lower(", "invalid arg 1 in converter 'lower' : expected ')'")]
    [InlineData("path,lower(a)", "invalid arg 1 in converter 'lower' : expected ')' before 'a)'")]
    [InlineData("path,lower()b", "missing comma after converter 'lower'")]
    [InlineData("hdr(a)b", "missing comma after fetch keyword 'hdr'")]
    [InlineData("hdr(a,b)", "fetch method 'hdr' : failed to parse 'b' as type 'integer' at position 2")]
    [InlineData("hdr(a,1,2)", "fetch method 'hdr' : expected ')' before ',2)'")]
    [InlineData("int(x)", "fetch method 'int' : failed to parse 'x' as type 'integer' at position 1")]
    [InlineData("path(1)", "fetch method 'path' : expected ')' before '1)'")]
    [InlineData("path(", "fetch method 'path' : expected ')'")]
    [InlineData("ipv4(1.2.3)", "fetch method 'ipv4' : failed to parse '1.2.3' as type 'IPv4 address' at position 1")]
    [InlineData("ipv4", "fetch method 'ipv4' : expected type 'IPv4 address' at position 1, but got nothing")]
    [InlineData("ipv4()", "fetch method 'ipv4' : expected type 'IPv4 address' at position 1, but got nothing")]
    [InlineData("bool(maybe)", "invalid args in fetch method 'bool' : Expects 'true', 'false', '0' or '1'")]
    [InlineData("method,not", "converter 'not' cannot be applied")]
    [InlineData("ipv6(::1),not", "converter 'not' cannot be applied")]
    [InlineData("var(txn.x-y)", "invalid args in fetch method 'var' : invalid syntax at char '-y'")]
    public void Parse_OfWrongText_SaysWhatTheOriginalSays(string text, string error)
    {
        Assert.Null(SampleParser.Parse(text, new SampleContext(), out string said));
        Assert.Equal(error, said);
    }

    [Theory]
    [InlineData("path", "/a/b")]
    [InlineData("pathq", "/a/b?x=1&y=2;z=3&x=4")]
    [InlineData("url_param(x)", "1")]
    [InlineData("url_param(z)", "3")]
    [InlineData("url_param(q)", null)]
    [InlineData("req.hdr(x-list)", "d")]
    [InlineData("req.hdr(x-list,1)", "a")]
    [InlineData("req.hdr(x-list,-2)", "\"b,c\"")]
    [InlineData("req.hdr(X-LIST,9)", null)]
    [InlineData("req.fhdr(x-list,1)", "a, \"b,c\"")]
    [InlineData("req.hdr_cnt(x-list)", "3")]
    [InlineData("hdr_val(n)", "-42")]
    [InlineData("method", "GET")]
    [InlineData("method,lower", "get")]
    [InlineData("base", "h.example/a/b")]
    [InlineData("str(12abc),not", "0")]
    [InlineData("int(0),not", "1")]
    [InlineData("ipv6(fe80::1:2),upper", "FE80::1:2")]
    [InlineData("path upper", "/A/B")]
    [InlineData("path,,upper,", "/A/B")]
    [InlineData("src,lower", "192.0.2.7")]
    [InlineData("src_port", "4711")]
    [InlineData("str('a b, \\')c')", null)]
    [InlineData("str(\"a,\\\"b)\")", "a,\"b)")]
    [InlineData("var(txn.v)", "kept")]
    [InlineData("var(txn.w,other)", "other")]
    public void Evaluate_InARequest_FindsTheValue(string text, string? value)
    {
        using var scope = new SampleScope();
        byte[] head = Encoding.Latin1.GetBytes(
            "GET /a/b?x=1&y=2;z=3&x=4 HTTP/1.1\r\nHost: h.example\r\nX-List: a, \"b,c\"\r\nN: -42\r\nx-list: d\r\n\r\n");
        using var variables = new VariableStore();
        var parser = new HttpHead();
        fixed (byte* p = head)
        {
            Assert.Equal(ParseResult.Complete, parser.ParseRequest(p, head.Length));
            scope.Request.LoadRequest(parser, p);
            fixed (Buoy.Balancer.Engine.SocketAddressBytes* source = &scope.Source)
            {
                _ = Buoy.Balancer.Engine.Sockets.Write(System.Net.IPAddress.Parse("192.0.2.7"), 4711, source);
            }

            scope.TransactionVariables = variables;
            var kept = default(Sample);
            Assert.True(kept.SetCopy(scope, "kept"u8));
            Assert.True(scope.SetVariable(VariableName.Parse("txn.v", out _)!.Value, kept));
            int index = 0;
            var expression = SampleParser.Parse(text.Split(' '), ref index, new SampleContext(), out string error);
            if (expression is null)
            {
                Assert.Null(value);
                return;
            }

            Assert.Equal("", error);
            string? found = expression.Evaluate(scope, SampleType.Str, out var sample)
                ? Encoding.Latin1.GetString(sample.Bytes) : null;
            Assert.Equal(value, found);
        }
    }

    [Fact]
    public void Next_OverAHeader_GivesEachValueOnce()
    {
        using var scope = new SampleScope();
        byte[] head = Encoding.Latin1.GetBytes("GET / HTTP/1.1\r\nA: 1, 2\r\nB: x\r\nA: 3\r\nA:\r\n\r\n");
        var parser = new HttpHead();
        fixed (byte* p = head)
        {
            Assert.Equal(ParseResult.Complete, parser.ParseRequest(p, head.Length));
            scope.Request.LoadRequest(parser, p);
            var expression = SampleParser.Parse("req.hdr(a)", new SampleContext(), out _)!;
            var sample = default(Sample);
            var all = new List<string>();
            do
            {
                if (!expression.Next(scope, ref sample))
                {
                    break;
                }

                all.Add(Encoding.Latin1.GetString(sample.Bytes));
            }
            while ((sample.Flags & SampleFlags.NotLast) != 0);
            Assert.Equal(["1", "2", "3", ""], all);
        }
    }
}
