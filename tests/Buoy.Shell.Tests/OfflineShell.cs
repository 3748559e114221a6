namespace Buoy.Shell.Tests;

/// <summary>The shell on a CIB file of its own.</summary>
internal sealed class OfflineShell : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public OfflineShell(string cib, ToolMain? simulate = null)
    {
        File.WriteAllText(_file, cib);
        Services = new ShellServices
        {
            CibFile = _file, ControlSocket = "/nonexistent/cluster.sock", IsTerminal = () => false, Simulate = simulate,
            Now = () => new DateTimeOffset(2026, 11, 22, 14, 40, 8, TimeSpan.Zero),
        };
    }

    public ShellServices Services { get; }

    public string CibText => File.ReadAllText(_file);

    public string CibFile => _file;

    public (int Status, string Output, string Error) Crm(string[] args, string input = "")
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int status = Shell.Crm.Run(args, new StringReader(input), output, error, Services);
        return (status, output.ToString(), error.ToString());
    }

    public void Dispose() => File.Delete(_file);
}
