using System.Diagnostics;
using System.Text.RegularExpressions;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.Configuration;

/// <summary>Conditions of <c>-cc</c>, judged as the original judges them (configuration manual 2.4).</summary>
public sealed partial class ConditionTests
{
    public static TheoryData<string> Conditions =>
    [
        "", "1", "0", "-1", "+1", "0x1", "!0", "!!1", "! 0", "(1)", "((1))", "1 && 1", "1&&0", "1||0", "0||1&&0||1",
        "1 && (0 || 1)", "1 || x", "0 && x", "x || 1", "1 1", "1 && x y", "(x)", "(1)x", "(1) 1", "!", "!x", "! (", "()", "(",
        ")", "1)", "((1)", "(1))", "1abc", "-", "1 |", "1 & 1", "&&", "||", "|| 1", "1 && ||", "abc", "streq", "streq(",
        "streq()", "streq(a)", "streq(a,b", "streq(a,b)x", "streq(a,b,c)", "streq(a,a)", "strneq(a,a)", "streq( a,a)",
        "streq(,)", "streq(a,)", "streq(\"a\" ,a)", "streq(a,'a')", "streq(\\\"a\\\",a)", "streq(\"a,b\",x)", "foo(1)", "a(b",
        "defined", "defined()", "defined(PATH)", "defined(NO_SUCH)", "defined (a)", "defined(a b)", "defined(a)b",
        "version_atleast(2.6)", "version_atleast(2.6.12)", "version_atleast(2.7-dev0)", "version_before(2.6-dev0)",
        "version_before(99)", "version_atleast", "version_before()", "version_before(x)", "version_atleast(2.5-dev4) && 1",
        "feature()", "feature(EPOLL)", "feature(NONE)", "streq(a,(b))", "streq(\"$NO_SUCH\",\"\")", "true", "enabled(POLL)",
    ];

    [Theory, MemberData(nameof(Conditions))]
    public void Evaluate_OfCondition_AgreesWithTheOriginal(string condition)
    {
        string program = SharedData.RequireProgram("haproxy");
        using var process = Process.Start(new ProcessStartInfo(program, ["-cc", condition]) { RedirectStandardError = true })!;
        string original = Plain(process.StandardError.ReadToEnd());
        process.WaitForExit();
        var error = new StringWriter();
        int code = Buoy.Balancer.Host.BalancerProgram.Run(["-cc", condition], new Host.FakeParts(), [], new StringWriter(), error);
        Assert.Equal($"{original} exit {process.ExitCode}", $"{Plain(error.ToString())} exit {code}");
    }

    private static string Plain(string messages) => Alert().Match(messages).Value;

    [GeneratedRegex(@"config : .*")]
    private static partial Regex Alert();
}
