using System.Xml.Linq;

namespace Buoy.Cib.Tests;

/// <summary>Patches of format 2.</summary>
public sealed class PatchTests
{
    private const string Before =
        """
        <cib epoch="4" num_updates="1" admin_epoch="0" crm_feature_set="3.16.1" validate-with="pacemaker-3.9">
          <configuration>
            <crm_config/><nodes/>
            <resources><primitive id="a" class="ocf" type="x"/><primitive id="b" class="ocf" type="x"/></resources>
            <constraints><rsc_location id="l" rsc="a" node="n" score="1"/></constraints>
          </configuration>
          <status/>
        </cib>
        """;

    [Theory]
    [InlineData("<primitive id=\"b\"", "<primitive id=\"c\"")]
    [InlineData("score=\"1\"", "score=\"2\"")]
    [InlineData("<crm_config/>", "<crm_config><cluster_property_set id=\"s\"/></crm_config>")]
    [InlineData("</constraints>", "</constraints><rsc_defaults><meta_attributes id=\"m\"/></rsc_defaults>")]
    [InlineData("<primitive id=\"a\" class=\"ocf\" type=\"x\"/><primitive id=\"b\" class=\"ocf\" type=\"x\"/>",
        "<primitive id=\"b\" class=\"ocf\" type=\"x\"/><primitive id=\"a\" class=\"ocf\" type=\"y\"/>")]
    [InlineData("epoch=\"4\"", "epoch=\"5\"")]
    public void Apply_OfWhatMakeMade_GivesTheNewCib(string old, string now)
    {
        CibDocument before = CibDocument.Parse(Before), after = CibDocument.Parse(Before.Replace(old, now));
        XElement patch = CibPatch.Make(before, after, versions: true)!;
        Assert.Equal(CibText.Compact(after.Root), CibText.Compact(CibPatch.Apply(before, patch).Root));
    }

    [Fact]
    public void Make_OfVersionsOnly_WithoutVersions_IsNoDifference()
    {
        CibDocument before = CibDocument.Parse(Before);
        CibDocument after = CibDocument.Parse(Before.Replace("epoch=\"4\"", "epoch=\"9\""));
        Assert.Null(CibPatch.Make(before, after, versions: false));
        Assert.Null(CibPatch.Make(before, CibDocument.Parse(Before), versions: true));
    }

    [Fact]
    public void Apply_MovesAndChangesAttributes()
    {
        XElement patch = XElement.Parse(
            """
            <diff format="2">
              <change operation="move" path="/cib/configuration/resources/primitive[@id='a']" position="1"/>
              <change operation="modify" path="/cib/configuration/resources/primitive[@id='b']">
                <change-list>
                  <change-attr name="type" operation="set" value="z"/>
                  <change-attr name="class" operation="unset"/>
                </change-list>
              </change>
            </diff>
            """);
        CibDocument after = CibPatch.Apply(CibDocument.Parse(Before), patch);
        Assert.Equal(
            "<resources><primitive id=\"b\" type=\"z\"/><primitive id=\"a\" class=\"ocf\" type=\"x\"/></resources>",
            CibText.Compact(after.Section("resources")!));
    }

    [Theory]
    [InlineData("<diff/>", 78)]
    [InlineData("<diff format=\"2\"><change operation=\"delete\" path=\"/cib/nosuch\"/></diff>", 105)]
    [InlineData("<diff format=\"2\"><change operation=\"turn\" path=\"/cib\"/></diff>", 78)]
    public void Apply_OfAPatchThatDoesNotFit_IsRefused(string patch, int status)
    {
        CibException e = Assert.Throws<CibException>(
            () => CibPatch.Apply(CibDocument.Parse(Before), XElement.Parse(patch)));
        Assert.Equal(status, e.Status);
    }

    [Fact]
    public void Replacements_NameOnlyTheSectionsThatDiffer()
    {
        CibDocument before = CibDocument.Parse(Before);
        CibDocument after = CibDocument.Parse(Before.Replace("score=\"1\"", "score=\"2\""));
        CibOperation operation = Assert.Single(CibPatch.Replacements(before, after));
        Assert.Equal((CibOperationKind.Replace, "constraints"), (operation.Kind, operation.Section));
        before.Apply([operation]);
        Assert.Equal("2", (string?)before.Section("constraints")!.Elements().Single().Attribute("score"));
    }
}
