using Buoy.Scheduler;

namespace Buoy.Cluster.Controller;

/// <summary>A transition being carried out by the DC: which actions fired, are confirmed, failed, or wait for a
/// result.</summary>
internal sealed class TransitionRun
{
    private readonly Dictionary<int, GraphAction> _waiting = [];
    private readonly HashSet<int> _confirmed = [];
    private readonly HashSet<int> _fired = [];
    private readonly HashSet<int> _known;
    private readonly Transition _transition;

    public TransitionRun(int number, Transition transition)
    {
        Number = number;
        _transition = transition;
        _known = [.. transition.Synapses.Select(s => s.Action.Id)];
    }

    public int Number { get; }

    /// <summary>Why nothing new is fired any more; null while it goes on.</summary>
    public string? Aborted { get; private set; }

    public bool Failed { get; private set; }

    /// <summary>Actions sent out whose result is not here, by id.</summary>
    public IReadOnlyDictionary<int, GraphAction> Waiting => _waiting;

    /// <summary>Nothing is under way and nothing more can be fired.</summary>
    public bool Over => _waiting.Count == 0 && !Fireable().Any();

    /// <summary>Actions that never fired although the run was not aborted: an input of theirs failed.</summary>
    public int Left => _transition.Synapses.Count(s => !_fired.Contains(s.Action.Id));

    public void Abort(string why) => Aborted ??= why;

    /// <summary>Takes the actions that may be fired now, marks them fired, confirms the pseudo ones and what they
    /// release.</summary>
    public List<GraphAction> Advance()
    {
        var actions = new List<GraphAction>();
        bool again = true;
        while (again)
        {
            again = false;
            foreach (var s in Fireable().ToList())
            {
                if (_transition.BatchLimit > 0 && s.Action.Kind != ActionKind.Pseudo
                    && _waiting.Count >= _transition.BatchLimit)
                {
                    continue;
                }

                _fired.Add(s.Action.Id);
                if (s.Action.Kind == ActionKind.Pseudo)
                {
                    _confirmed.Add(s.Action.Id);
                    again = true;
                }
                else
                {
                    _waiting.Add(s.Action.Id, s.Action);
                    actions.Add(s.Action);
                }
            }
        }

        return actions;
    }

    /// <summary>An action was carried out as planned. False: it was not waited for.</summary>
    public bool Confirm(int id) => _waiting.Remove(id) && _confirmed.Add(id);

    /// <summary>No result of this action will come, or it will not count: it is neither confirmed nor failed.</summary>
    public void Drop(int id) => _waiting.Remove(id);

    /// <summary>An action failed: what depends on it is never fired, and all else must be decided anew.</summary>
    public bool Fail(int id, string why)
    {
        if (!_waiting.Remove(id))
        {
            return false;
        }

        Failed = true;
        Abort(why);
        return true;
    }

    // An input that is not in the graph (left out as optional or unmanaged) holds nothing up.
    private IEnumerable<Synapse> Fireable() => Aborted is not null
        ? []
        : _transition.Synapses.Where(s => !_fired.Contains(s.Action.Id)
            && s.Inputs.All(i => _confirmed.Contains(i) || !_known.Contains(i)));
}
