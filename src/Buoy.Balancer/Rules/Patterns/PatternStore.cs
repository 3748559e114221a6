using System.Globalization;
using System.Text;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>All lists of patterns of a configuration: files by name, words of ACLs by number.</summary>
internal sealed class PatternStore
{
    private readonly List<PatternReference> _all = [];
    private readonly Dictionary<string, PatternReference> _files = new(StringComparer.Ordinal);
    private IReadOnlyList<PatternReference>? _byId;

    /// <summary>All in the order of their numbers.</summary>
    public IReadOnlyList<PatternReference> References => _byId ??= Number();

    /// <summary>
    /// The list of a file, read at its first use; null and an error in the original's words where that fails.
    /// </summary>
    /// <param name="file">As named in the configuration.</param>
    /// <param name="values">Two columns: key and value.</param>
    /// <param name="place">Where it is used.</param>
    /// <param name="error">What is wrong.</param>
    public PatternReference? Open(string file, bool values, SourcePlace place, out string error)
    {
        error = "";
        if (_files.TryGetValue(file, out var known))
        {
            if (known.HasValues == values)
            {
                return known;
            }

            error = known.HasValues
                ? $"The file \"{file}\" is already used as two column file and cannot be used by as one column file."
                : $"The file \"{file}\" is already used as one column file and cannot be used by as two column file.";
            return null;
        }

        if (ReadLines(file, out error) is not { } lines)
        {
            return null;
        }

        var reference = new PatternReference(file, place) { HasValues = values };
        for (int i = 0; i < lines.Length; i++)
        {
            Load(reference, lines[i], i + 1, values);
        }

        _all.Add(reference);
        _files.Add(file, reference);
        return reference;
    }

    /// <summary>
    /// The list for the words of an ACL; null where the number is taken already.
    /// </summary>
    public PatternReference? Inline(int? id, SourcePlace place)
    {
        if (id is { } taken && _all.Exists(r => r.Id == taken))
        {
            return null;
        }

        var reference = new PatternReference("", place) { Id = id ?? -1 };
        _all.Add(reference);
        return reference;
    }

    /// <summary>The list that <c>#id</c> or a file's name means; null = none.</summary>
    public PatternReference? Find(string name)
    {
        if (!name.StartsWith('#'))
        {
            return _files.GetValueOrDefault(name);
        }

        return int.TryParse(name.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            ? References.FirstOrDefault(r => r.Id == id) : null;
    }

    /// <summary>The list of a file that something has opened; null = none.</summary>
    public PatternReference? FindFile(string file) => _files.GetValueOrDefault(file);

    /// <summary>Adds a line of a file: blanks in front do not count, nor do empty lines and comments.</summary>
    private static void Load(PatternReference reference, string line, int number, bool values)
    {
        // A comment has its sharp in the first column; a pattern that begins with one has a blank before it.
        line = line.TrimEnd('\r');
        string text = line.TrimStart(' ', '\t');
        if (text.Length == 0 || line[0] == '#')
        {
            return;
        }

        if (!values)
        {
            reference.Add(text, null, line: number);
            return;
        }

        int end = text.AsSpan().IndexOfAny(' ', '\t');
        reference.Add(end < 0 ? text : text[..end], end < 0 ? "" : text[end..].Trim(' ', '\t'), line: number);
    }

    private static string[]? ReadLines(string file, out string error)
    {
        error = $"failed to open pattern file <{file}>";
        if (Directory.Exists(file))
        {
            error = $"error encountered while reading  <{file}> : Is a directory";
            return null;
        }

        try
        {
            string text = Encoding.Latin1.GetString(System.IO.File.ReadAllBytes(file));
            error = "";
            return text.Split('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Numbers those without one in the order of their making, around those that <c>-u</c> gave.</summary>
    private List<PatternReference> Number()
    {
        var taken = _all.Where(r => r.Id >= 0).Select(r => r.Id).ToHashSet();
        int next = 0;
        foreach (var r in _all.Where(r => r.Id < 0))
        {
            while (!taken.Add(next))
            {
                next++;
            }

            r.Id = next;
        }

        return [.. _all.OrderBy(r => r.Id)];
    }
}
