namespace Buoy.Balancer.Health;

/// <summary>States that come from outside.</summary>
public sealed partial class ServerHealth
{
    /// <summary>The state that a predecessor saved, in place of the first one.</summary>
    /// <param name="enabled">The maintenance of the configuration had been ended.</param>
    /// <param name="health">The counter; null = it stays.</param>
    /// <param name="since">When the state was entered, ms.</param>
    public void Restore(OperationalState state, AdminFlags admin, bool enabled, int? health, long since)
    {
        if (enabled)
        {
            Admin &= ~AdminFlags.ForcedMaintenance;
        }

        Admin |= admin;
        LastChange = since;
        if (InMaintenance)
        {
            State = OperationalState.Stopped;
            Health = 0;
            return;
        }

        State = state == OperationalState.Starting && SlowStart <= 0 ? OperationalState.Running : state;
        Health = State == OperationalState.Stopped ? Math.Min(health ?? 0, Rise - 1)
            : Math.Clamp(health ?? (State == OperationalState.Stopping ? Health : Full), Rise, Full);
    }
}
