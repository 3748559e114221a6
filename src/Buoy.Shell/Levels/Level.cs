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

    /// <summary>The command that a word names: in full, by an alias, or by an unambiguous beginning or near spelling.</summary>
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

    /// <summary>Says that a command has too few or wrong arguments.</summary>
    protected bool Usage(string command, string expected, int given)
    {
        Crm.Messages.Error($"{Name}.{command}: Expected ({expected}), takes at least {expected.Split(' ').Count(w => !w.StartsWith('['))} arguments ({given} given)");
        return false;
    }

    /// <summary>Says that a command of the original is not there (yet).</summary>
    protected bool NotSupported(string command)
    {
        Crm.Messages.Error($"{Name}.{command}: not supported");
        return false;
    }
}
