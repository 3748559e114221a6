using System.Xml.Linq;
using CsCheck;

namespace Buoy.Cib.Tests;

/// <summary>cibadmin's semantics, all or nothing.</summary>
public sealed class OperationTests
{
    private static Gen<string> Any(params string[] all) => Gen.Int[0, all.Length - 1].Select(i => all[i]);

    private static CibDocument Start() => CibDocument.Parse(
        """
        <cib epoch="1" num_updates="7" admin_epoch="0"><configuration><crm_config/><nodes><node id="1" uname="n1"/></nodes>
        <resources><group id="g"><primitive id="a" class="ocf" provider="heartbeat" type="Dummy"/></group></resources>
        <constraints/></configuration><status/></cib>
        """);

    [Fact]
    public void Create_OfAnIdThatExists_Gives108AndChangesNothing()
    {
        CibDocument cib = Start();
        string before = cib.Digest();
        var e = Assert.Throws<CibException>(() => cib.Apply(
            [
                new CibOperation(CibOperationKind.Create, "resources", Xml: "<primitive id=\"b\" class=\"ocf\" provider=\"heartbeat\" type=\"Dummy\"/>"),
                new CibOperation(CibOperationKind.Modify, Xml: "<primitive id=\"a\" description=\"x\"/>"),
                new CibOperation(CibOperationKind.Create, "resources", Xml: "<primitive id=\"a\"/>"),
            ]));
        Assert.Equal(108, e.Status);
        Assert.Equal(before, cib.Digest());
    }

    [Theory]
    [InlineData(CibOperationKind.Modify)]
    [InlineData(CibOperationKind.Replace)]
    public void Change_OfWhatIsNotThere_Gives105(CibOperationKind kind) =>
        Assert.Equal(105, Assert.Throws<CibException>(() => Start().Apply([new CibOperation(kind, Xml: "<primitive id=\"zz\"/>")])).Status);

    [Fact]
    public void Delete_OfWhatIsNotThere_IsNoError() => Start().Apply([new CibOperation(CibOperationKind.Delete, Xml: "<primitive id=\"zz\"/>")]);

    [Fact]
    public void Modify_WithAllowCreate_MakesNestedElementsAndMergesAttributes()
    {
        CibDocument cib = Start();
        cib.Apply([new CibOperation(CibOperationKind.Modify, "status",
            Xml: "<node_state id=\"1\" uname=\"n1\"><transient_attributes id=\"1\"/></node_state>", AllowCreate: true)]);
        cib.Apply([new CibOperation(CibOperationKind.Modify, "status", Xml: "<node_state id=\"1\" crmd=\"online\"/>")]);
        XElement state = cib.Select("/cib/status/node_state").Single();
        Assert.Equal("online", (string?)state.Attribute("crmd"));
        Assert.NotNull(state.Element("transient_attributes"));
    }

    [Fact]
    public void Modify_OfTheCibItself_CountsUpWithItsNotation()
    {
        CibDocument cib = Start();
        cib.Apply([new CibOperation(CibOperationKind.Modify, Xml: "<cib admin_epoch=\"admin_epoch++\"/>")]);
        Assert.Equal(1, cib.Version.AdminEpoch);
    }

    [Fact]
    public void BumpEpoch_ResetsUpdates_AndSaysWho()
    {
        CibDocument cib = Start();
        cib.BumpEpoch("n1", "crm", "root", DateTimeOffset.UnixEpoch);
        Assert.Equal(new CibVersion(0, 2, 0), cib.Version);
        Assert.Equal("n1", (string?)cib.Root.Attribute("update-origin"));
        cib.BumpUpdates();
        Assert.Equal(new CibVersion(0, 2, 1), cib.Version);
    }

    [Fact]
    public void Digest_OfTheSameContent_DoesNotDependOnAttributeOrderOrWhiteSpace() => Assert.Equal(
        CibDocument.Parse("<cib a=\"1\" b=\"2\"><configuration>\n <x/>\n</configuration></cib>").Digest(),
        CibDocument.Parse("<cib b=\"2\" a=\"1\"><configuration><x/></configuration></cib>").Digest());

    [Fact]
    public void ToXml_IsReadBackAsTheSame() => Gen.String.Where(s => s.All(c => c >= ' ' && !char.IsSurrogate(c) && c < 0xfffe)).Sample(text =>
    {
        CibDocument cib = Start();
        cib.Edit(root => root.Descendants("primitive").Single().SetAttributeValue("description", text));
        return CibDocument.Parse(cib.ToXml()).Digest() == cib.Digest();
    });

    [Theory]
    [InlineData("<rsc_order id=\"o\" first=\"a\" then=\"ghost\"/>", "then refers to 'ghost'")]
    [InlineData("<rsc_order id=\"a\" first=\"a\" then=\"g\"/>", "id 'a' is used by")]
    [InlineData("<rsc_location id=\"l\" rsc=\"a\" score=\"many\" node=\"n1\"/>", "'many' is not a score")]
    [InlineData("<rsc_order id=\"1o\" first=\"a\" then=\"g\"/>", "'1o' is not an id")]
    public void Validate_OfAWrongConstraint_NamesIt(string xml, string expected)
    {
        CibDocument cib = Start();
        Assert.Empty(cib.Validate());
        cib.Apply([new CibOperation(CibOperationKind.Create, "constraints", Xml: xml)]);
        Assert.Contains(expected, Assert.Single(cib.Validate()));
    }

    [Fact]
    public void Apply_OfRandomOperations_ThatFail_LeavesTheDocumentAsItWas() => Gen.Select(
        Gen.Enum<CibOperationKind>(), Any("a", "b", "g", "c"), Any("primitive", "group", "tag"), Gen.Bool)
        .Select((kind, id, tag, allow) => new CibOperation(kind, tag == "tag" ? "tags" : "resources", Xml: $"<{tag} id=\"{id}\" x=\"{id}\"/>", AllowCreate: allow))
        .Array[1, 6].Sample(operations =>
        {
            CibDocument cib = Start();
            string before = cib.Digest();
            try
            {
                cib.Apply(operations);
                return true;
            }
            catch (CibException)
            {
                return cib.Digest() == before;
            }
        });
}
