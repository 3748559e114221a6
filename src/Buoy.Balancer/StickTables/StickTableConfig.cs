namespace Buoy.Balancer.StickTables;

/// <summary>What a table's keys are (configuration manual 4.2 "stick-table").</summary>
public enum StickKeyType { Ip, Ipv6, Integer, String, Binary }

/// <summary>What an entry can store, in the order in which the original shows it (manual 4.2 "stick-table").</summary>
public enum StickData
{
    ServerId,
    Gpt0,
    Gpc0,
    Gpc0Rate,
    ConnCnt,
    ConnRate,
    ConnCur,
    SessCnt,
    SessRate,
    HttpReqCnt,
    HttpReqRate,
    HttpErrCnt,
    HttpErrRate,
    BytesInCnt,
    BytesInRate,
    BytesOutCnt,
    BytesOutRate,
    Gpc1,
    Gpc1Rate,
    ServerKey,
    HttpFailCnt,
    HttpFailRate,
    Gpt,
    Gpc,
    GpcRate,
}

/// <summary>One data type of a <c>store</c> list.</summary>
/// <param name="Count">Elements: 1, more for arrays.</param>
/// <param name="Period">Rates: ms over which is measured; else 0.</param>
public sealed record StickStore(StickData Type, int Count = 1, int Period = 0);

/// <summary>A stick-table line.</summary>
/// <param name="Length">Longest string, or the size of binary keys; 0 for the other types.</param>
/// <param name="Size">Entries it holds at most.</param>
/// <param name="Expire">Ms after the last use, 0 = never.</param>
/// <param name="NoPurge">A full table refuses new entries.</param>
/// <param name="Stores">What entries store, also where no rule needs it, in the order of the types.</param>
/// <param name="KeyIsAddress"><c>srvkey addr</c>: servers are known by address and port, else by name.</param>
public sealed record StickTableConfig(
    StickKeyType Type, int Length, int Size, int Expire, bool NoPurge, IReadOnlyList<StickStore> Stores,
    bool KeyIsAddress = false);
