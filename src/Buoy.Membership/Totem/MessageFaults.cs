namespace Buoy.Membership.Totem;

/// <summary>
/// Finds messages that no correct member sends; they are dropped and counted under the reason returned.
/// </summary>
public static class MessageFaults
{
    /// <summary>The drop reason, or null for a sound message.</summary>
    public static string? Find(TotemMessage message, uint from, uint myId) => message switch
    {
        JoinMessage m => OfJoin(m, from),
        CommitTokenMessage m => OfCommitToken(m, myId),
        TokenMessage m => m.Rtr.Count > TotemLimits.RetransmitRequests ? "drop.token-limits" : m.Aru > m.Seq || m.Seq > TotemLimits.Mark
            ? "drop.token-marks" : null,
        RegularMessage m => m.Seq is 0 or > TotemLimits.Mark || m.SenderId == 0 || m.Contents.Length > TotemLimits.Contents
            ? "drop.regular-fields" : null,
        MergeDetectMessage m => m.SenderId != from ? "drop.sender-mismatch" : null,
        HoldCancelMessage m => m.SenderId != from ? "drop.sender-mismatch" : null,
        ProbeMessage m => m.SenderId != from ? "drop.sender-mismatch" : m.Echoes.Count > TotemLimits.Members
            ? "drop.probe-limits" : null,
        _ => "drop.unknown-type",
    };

    private static string? OfJoin(JoinMessage m, uint from)
    {
        if (m.SenderId != from || !m.ProcSet.Contains(m.SenderId))
        {
            return "drop.sender-mismatch";
        }

        if (m.RingSeq > TotemLimits.Mark)
        {
            return "drop.join-marks";
        }

        if (m.ProcSet.Count > TotemLimits.Members || m.ProcSet.Contains(0) || !m.FailSet.IsSubsetOf(m.ProcSet))
        {
            return "drop.join-sets";
        }

        return null;
    }

    private static string? OfCommitToken(CommitTokenMessage m, uint myId)
    {
        int n = m.Members.Count;
        if (n is 0 or > TotemLimits.Members || m.Hop == 0 || m.Hop > 2 * n || m.RingId.Rep != m.Members[0].Id
            || m.RingId.Seq > TotemLimits.Mark)
        {
            return "drop.commit-token-fields";
        }

        for (int i = 0; i < n; i++)
        {
            if (m.Members[i].Id == 0 || m.Members[i].OldAru > TotemLimits.Mark
                || (i > 0 && m.Members[i].Id <= m.Members[i - 1].Id) || (i < m.Hop
                && !m.Members[i].Filled))
            {
                return "drop.commit-token-members";
            }
        }

        return m.Members.Any(e => e.Id == myId) ? null : "drop.commit-token-without-me";
    }
}
