namespace Buoy.Shell.Tests;

/// <summary>Every command has a help text, or says by its name that it is not supported.</summary>
public sealed class HelpTests
{
    private const string Base =
        """
        <cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="4" num_updates="0" admin_epoch="0">
          <configuration><crm_config/><nodes><node id="1" uname="n1"/></nodes><resources/><constraints/></configuration>
          <status/>
        </cib>
        """;

    [Theory]
    [InlineData("")]
    [InlineData("configure")]
    [InlineData("resource")]
    [InlineData("node")]
    [InlineData("cluster")]
    [InlineData("corosync")]
    [InlineData("ra")]
    [InlineData("options")]
    [InlineData("maintenance")]
    public void Help_OfEachLevel_ExplainsACommand_OrTheCommandRefusesItself(string level)
    {
        using var shell = new OfflineShell(Base);
        string[] prefix = level.Length > 0 ? [level] : [];
        (int status, string output, _) = shell.Crm([.. prefix, "help"]);
        Assert.Equal(0, status);
        string[] refused = [.. output.Split('\n').Where(l => l.EndsWith("(not supported)", StringComparison.Ordinal))
            .Select(l => l.Trim().Split(' ')[0])];
        foreach (string command in refused)
        {
            (int rc, string said, string error) = shell.Crm([.. prefix, command, "x"]);
            Assert.True(rc != 0 && (said + error).Contains("not supported", StringComparison.Ordinal),
                $"{level} {command}: {rc} {said}{error}");
        }
    }

    [Theory]
    [InlineData("resoruce status", "ERROR: resoruce: No such command: did you mean resource?\n")]
    [InlineData("resource stpo x", "ERROR: resource.stpo: No such command: did you mean stop?\n")]
    [InlineData("configure primitve x", "ERROR: configure.primitve: No such command: did you mean primitive?\n")]
    [InlineData("frobnicate", "ERROR: frobnicate: No such command\n")]
    public void Crm_WithATypingError_NamesTheNearestCommand(string words, string expected)
    {
        using var shell = new OfflineShell(Base);
        (int status, _, string error) = shell.Crm(words.Split(' '));
        Assert.Equal((1, expected), (status, error));
    }
}
