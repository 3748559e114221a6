using System.Xml.Linq;

namespace Buoy.Scheduler.Tests;

/// <summary>A look at one CIB: BUOY_CIB names the file, the report and scores are printed.</summary>
public sealed class ToolTests(ITestOutputHelper output)
{
    [Fact]
    public void Report_NamedFile_IsPrinted()
    {
        string? file = Environment.GetEnvironmentVariable("BUOY_CIB");
        Assert.SkipUnless(file is not null, "BUOY_CIB names no file");
        XElement cib = XElement.Load(file!);
        SimulateReport report = SimulateReport.Create(cib, SmallCib.Now);
        output.WriteLine(report.Text + report.Scores);
        Assert.NotEmpty(report.Text);
    }
}
