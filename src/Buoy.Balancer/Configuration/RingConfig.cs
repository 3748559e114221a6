using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary>A ring section (configuration manual 3.9), or the unseen one behind a log line's TCP target.</summary>
public sealed record RingConfig
{
    public required string Name { get; init; }

    public string Description { get; init; } = "";

    /// <summary>Format of its messages, as <see cref="LogTargetConfig.Format"/>; empty = local.</summary>
    public string Format { get; init; } = "";

    /// <summary>Bytes it keeps.</summary>
    public int Size { get; init; } = 16384;

    /// <summary>Longest message, bytes.</summary>
    public int MaxLength { get; init; } = 1024;

    /// <summary>ms, null = none.</summary>
    public int? ConnectTimeout { get; init; }

    public int? ServerTimeout { get; init; }

    public IReadOnlyList<RingServer> Servers { get; init; } = [];

    public SourcePlace Place { get; init; }
}

/// <summary>Where a ring sends its messages.</summary>
public sealed record RingServer(string Name, IPEndPoint? Address, string? UnixPath, bool OctetCount);

/// <summary>A log-forward section (configuration manual 3.10).</summary>
public sealed record LogForwardConfig
{
    public required string Name { get; init; }

    /// <summary>UDP addresses.</summary>
    public IReadOnlyList<LogListenConfig> Datagrams { get; init; } = [];

    /// <summary>TCP addresses.</summary>
    public IReadOnlyList<LogListenConfig> Streams { get; init; } = [];

    public IReadOnlyList<LogTargetConfig> Logs { get; init; } = [];

    /// <summary>ms, null = none.</summary>
    public int? ClientTimeout { get; init; }

    public int MaxConn { get; init; } = 10;

    public SourcePlace Place { get; init; }
}

/// <summary>Where a log-forward section listens: an address, or an inherited descriptor.</summary>
public sealed record LogListenConfig(IPEndPoint? Address, int? Fd, string Text, SourcePlace Place);
