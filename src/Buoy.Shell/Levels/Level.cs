namespace Buoy.Shell.Levels;

/// <summary>A level of the shell: its commands and sub-levels.</summary>
internal abstract class Level(Crm crm)
{
    protected Crm Crm { get; } = crm;

    /// <summary>The level's name as messages give it.</summary>
    public abstract string Name { get; }

    /// <summary>Commands and sub-levels, by their full names.</summary>
    public abstract IReadOnlyList<string> Commands { get; }

    /// <summary>Older words for commands, which are taken with a warning.</summary>
    public virtual IReadOnlyDictionary<string, string> Deprecated { get; } = new Dictionary<string, string>();

    /// <summary>Other words for commands.</summary>
    public virtual IReadOnlyDictionary<string, string> Aliases { get; } = new Dictionary<string, string>();

    public virtual string Prompt() => Name;

    public virtual bool IsLevel(string command) => false;

    public virtual Level MakeLevel(string command) => throw new InvalidOperationException($"{command} is no level");

    /// <summary>Runs a command. False after an error, which has been told.</summary>
    public abstract bool Run(string command, IReadOnlyList<string> arguments);

    /// <summary>Leaves the level; what is unfinished is finished.</summary>
    public virtual bool End() => true;

    /// <summary>The command that a word names: in full, by an alias, or by an unambiguous beginning or near
    /// spelling.</summary>
    public string? Match(string word, Messages messages)
    {
        if (Commands.Contains(word))
        {
            return word;
        }

        if (Deprecated.TryGetValue(word, out string? newer))
        {
            messages.Warning($"This command '{word}' is deprecated, please use '{newer}'");
            messages.Info($"\"{word}\" is accepted as \"{newer}\"");
            return newer;
        }

        if (Aliases.TryGetValue(word, out string? alias))
        {
            return alias;
        }

        List<string> starts = [.. Commands.Where(c => c.StartsWith(word, StringComparison.Ordinal))];
        if (starts.Count == 1 && word.Length > 2)
        {
            messages.Info($"\"{word}\" is accepted as \"{starts[0]}\"");
            return starts[0];
        }

        return null;
    }

    /// <summary>The commands nearest to a word that names none, as the end of a sentence; empty where none is
    /// near.</summary>
    public string DidYouMean(string word)
    {
        // One slip in a short word, two in a longer one.
        int limit = word.Length <= 4 ? 1 : 2;
        List<string> near = [.. Commands.Concat(Aliases.Keys).Select(c => (Name: c, Far: Distance(word, c)))
            .Where(c => c.Far <= limit).OrderBy(c => c.Far).ThenBy(c => c.Name, StringComparer.Ordinal).Take(3)
            .Select(c => c.Name)];
        return near.Count == 0 ? "" : $": did you mean {string.Join(" or ", near)}?";
    }

    /// <summary>Letters to insert, drop, change or swap with their neighbour (optimal string alignment).</summary>
    private static int Distance(string a, string b)
    {
        int[,] d = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            for (int j = 0; j <= b.Length; j++)
            {
                d[i, j] = i == 0 || j == 0 ? i + j
                    : Math.Min(
                        Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
                }
            }
        }

        return d[a.Length, b.Length];
    }

    /// <summary>Says that a command has too few or wrong arguments.</summary>
    protected bool Usage(string command, string expected, int given)
    {
        Crm.Messages.Error($"{Name}.{command}: Expected ({expected}), takes at least "
            + $"{expected.Split(' ').Count(w => !w.StartsWith('['))} arguments ({given} given)");
        return false;
    }

    /// <summary>Says that a command of the original is not there (yet).</summary>
    protected bool NotSupported(string command)
    {
        Crm.Messages.Error($"{Name}.{command}: not supported");
        return false;
    }
}
