namespace Buoy.Balancer.StickTables;

/// <summary>Facts about <see cref="StickData"/>.</summary>
internal static class StickDataTypes
{
    /// <summary>Elements of an array at most, so that one entry's update fits into a message to peers.</summary>
    public const int MaxArray = 100;

    private static readonly string[] Names =
    [
        "server_id", "gpt0", "gpc0", "gpc0_rate", "conn_cnt", "conn_rate", "conn_cur", "sess_cnt",
        "sess_rate", "http_req_cnt", "http_req_rate", "http_err_cnt", "http_err_rate", "bytes_in_cnt",
        "bytes_in_rate", "bytes_out_cnt", "bytes_out_rate", "gpc1", "gpc1_rate", "server_key",
        "http_fail_cnt", "http_fail_rate", "gpt", "gpc", "gpc_rate",
    ];

    public static int Count => Names.Length;

    /// <summary>Its name in configurations and on the runtime API.</summary>
    public static string Name(this StickData data) => Names[(int)data];

    /// <summary>The type of that name, null = there is none.</summary>
    public static StickData? Find(string name) => Array.IndexOf(Names, name) is >= 0 and var i ? (StickData)i : null;

    /// <summary>Frequencies: measured over a period.</summary>
    public static bool IsRate(this StickData data) => data is StickData.GpcRate
        or StickData.Gpc0Rate or StickData.Gpc1Rate or StickData.ConnRate or StickData.SessRate or StickData.HttpReqRate
        or StickData.HttpErrRate or StickData.HttpFailRate or StickData.BytesInRate or StickData.BytesOutRate;

    public static bool IsArray(this StickData data) => data is StickData.Gpt or StickData.Gpc or StickData.GpcRate;

    /// <summary>64 bits; the other numbers have 32.</summary>
    public static bool IsWide(this StickData data) => data is StickData.BytesInCnt or StickData.BytesOutCnt;

    /// <summary>The server's id and key stand in fields of their own, not among the numbers.</summary>
    public static bool IsServer(this StickData data) => data is StickData.ServerId or StickData.ServerKey;
}
