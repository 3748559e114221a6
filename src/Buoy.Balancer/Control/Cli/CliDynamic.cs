using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Control.Cli;

/// <summary>Servers that come and go at run time (management manual 9.3): <c>add server</c>, <c>del server</c>.</summary>
internal static class CliDynamic
{
    private const int Error = 3, Note = 6;

    /// <summary>add server BACKEND/SERVER ADDRESS [ARGUMENTS]: in maintenance at first, its checks off.</summary>
    public static CliReply Add(CliContext c, string[] words)
    {
        string full = At(words, 2);
        int slash = full.IndexOf('/');
        if (slash < 0 || slash == full.Length - 1)
        {
            return new CliReply("Require 'backend/server'.", Error);
        }

        string name = full[(slash + 1)..];
        if (CliShow.Find(c, full[..slash]) is not { Config.HasBackend: true } backend)
        {
            return new CliReply("No such backend.", Error);
        }

        if (backend.Config.Disabled || !backend.Config.Balance.IsDynamic(backend.Config.HashType))
        {
            return new CliReply("Backend must use a dynamic load balancing to support dynamic servers.", Error);
        }

        try
        {
            var server = Read(backend.Config, name, words);
            if (backend.Servers.Exists(s => s.Config.Name == name))
            {
                return CliReply.Error("Already exists a server with the same name in backend.");
            }

            server = server with { Id = server.Id > 0 ? server.Id : FreeId(backend) };
            if (server.Track is { } track && TrackProblem(c, backend, track) is { } problem)
            {
                return CliReply.Error(problem);
            }

            int slot = c.Plane.NextSlot;
            if (slot < 0)
            {
                return CliReply.Error(FormattableString.Invariant(
                    $"All {ServerTable.Spare} places for servers that are added at run time are taken."));
            }

            c.Plane.AddServer(server with { Index = slot });
            return CliReply.Note("New server registered.");
        }
        catch (ConfigurationException e)
        {
            return CliReply.Error(e.Message);
        }
    }

    /// <summary>del server BACKEND/SERVER: only one in maintenance that nothing names and nobody uses.</summary>
    public static CliReply Delete(CliContext c, string[] words)
    {
        if (!CliSet.FindServer(c, At(words, 2), out var s, out var error))
        {
            return error with { Text = error.Text.TrimEnd('\n') };
        }

        if (s.Config.Pinned)
        {
            return new CliReply(
                "This server cannot be removed at runtime due to other configuration elements pointing to it.", Error);
        }

        if (!s.Health.InMaintenance)
        {
            return new CliReply("Only servers in maintenance mode can be deleted.", Error);
        }

        if (c.Plane.Attached(s.Config.Index) > 0)
        {
            return new CliReply("Server still has connections attached to it, cannot remove it.", Error);
        }

        c.Plane.DeleteServer(s);
        return new CliReply("Server deleted.", Note);
    }

    /// <summary>The arguments, read as a server line of that backend.</summary>
    private static ServerConfig Read(ProxyConfig backend, string name, string[] words)
    {
        var context = new ParseContext(Environment.GetEnvironmentVariable)
        {
            Words = ["server", name, .. words.Skip(3)], Place = new SourcePlace("", 0), Section = backend.Name,
        };
        var settings = new ProxySettings { Mode = backend.Mode };
        var proxy = new ProxyBuilder(backend.Name, backend.Kind, backend.Place, backend.Index, settings);
        proxy.Servers.AddRange(backend.Servers);
        return ServerParser.Dynamic(context, proxy);
    }

    private static int FreeId(ProxyRuntime backend)
    {
        var taken = backend.Servers.Select(s => s.Config.Id).ToHashSet();
        return Enumerable.Range(1, taken.Count + 1).First(id => !taken.Contains(id));
    }

    private static string? TrackProblem(CliContext c, ProxyRuntime own, string track)
    {
        int slash = track.IndexOf('/');
        var backend = slash < 0 ? own : c.Plane.Proxies.FirstOrDefault(p => p.Config.HasBackend && p.Config.Name == track[..slash]);
        if (backend is null)
        {
            return $"unable to find required proxy '{track[..slash]}' for tracking.";
        }

        string wanted = track[(slash + 1)..];
        if (backend.Servers.Find(s => s.Config.Name == wanted) is not { } s)
        {
            return $"unable to find required server '{wanted}' for tracking.";
        }

        return s.Config.Dynamic ? $"unable to use {s.FullName} for tracking as it is a dynamic server."
            : !s.Config.Check && s.Config.Agent is null && s.Config.Track is null
            ? $"unable to use {s.FullName} for tracking as it does not have any check nor agent enabled." : null;
    }

    private static string At(string[] words, int i) => i < words.Length ? words[i] : "";
}
