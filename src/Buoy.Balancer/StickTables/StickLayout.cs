namespace Buoy.Balancer.StickTables;

/// <summary>What happened to those who track an entry.</summary>
[Flags]
internal enum StickEvents
{
    None = 0,

    /// <summary>Tracking begins: conn_cnt, conn_rate, conn_cur.</summary>
    Connection = 1,

    /// <summary>The session's rules let it pass: sess_cnt, sess_rate.</summary>
    Session = 2,

    /// <summary>An HTTP request began: http_req_cnt, http_req_rate.</summary>
    Request = 4,

    /// <summary>The client's fault: http_err_cnt, http_err_rate.</summary>
    Error = 8,

    /// <summary>The server's fault: http_fail_cnt, http_fail_rate.</summary>
    Failure = 16,
}

/// <summary>Where an entry's data stand in <see cref="StickEntry.Data"/>, and what is done with them.</summary>
internal sealed class StickLayout
{
    private readonly Slot[] _slots = new Slot[StickDataTypes.Count];
    private readonly bool[] _stored = new bool[StickDataTypes.Count];

    public StickLayout(IReadOnlyList<StickStore> stores)
    {
        foreach (var store in stores)
        {
            var slot = new Slot(Length, store.Count, store.Period);
            _slots[(int)store.Type] = slot;
            _stored[(int)store.Type] = true;
            if (store.Type.IsServer())
            {
                continue;
            }

            Length += store.Count * Width(store.Type);

            // The legacy names mean the first elements of arrays (manual 4.2 "stick-table", gpc and gpt).
            foreach (var (alias, index) in Aliases(store.Type))
            {
                if (index < store.Count)
                {
                    _slots[(int)alias] = slot with { Offset = slot.Offset + (index * Width(store.Type)), Count = 1 };
                }
            }
        }
    }

    /// <summary>Numbers an entry has.</summary>
    public int Length { get; }

    /// <summary>Is it stored under this very name? Not where an array stands for it.</summary>
    public bool Stores(StickData type) => _stored[(int)type];

    /// <summary>The value of an element; false where it is not stored.</summary>
    public bool Read(StickEntry e, StickData type, int index, long now, out long value)
    {
        var slot = _slots[(int)type];
        value = 0;
        if ((uint)index >= (uint)slot.Count)
        {
            return false;
        }

        value = type == StickData.ServerId ? e.ServerId : type == StickData.ServerKey ? 0
            : type.IsRate() ? StickRate.Read(Rate(e, slot, index), slot.Period, now) : e.Data[slot.Offset + index];
        return true;
    }

    /// <summary>Sets an element, a rate to so many events in its period; false where it is not stored.</summary>
    public bool Write(StickEntry e, StickData type, int index, long value, long now)
    {
        var slot = _slots[(int)type];
        if ((uint)index >= (uint)slot.Count)
        {
            return false;
        }

        switch (type)
        {
            case StickData.ServerId:
                e.ServerId = (int)value;
                break;
            case StickData.ServerKey:
                break;
            default:
                if (type.IsRate())
                {
                    StickRate.Set(Rate(e, slot, index), value, now);
                }
                else
                {
                    e.Data[slot.Offset + index] = type.IsWide() ? value : (uint)value;
                }

                break;
        }

        return true;
    }

    /// <summary>Counts in an element that is stored.</summary>
    public void Add(StickEntry e, StickData type, int index, long amount, long now)
    {
        var slot = _slots[(int)type];
        if ((uint)index >= (uint)slot.Count)
        {
            return;
        }

        if (type.IsRate())
        {
            StickRate.Add(Rate(e, slot, index), slot.Period, amount, now);
        }
        else
        {
            ref long value = ref e.Data[slot.Offset + index];
            value = type.IsWide() ? value + amount : (uint)(value + amount);
        }
    }

    public void Count(StickEntry e, StickEvents events, long now)
    {
        if ((events & StickEvents.Connection) != 0)
        {
            Both(e, StickData.ConnCnt, StickData.ConnRate, 1, now);
            Add(e, StickData.ConnCur, 0, 1, now);
        }

        if ((events & StickEvents.Session) != 0)
        {
            Both(e, StickData.SessCnt, StickData.SessRate, 1, now);
        }

        if ((events & StickEvents.Request) != 0)
        {
            Both(e, StickData.HttpReqCnt, StickData.HttpReqRate, 1, now);
        }

        if ((events & StickEvents.Error) != 0)
        {
            Both(e, StickData.HttpErrCnt, StickData.HttpErrRate, 1, now);
        }

        if ((events & StickEvents.Failure) != 0)
        {
            Both(e, StickData.HttpFailCnt, StickData.HttpFailRate, 1, now);
        }
    }

    /// <summary>Counts bytes of a stream that is over.</summary>
    public void CountBytes(StickEntry e, long fromClient, long toClient, long now)
    {
        Both(e, StickData.BytesInCnt, StickData.BytesInRate, fromClient, now);
        Both(e, StickData.BytesOutCnt, StickData.BytesOutRate, toClient, now);
    }

    /// <summary>One of those who track it leaves.</summary>
    public void EndConnection(StickEntry e)
    {
        var slot = _slots[(int)StickData.ConnCur];
        if (slot.Count > 0 && e.Data[slot.Offset] > 0)
        {
            e.Data[slot.Offset]--;
        }
    }

    private static (StickData Alias, int Index)[] Aliases(StickData array) => array switch
    {
        StickData.Gpt => [(StickData.Gpt0, 0)],
        StickData.Gpc => [(StickData.Gpc0, 0), (StickData.Gpc1, 1)],
        StickData.GpcRate => [(StickData.Gpc0Rate, 0), (StickData.Gpc1Rate, 1)],
        _ => [],
    };

    private static int Width(StickData type) => type.IsRate() ? StickRate.Width : 1;

    private static Span<long> Rate(StickEntry e, Slot slot, int index) =>
        e.Data.AsSpan(slot.Offset + (index * StickRate.Width), StickRate.Width);

    private void Both(StickEntry e, StickData count, StickData rate, long amount, long now)
    {
        Add(e, count, 0, amount, now);
        Add(e, rate, 0, amount, now);
    }

    /// <summary>Place, elements (0 = not stored) and period of a type.</summary>
    private readonly record struct Slot(int Offset, int Count, int Period);
}
