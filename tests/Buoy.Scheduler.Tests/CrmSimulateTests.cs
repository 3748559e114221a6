namespace Buoy.Scheduler.Tests;

public sealed class CrmSimulateTests
{
    private const string Cib = """
        <cib have-quorum="1"><configuration><crm_config><cluster_property_set id="o">
          <nvpair id="o1" name="fencing-enabled" value="false"/></cluster_property_set></crm_config>
          <nodes><node id="1" uname="n1"><utilization id="u"><nvpair id="u1" name="cpu" value="4"/></utilization></node></nodes>
          <resources><primitive id="r" class="ocf" provider="pacemaker" type="Dummy">
            <utilization id="v"><nvpair id="v1" name="cpu" value="1"/></utilization></primitive></resources>
          <constraints><rsc_order id="x" first="nobody" then="r"/></constraints></configuration>
          <status><node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/></status></cib>
        """;

    [Theory]
    [InlineData("", false, false)]
    [InlineData("-R", true, false)]
    [InlineData("-S", true, true)]
    public void Run_RunAndSimulate_PrintTheirParts(string option, bool summary, bool execution)
    {
        string text = Run(option, out int code);

        Assert.Equal(0, code);
        Assert.Contains("Current cluster status:", text);
        Assert.Equal(summary, text.Contains("Transition Summary:"));
        Assert.Equal(execution, text.Contains("Executing Cluster Transition:"));
    }

    [Fact]
    public void Run_Utilization_PrintsCapacityBeforeAndAfter()
    {
        string text = Run("-QU", out _);

        Assert.Equal("Original: n1 capacity: cpu=4\nRemaining: n1 capacity: cpu=3\n", text);
    }

    [Fact]
    public void Run_Verbose_AddsWhatWasWrongWithTheInput()
    {
        Assert.DoesNotContain("'nobody' does not exist", Run("-R", out _));
        Assert.Contains("'nobody' does not exist", Run("-RV", out _));
    }

    [Theory]
    [InlineData("--profile=x")]
    [InlineData("-X")]
    public void Run_UnknownOption_IsRefusedByName(string option)
    {
        string text = Run(option, out int code);

        Assert.Equal(64, code);
        Assert.Contains($"'{option}'", text);
    }

    private static string Run(string option, out int code)
    {
        string text = "";
        string[] args = option.Length == 0 ? ["-x", "f"] : ["-x", "f", option];
        code = CrmSimulate.Run(args, SmallCib.Now, _ => Cib, (_, _) => { }, t => text += t);
        return text;
    }
}
