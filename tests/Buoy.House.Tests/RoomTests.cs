using System.Xml.Linq;

namespace Buoy.House.Tests;

/// <summary>The references between rooms are those that ARCHITECTURE.md allows: only downwards.</summary>
public sealed class RoomTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Buoy.Linux"] = [],
        ["Buoy.Network"] = ["Buoy.Linux"],
        ["Buoy.Cib"] = [],
        ["Buoy.Control"] = [],
        ["Buoy.Membership"] = ["Buoy.Linux"],
        ["Buoy.Scheduler"] = ["Buoy.Cib"],
        ["Buoy.Agents"] = ["Buoy.Network", "Buoy.Linux"],
        ["Buoy.Balancer"] = ["Buoy.Linux"],
        ["Buoy.Shell"] = ["Buoy.Cib", "Buoy.Control", "Buoy.Scheduler"],
        ["Buoy.Cluster"] =
            ["Buoy.Membership", "Buoy.Cib", "Buoy.Control", "Buoy.Scheduler", "Buoy.Agents", "Buoy.Network", "Buoy.Linux"],
        ["Buoy"] =
            ["Buoy.Shell", "Buoy.Cluster", "Buoy.Balancer", "Buoy.Membership", "Buoy.Cib", "Buoy.Control", "Buoy.Scheduler",
             "Buoy.Agents", "Buoy.Network", "Buoy.Linux"],
    };

    [Fact]
    public void References_OfEveryRoom_AreThoseAllowed()
    {
        string src = Path.Combine(Root(), "src");
        var rooms = Directory.GetDirectories(src).Select(Path.GetFileName).Order().ToArray();
        Assert.Equal(Allowed.Keys.Order(), rooms);
        foreach (string room in Allowed.Keys)
        {
            var found = XDocument.Load(Path.Combine(src, room, room + ".csproj")).Descendants("ProjectReference")
                .Select(r => Path.GetFileNameWithoutExtension((string)r.Attribute("Include")!)).Order();
            Assert.True(found.SequenceEqual(Allowed[room].Order()), $"{room} refers to {string.Join(", ", found)}");
        }
    }

    [Fact]
    public void NativeCalls_StandOnlyInTheLinuxRoom()
    {
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Root(), "src"), "*.cs", SearchOption.AllDirectories))
        {
            string relative = Path.GetRelativePath(Root(), file);
            if (relative.StartsWith("src/Buoy.Linux/", StringComparison.Ordinal) || relative.Contains("/obj/"))
            {
                continue;
            }

            string text = File.ReadAllText(file);
            Assert.False(text.Contains("[LibraryImport") || text.Contains("[DllImport"), $"{relative} calls native code itself");
        }
    }

    private static string Root()
    {
        string? d = AppContext.BaseDirectory;
        while (d is not null && !File.Exists(Path.Combine(d, "Buoy.slnx")))
        {
            d = Path.GetDirectoryName(d);
        }

        return d ?? throw new InvalidOperationException("the repository's root is not above the test");
    }
}
