using System.Xml.Linq;
using Buoy.Demo;

namespace Buoy.LabTests;

/// <summary>What the originals say of the same input.</summary>
public sealed class OriginalTests
{
    [Fact]
    public void LiveCib_GivenToCrmSimulate_NothingIsLeftToDo()
    {
        string simulate = Buoy.Tests.SharedData.RequireProgram("crm_simulate");
        using var c = LabCluster.Running();
        NothingToDo(simulate, c, "after the start");
        string active = c.Holder();
        c.World.Buoy(active, null, "crm", "node", "standby", active).Require("standby");
        c.WaitIdle();
        NothingToDo(simulate, c, "after a standby");
        c.World.Buoy(active, null, "crm", "node", "online", active).Require("online");
        c.World.Signal(c.Holder(), "9", c.BalancerPid(c.Holder())).Require("kill");
        c.WaitFor(() => c.Status(c.First).Contains("haproxy-resource 20s-interval monitor", StringComparison.Ordinal), "the failure is recorded");
        c.WaitIdle();
        NothingToDo(simulate, c, "after a failure");
    }

    [Fact]
    public void ClusterCrm_ThroughRealCrmsh_GivesTheSameConfiguration()
    {
        string crm = Buoy.Tests.SharedData.RequireProgram("crm");
        using var c = LabCluster.Bare();
        c.StartDaemons();
        c.WaitFor(() => c.Online(c.First).Length == 2, "both online");
        string folder = Directory.CreateTempSubdirectory("buoy-crm-").FullName;
        try
        {
            string file = Path.Combine(folder, "cib.xml");
            File.WriteAllText(file, c.World.Buoy(c.First, null, "cibadmin", "-Q").Output);
            c.Configure(SeedFiles.Load().ClusterCrm);
            var theirs = Buoy.Lab.LabProcess.Run(["env", "CIB_file=" + file, crm, "-D", "plain", "-F", "configure"], SeedFiles.Load().ClusterCrm);
            Assert.True(theirs.Status == 0, theirs.Output + theirs.Errors);
            string ours = Configuration(c.World.Buoy(c.First, null, "cibadmin", "-Q").Output);
            Assert.Equal(Configuration(File.ReadAllText(file)), ours);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    internal static void NothingToDo(string simulate, LabCluster c, string when)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, c.World.Buoy(c.First, null, "cibadmin", "-Q").Output);
            var r = Buoy.Lab.LabProcess.Run([simulate, "-x", file, "-S"]);
            string text = r.Output;
            int from = text.IndexOf("Transition Summary:", StringComparison.Ordinal);
            Assert.True(from < 0 || Empty(text[from..]), $"{when}: crm_simulate would still do\n{text}\n{r.Errors}");
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>No bullet stands between "Transition Summary:" and "Revised Cluster Status:".</summary>
    private static bool Empty(string text)
    {
        int end = text.IndexOf("Revised Cluster Status:", StringComparison.Ordinal);
        return !text[..(end < 0 ? text.Length : end)].Contains("\n  * ", StringComparison.Ordinal);
    }

    /// <summary>The configuration with attributes in alphabetical order: their order has no meaning.</summary>
    private static string Configuration(string cib)
    {
        var configuration = XElement.Parse(cib).Element("configuration")!;
        foreach (var e in configuration.DescendantsAndSelf().ToList())
        {
            var sorted = e.Attributes().OrderBy(a => a.Name.LocalName, StringComparer.Ordinal).ToList();
            e.ReplaceAttributes(sorted);
        }

        return configuration.ToString();
    }
}
