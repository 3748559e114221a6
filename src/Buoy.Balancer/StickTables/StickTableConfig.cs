namespace Buoy.Balancer.StickTables;

/// <summary>What a table's keys are (configuration manual 4.2 "stick-table").</summary>
public enum StickKeyType { Ip, Ipv6, Integer, String, Binary }

/// <summary>Numbers that an entry can store beside its server, in the order in which the original shows them.</summary>
public enum StickData { Gpt0, Gpc0, Gpc1 }

/// <summary>A stick-table line.</summary>
/// <param name="Length">Longest string, or the size of binary keys; 0 for the other types.</param>
/// <param name="Size">Entries it holds at most.</param>
/// <param name="Expire">Ms after the last use, 0 = never.</param>
/// <param name="NoPurge">A full table refuses new entries.</param>
/// <param name="ServerId">Does it store servers, also where no rule needs it?</param>
/// <param name="Data">Other stored data, in order.</param>
public sealed record StickTableConfig(
    StickKeyType Type, int Length, int Size, int Expire, bool NoPurge, bool ServerId, IReadOnlyList<StickData> Data);

/// <summary>A stick line: what it does with the client's address.</summary>
/// <param name="Match">The stored server takes the stream.</param>
/// <param name="Store">The server that took the stream is stored.</param>
/// <param name="Table">Section whose table it is; null = the own one.</param>
public sealed record StickRuleConfig(bool Match, bool Store, string? Table);
