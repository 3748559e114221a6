using Buoy.Balancer.Health;

namespace Buoy.Balancer.Control;

/// <summary>
/// Servers that take another's state (configuration manual 5.2 <c>track</c>): what happens to one happens to those that
/// track it, one step of the chain after the other.
/// </summary>
public sealed partial class ServerOperations
{
    private static string Up(ServerRuntime s) => s.Health.State == OperationalState.Stopped ? "DOWN" : "UP";

    /// <summary>At the start: the maintenance and drain of the one that is tracked.</summary>
    private static void BeginTracking(ServerRuntime s, long now)
    {
        for (var t = s.Tracked; t is not null; t = t.Tracked)
        {
            if (t.Health.InMaintenance)
            {
                s.Health.SetAdmin(AdminFlags.InheritedMaintenance, now);
            }
        }
    }

    /// <summary>A server went up, down or stopping: its trackers follow.</summary>
    private void Lead(ServerRuntime s, HealthEffect effect, long now)
    {
        if (effect is not (HealthEffect.WentDown or HealthEffect.WentUp or HealthEffect.WentStopping))
        {
            return;
        }

        foreach (var t in s.Trackers)
        {
            bool stopping = IsStopping(t);
            Apply(t, t.Health.Follow(s.Health.State, now), $" via {s.FullName}", now, stopping);
        }
    }

    /// <summary>Out of its own maintenance, a server is where the one that it tracks is.</summary>
    private static void FollowAgain(ServerRuntime s, long now)
    {
        if (s.Tracked is { } t)
        {
            s.Health.Follow(t.Health.State, now);
        }
    }

    private void MaintainTrackers(ServerRuntime s, long now)
    {
        foreach (var t in s.Trackers)
        {
            bool stopping = IsStopping(t);
            EnterMaintenance(t, AdminFlags.InheritedMaintenance, $" via {s.FullName}", stopping, now);
        }
    }

    private void LeaveMaintenanceOfTrackers(ServerRuntime s, long now)
    {
        if (s.Health.InMaintenance)
        {
            return;
        }

        foreach (var t in s.Trackers)
        {
            LeaveMaintenance(t, AdminFlags.InheritedMaintenance, "leaving maintenance", now);
        }
    }

    private void DrainTrackers(ServerRuntime s, long now)
    {
        foreach (var t in s.Trackers.Where(t => !t.Health.Admin.HasFlag(AdminFlags.InheritedDrain)))
        {
            bool was = t.Health.Draining;
            t.Health.SetAdmin(AdminFlags.InheritedDrain, now);
            Publish(t, now);
            if (!was && !t.Health.InMaintenance)
            {
                Log(t, Notice, $"{Server(t)} enters drain state via {s.FullName}.{Online(t)}");
            }

            Backend(t, now);
            DrainTrackers(t, now);
        }
    }

    private void StopDrainOfTrackers(ServerRuntime s, long now, bool log)
    {
        if (s.Health.Draining)
        {
            return;
        }

        foreach (var t in s.Trackers.Where(t => t.Health.Admin.HasFlag(AdminFlags.InheritedDrain)))
        {
            t.Health.ClearAdmin(AdminFlags.InheritedDrain, now);
            Publish(t, now);
            if (log && !t.Health.Draining)
            {
                Log(t, Notice, $"{Server(t)} is {Up(t)} (leaving forced drain).");
            }

            Backend(t, now);
            StopDrainOfTrackers(t, now, log);
        }
    }
}
