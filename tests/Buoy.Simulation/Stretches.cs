using Buoy.Membership;
using Buoy.Membership.Services;

namespace Buoy.Simulation;

/// <summary>
/// The stretches between two views in all nodes' histories. Two nodes share one where they went through the same
/// configurations from the view at its beginning to the view at its end, or to the end of the run: virtual synchrony
/// promises them the same messages.
/// </summary>
internal sealed class Stretches
{
    private readonly List<string?> _keys = [];
    private readonly Dictionary<uint, Queue<int>> _ofNode = [];
    private readonly HashSet<LogEntry> _keptBack = new(ReferenceEqualityComparer.Instance);

    /// <param name="peace">All that was sent was delivered: the stretches at the end are complete too.</param>
    public Stretches(Simulation s, bool peace)
    {
        foreach (var node in s.Nodes)
        {
            Read(node, peace);
        }
    }

    /// <summary>The next view of a node begins this stretch.</summary>
    public int Next(SimulatedNode node) => _ofNode[node.Id].Dequeue();

    /// <summary>
    /// The stretch of an entry: what a view that was never whole kept back belongs to that view, though it comes out as
    /// the next one begins.
    /// </summary>
    public int Of(LogEntry entry, int current) => _keptBack.Contains(entry) ? current - 1 : current;

    /// <summary>It was kept back to the end of its view.</summary>
    public bool IsKeptBack(LogEntry entry) => _keptBack.Contains(entry);

    /// <summary>Names what nodes share; null for one that a crash, or the end of the run, cut short.</summary>
    public string? KeyOf(int stretch) => _keys[stretch];

    private void Read(SimulatedNode node, bool peace)
    {
        var mine = _ofNode[node.Id] = new Queue<int>();
        string? path = null;
        int open = -1;
        bool flushing = false;
        foreach (var entry in node.Log)
        {
            switch (entry)
            {
                case Started or Ended:
                    (path, open) = (null, -1);
                    break;
                case Configured { Change: var c }:
                    path += $" {(c.Transitional ? c.ConfId : c.RingId)}";
                    break;
                case Viewed v:
                    Close(open, path);
                    open = _keys.Count;
                    path = v.View.RingId.ToString();
                    _keys.Add(null);
                    mine.Enqueue(open);
                    flushing = true;
                    break;
                case QuorumTold:
                    flushing = false;
                    break;
                case GroupSaid when flushing:
                    _keptBack.Add(entry);
                    break;
                case GroupChanged c when flushing
                    && c.Left.Concat(c.Joined).Any(e => e.Reason is not GroupReason.NodeDown):
                    _keptBack.Add(entry);
                    break;
            }
        }

        Close(peace ? open : -1, path);
    }

    private void Close(int open, string? path)
    {
        if (open >= 0)
        {
            _keys[open] = path;
        }
    }
}
