namespace Buoy.Cluster.Host;

/// <summary>
/// Held while a daemon runs: a second one on the same node would take its control socket and fight over its resources.
/// The kernel releases it with the process, so nothing stale can be left.
/// </summary>
internal sealed class NodeLock : IDisposable
{
    private readonly FileStream _file;

    /// <summary>Throws <see cref="IOException"/> that says who holds it.</summary>
    public NodeLock(string runFolder)
    {
        Directory.CreateDirectory(runFolder);
        string path = Path.Combine(runFolder, "cluster.lock");
        try
        {
            _file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e.GetType() == typeof(IOException) && File.Exists(path))
        {
            throw new IOException($"a cluster daemon{Holder(runFolder)} runs on this node already: "
                + $"{path} is locked", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static string Holder(string runFolder)
    {
        string pidFile = Path.Combine(runFolder, "cluster.pid");
        return File.Exists(pidFile) ? $" (process {File.ReadAllText(pidFile).Trim()})" : "";
    }
}
