using Buoy.Balancer.Configuration;
using Buoy.Balancer.Health;

namespace Buoy.Balancer.Control;

/// <summary>A server starts as its predecessor left it (configuration manual 4.2 <c>load-server-state-from-file</c>).</summary>
public sealed partial class ServerOperations
{
    private void Restore(ServerRuntime s, long now)
    {
        if (!state.Config.SavedServers.TryGetValue((s.Backend.Config.Name, s.Config.Name), out var saved))
        {
            return;
        }

        if (saved.InitialWeight == s.Config.Weight)
        {
            s.UserWeight = saved.UserWeight;
        }

        if (saved.Port > 0)
        {
            s.Port = saved.Port;
        }

        if (s.Config.Check)
        {
            s.CheckStatus = (CheckStatus)saved.CheckStatus;
            s.CheckResult = (CheckResult)saved.CheckResult;
            s.CheckEnabled = (saved.CheckState & 4) != 0;
            s.CheckPort = saved.CheckPort > 0 ? saved.CheckPort : s.CheckPort;
            s.CheckAddress = saved.CheckAddress ?? s.CheckAddress;
        }

        if (s.Agent is { } agent)
        {
            agent.Enabled = s.Health.HasAgent = (saved.AgentState & 4) != 0;
            agent.Address = saved.AgentAddress ?? agent.Address;
            agent.Port = saved.AgentPort > 0 ? saved.AgentPort : agent.Port;
        }

        const AdminFlags Kept = AdminFlags.ForcedMaintenance | AdminFlags.ForcedDrain;
        var admin = (AdminFlags)saved.Admin & Kept;

        // "disabled" of the configuration holds unless an operator had ended it.
        bool ended = s.Config.Disabled && ((AdminFlags)saved.Admin & AdminFlags.ConfiguredMaintenance) != 0
            && (admin & AdminFlags.ForcedMaintenance) == 0;
        s.Health.Restore((OperationalState)saved.State, admin, ended, s.Config.Check ? saved.CheckHealth : null,
            now - (saved.Age * 1000));
    }
}
