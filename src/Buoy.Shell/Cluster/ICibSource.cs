using System.Text.Json;
using Buoy.Cib;
using Buoy.Control;

namespace Buoy.Shell.Cluster;

/// <summary>Where the shell reads and writes the CIB: the running cluster, or a file (CIB_file).</summary>
public interface ICibSource
{
    /// <summary>False for a file.</summary>
    bool IsLive { get; }

    /// <summary>The CIB as it is now. Throws <see cref="CibException"/>, 102 where no cluster runs.</summary>
    CibDocument Query();

    /// <summary>Carries out operations. Throws <see cref="CibException"/>: 103 when the CIB's admin_epoch.epoch is not
    /// the expected one any more.</summary>
    void Apply(IReadOnlyList<CibOperation> operations, CibVersion? expect, string client);
}

/// <summary>A CIB in a file, for work without a cluster.</summary>
public sealed class FileCibSource(string path) : ICibSource
{
    /// <inheritdoc/>
    public bool IsLive => false;

    /// <inheritdoc/>
    public CibDocument Query()
    {
        try
        {
            return CibDocument.Parse(File.ReadAllText(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CibException(105, $"cannot read the CIB file {path}: {e.Message}");
        }
    }

    /// <inheritdoc/>
    public void Apply(IReadOnlyList<CibOperation> operations, CibVersion? expect, string client)
    {
        CibDocument cib = Query();
        CibVersion v = cib.Version;
        if (expect is { } e && (e.AdminEpoch, e.Epoch) != (v.AdminEpoch, v.Epoch))
        {
            throw new CibException(ControlStatus.OldData, $"the CIB is at {v} now, not at {e}");
        }

        string before = CibText.Compact(cib.Root);
        cib.Apply(operations);
        if (CibText.Compact(cib.Root) == before)
        {
            return;
        }

        if (CibDocument.TouchesConfiguration(operations))
        {
            cib.Root.SetAttributeValue("epoch", v.Epoch + 1);
            cib.Root.SetAttributeValue("num_updates", 0);
        }
        else
        {
            cib.BumpUpdates();
        }

        string temporary = path + ".new";
        File.WriteAllText(temporary, cib.ToXml());
        File.Move(temporary, path, overwrite: true);
    }
}

/// <summary>The CIB of the running cluster, through the daemon of this node.</summary>
public sealed class LiveCibSource(ControlConnection connection) : ICibSource
{
    /// <inheritdoc/>
    public bool IsLive => true;

    /// <inheritdoc/>
    public CibDocument Query() => CibDocument.Parse(connection.Call(ControlCommand.CibQuery));

    /// <inheritdoc/>
    public void Apply(IReadOnlyList<CibOperation> operations, CibVersion? expect, string client)
    {
        string body = JsonSerializer.Serialize([.. operations], CibJson.Default.ListCibOperation);
        var arguments = new List<(string, string)> { ("client", client) };
        if (expect is { } e)
        {
            arguments.Add(("expect", $"{e.AdminEpoch}.{e.Epoch}"));
        }

        connection.Call(ControlCommand.CibApply, body, [.. arguments]);
    }
}

/// <summary>The daemon of this node; connected at the first call.</summary>
public sealed class ControlConnection(string? socket) : IDisposable
{
    private ControlClient? _client;

    /// <summary>Whether a daemon answers.</summary>
    public bool IsUp => (_client ??= ControlClient.TryConnect(socket)) is not null;

    /// <summary>Calls a command and gives its output. Throws <see cref="CibException"/> with the daemon's status and
    /// words.</summary>
    public string Call(string command, string? body = null, params (string Name, string Value)[] arguments)
    {
        if (!IsUp)
        {
            throw new CibException(ControlStatus.NotConnected, "Transport endpoint is not connected");
        }

        ControlResponse r = _client!.Call(command, body, arguments);
        return r.Status == ControlStatus.Ok ? r.Output : throw new CibException(r.Status, r.Error
            ?? $"{command} failed");
    }

    /// <summary>The ring and quorum.</summary>
    public MembershipReport Membership() =>
        JsonSerializer.Deserialize(Call(ControlCommand.Membership), ControlJson.Default.MembershipReport)
            ?? throw new CibException(ControlStatus.Error, "the daemon's membership report is empty");

    /// <inheritdoc/>
    public void Dispose() => _client?.Dispose();
}
