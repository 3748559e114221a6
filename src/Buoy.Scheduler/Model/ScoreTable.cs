namespace Buoy.Scheduler;

/// <summary>Node → score of one resource, kept and walked in node list order. A node may be missing.</summary>
internal sealed class ScoreTable(IReadOnlyList<Node> nodes)
{
    private readonly int?[] _scores = new int?[nodes.Count];

    public int? this[Node node]
    {
        get => _scores[node.Index];
        set => _scores[node.Index] = value;
    }

    public IEnumerable<(Node Node, int Score)> Entries
    {
        get
        {
            foreach (Node node in nodes)
            {
                if (_scores[node.Index] is int score)
                {
                    yield return (node, score);
                }
            }
        }
    }

    public bool Contains(Node node) => _scores[node.Index] is not null;

    /// <summary>Adds to a node's score; a node not in the table enters with exactly this score.</summary>
    public void Add(Node node, int score) =>
        _scores[node.Index] = _scores[node.Index] is int old ? Score.Add(old, score) : score;

    /// <summary>Adds to every node of the table.</summary>
    public void AddAll(int score)
    {
        for (int i = 0; i < _scores.Length; i++)
        {
            if (_scores[i] is int old)
            {
                _scores[i] = Score.Add(old, score);
            }
        }
    }

    public bool AnyAvailable()
    {
        foreach (Node node in nodes)
        {
            if (_scores[node.Index] is >= 0 && node.Available)
            {
                return true;
            }
        }

        return false;
    }

    public ScoreTable Copy()
    {
        var copy = new ScoreTable(nodes);
        _scores.CopyTo(copy._scores, 0);
        return copy;
    }
}
