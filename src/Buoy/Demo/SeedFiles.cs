using Buoy.Lab;

namespace Buoy.Demo;

/// <summary>The example files (examples/seed), carried in the program so that the demo runs from anywhere.</summary>
internal static class SeedFiles
{
    /// <summary>haproxy.cfg, corosync.conf and cluster.crm of the seed.</summary>
    public static LabFiles Load(string corosync = "corosync.conf") => new(Text("haproxy.cfg"), Text(corosync), Text("cluster.crm"));

    private static string Text(string name)
    {
        using var stream = typeof(SeedFiles).Assembly.GetManifestResourceStream("seed/" + name)
            ?? throw new LabException($"the program carries no {name}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
