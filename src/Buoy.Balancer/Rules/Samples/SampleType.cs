namespace Buoy.Balancer.Rules.Samples;

/// <summary>Type of a sample (configuration manual 7.3).</summary>
internal enum SampleType : byte
{
    /// <summary>Not known before run time: a variable. Also: what a converter leaves as it is.</summary>
    Any,
    Bool,

    /// <summary>Signed 64-bit integer.</summary>
    Sint,

    /// <summary>Converters only: IPv4 or IPv6. A value is always one of the two.</summary>
    Address,
    Ipv4,
    Ipv6,
    Str,
    Bin,

    /// <summary>An HTTP method: a known one by number, another one by its bytes.</summary>
    Method,
}

/// <summary>What is known about a sample besides its value.</summary>
[Flags]
internal enum SampleFlags : byte
{
    None = 0,

    /// <summary>The value, or that there is none, may change when more bytes come: not final.</summary>
    MayChange = 1,

    /// <summary>A fetch that is called again with the same sample gives the next value (several headers).</summary>
    NotLast = 2,
}

/// <summary>HTTP methods by number; <see cref="Other"/> has its bytes in the sample.</summary>
internal enum HttpMethod : byte
{
    Options,
    Get,
    Head,
    Post,
    Put,
    Delete,
    Trace,
    Connect,
    Other,
}
