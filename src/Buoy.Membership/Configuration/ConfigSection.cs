namespace Buoy.Membership.Configuration;

/// <summary>A key of corosync.conf with its place.</summary>
public sealed record ConfigEntry(string Key, string Value, int Line);

/// <summary>A bracketed part of corosync.conf: keys, and parts within it.</summary>
public sealed class ConfigSection(string name, int line)
{
    /// <summary>Name before the bracket; empty for the file.</summary>
    public string Name { get; } = name;

    /// <summary>Line it begins in.</summary>
    public int Line { get; } = line;

    /// <summary>Keys in the file's order.</summary>
    public List<ConfigEntry> Entries { get; } = [];

    /// <summary>Sections in the file's order.</summary>
    public List<ConfigSection> Sections { get; } = [];

    /// <summary>The last entry of a key, as Corosync lets later ones win; null where it is absent.</summary>
    public ConfigEntry? Find(string key) => Entries.FindLast(e => e.Key == key);

    /// <summary>
    /// Reads the bracketed syntax: <c>name {</c>, <c>key: value</c>, <c>}</c>, comments, empty lines.
    /// </summary>
    public static ConfigSection Parse(string text, string file)
    {
        var root = new ConfigSection("", 0);
        var open = new Stack<ConfigSection>([root]);
        int number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            string line = raw.Trim();
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            int colon = line.IndexOf(':');
            if (line == "}")
            {
                if (open.Count == 1)
                {
                    throw new CorosyncConfigException(file, number, "'}' without a section", "'name {' before it");
                }

                open.Pop();
            }
            else if (line.EndsWith('{') && (colon < 0 || colon > line.IndexOf('{')))
            {
                string name = line[..^1].Trim();
                if (name.Length == 0)
                {
                    throw new CorosyncConfigException(file, number, "a section without a name", "'name {'");
                }

                var section = new ConfigSection(name, number);
                open.Peek().Sections.Add(section);
                open.Push(section);
            }
            else if (colon > 0)
            {
                open.Peek().Entries.Add(new ConfigEntry(line[..colon].Trim(), line[(colon + 1)..].Trim(), number));
            }
            else
            {
                throw new CorosyncConfigException(file, number, $"'{line}'", "'key: value', 'name {' or '}'");
            }
        }

        return open.Count == 1 ? root : throw new CorosyncConfigException(
            file, number, $"the end of the file within section '{open.Peek().Name}' of line {open.Peek().Line}", "'}'");
    }
}
