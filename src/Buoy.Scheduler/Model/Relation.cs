namespace Buoy.Scheduler;

/// <summary>Kinds of a relation "first F, then T" (SCHEDULER 5.1, which the members are named after).</summary>
[Flags]
internal enum OrderKinds
{
    None = 0,
    Sequence = 1 << 0,
    NeedThen = 1 << 1,
    NeedFirst = 1 << 2,
    NeedPromoted = 1 << 3,
    Gate = 1 << 4,
    Restart = 1 << 5,
    Asymmetric = 1 << 6,
    Minimum = 1 << 7,
    Serial = 1 << 8,
    SameNode = 1 << 9,
    ShowFirst = 1 << 10,
    ShowThen = 1 << 11,
    Unmigratable = 1 << 12,
    Else = 1 << 13,
    IfUnmigratable = 1 << 14,
    Anti = 1 << 15,
    Load = 1 << 16,
    Cancels = 1 << 17,
    NeedHere = 1 << 18,
    GuestAllowed = 1 << 19,
}

/// <summary>A bound relation between two actions.</summary>
internal sealed class Relation(PlannedAction first, PlannedAction then, OrderKinds kinds)
{
    public PlannedAction First { get; set; } = first;
    public PlannedAction Then { get; } = then;
    public OrderKinds Kinds { get; set; } = kinds;

    public bool Has(OrderKinds any) => (Kinds & any) != 0;
}

/// <summary>One side of an ordering that is not bound yet: an action, or a resource's actions by task.</summary>
internal readonly record struct OrderSide(Resource? Resource, string? Task, PlannedAction? Action, long IntervalMs = 0)
{
    public static OrderSide Of(Resource resource, string task) => new(resource, task, null);
    public static OrderSide Of(PlannedAction action) => new(action.Resource, null, action);
}

/// <summary>An ordering between keys, bound to actions once all are created.</summary>
internal sealed record PendingOrder(OrderSide First, OrderSide Then, OrderKinds Kinds);
