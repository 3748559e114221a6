using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control.Cli;
using Buoy.Linux;

namespace Buoy.Balancer.Host.Master;

/// <summary>The master's socket of <c>-S</c> (management manual 9.4): its listener and its sessions.</summary>
internal sealed class MasterCli(EventLoop loop, MasterProcess master) : IDisposable
{
    /// <summary>Sessions at once; those beyond wait in the backlog.</summary>
    private const int MaxSessions = 10;

    private readonly HashSet<MasterCliSession> _sessions = [];
    private int _fd = -1;
    private CliLevel _level;
    private bool _listening;

    /// <summary>The descriptor, where it came from whoever started us; null: it is our own.</summary>
    public int? InheritedDescriptor { get; private set; }

    /// <summary>The level of new sessions.</summary>
    public CliLevel Level => _level;

    /// <summary>Opens <c>ADDRESS[,option…]</c>, with options as on a bind line; null, or what is wrong.</summary>
    public string? Bind(string text)
    {
        string[] words = text.Split(',');
        var config = new StatsSocketConfig(words[0], "admin", null, null, null, false, new SourcePlace("MASTER", 0));
        for (int i = 1; i + 1 < words.Length; i += 2)
        {
            string value = words[i + 1];
            switch (words[i])
            {
                case "level" when value is "user" or "operator" or "admin":
                    config = config with { Level = value };
                    break;
                case "mode" when Units.Octal(value) is { } mode:
                    config = config with { Mode = mode };
                    break;
                case "user" or "uid":
                    config = config with { User = value };
                    break;
                case "group" or "gid":
                    config = config with { Group = value };
                    break;
                default:
                    return $"'{words[i]} {value}': expects 'level', 'mode', 'user', 'uid', 'group' or 'gid' with a value";
            }
        }

        if (words.Length % 2 == 0)
        {
            return $"'{words[^1]}' expects a value";
        }

        _fd = CliListener.Open(config, Environment.ProcessId, out string? error);
        _level = CliListener.LevelOf(config);
        InheritedDescriptor = words[0].StartsWith("fd@", StringComparison.Ordinal) ? _fd : null;
        if (InheritedDescriptor is { } fd)
        {
            // Adopting made it close on exec; a successor of this program may still want it.
            _ = DescriptorPassing.SetInheritable(fd, true);
        }

        return error;
    }

    /// <summary>Begins to accept.</summary>
    public void Listen()
    {
        if (!_listening)
        {
            _listening = true;
            loop.Add(_fd, PollEvents.Readable, _ => Accept());
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var s in _sessions.ToArray())
        {
            s.Close();
        }

        if (_fd >= 0)
        {
            loop.Remove(_fd);
            ControlSocket.Close(_fd);
        }
    }

    /// <summary>A session ended.</summary>
    internal void Closed(MasterCliSession session)
    {
        _sessions.Remove(session);
        Listen();
    }

    private void Accept()
    {
        while (_sessions.Count < MaxSessions)
        {
            int fd = ControlSocket.Accept(_fd);
            if (fd < 0)
            {
                return;
            }

            var s = new MasterCliSession(loop, master, this, fd);
            _sessions.Add(s);
            s.Begin();
        }

        _listening = false;
        loop.Remove(_fd);
    }
}
