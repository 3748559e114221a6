namespace Buoy.Shell.Tools;

/// <summary>Options as getopt_long(3) takes them: -abc, -oVALUE, -o VALUE, --name=VALUE, --name VALUE, unambiguous beginnings of long names.</summary>
internal sealed class OptionReader
{
    private readonly List<(string Name, string? Value)> _options = [];

    /// <param name="shortNames">Short letters and the long names they stand for.</param>
    /// <param name="withValue">Short letters that take a value.</param>
    /// <param name="longWithValue">Long names that take a value.</param>
    public OptionReader(string[] args, IReadOnlyDictionary<char, string> shortNames, string withValue, string[] longWithValue, string[]? moreLong = null)
    {
        List<string> known = [.. shortNames.Values, .. longWithValue, .. moreLong ?? []];
        for (int i = 0; i < args.Length && Problem is null; i++)
        {
            string a = args[i];
            if (a.StartsWith("--", StringComparison.Ordinal) && a.Length > 2)
            {
                int eq = a.IndexOf('=');
                string given = eq < 0 ? a[2..] : a[2..eq];
                List<string> match = known.Contains(given) ? [given] : [.. known.Where(k => k.StartsWith(given, StringComparison.Ordinal)).Distinct()];
                if (match.Count != 1)
                {
                    Problem = match.Count == 0 ? $"unrecognized option '--{given}'" : $"option '--{given}' is ambiguous";
                    return;
                }

                string? value = eq < 0 ? null : a[(eq + 1)..];
                if (value is null && longWithValue.Contains(match[0]))
                {
                    value = ++i < args.Length ? args[i] : null;
                    Problem = value is null ? $"option '--{given}' requires an argument" : null;
                }

                _options.Add((match[0], value));
            }
            else if (a.Length > 1 && a[0] == '-')
            {
                for (int j = 1; j < a.Length; j++)
                {
                    if (!shortNames.TryGetValue(a[j], out string? name))
                    {
                        Problem = $"invalid option -- '{a[j]}'";
                        return;
                    }

                    if (!withValue.Contains(a[j]))
                    {
                        _options.Add((name, null));
                        continue;
                    }

                    string? value = j + 1 < a.Length ? a[(j + 1)..] : ++i < args.Length ? args[i] : null;
                    Problem = value is null ? $"option requires an argument -- '{a[j]}'" : null;
                    _options.Add((name, value));
                    break;
                }
            }
            else
            {
                Rest.Add(a);
            }
        }
    }

    /// <summary>What was wrong, in getopt's words; null where nothing was.</summary>
    public string? Problem { get; }

    /// <summary>Words that are no options.</summary>
    public List<string> Rest { get; } = [];

    public bool Has(string name) => _options.Any(o => o.Name == name);

    public string? Value(string name) => _options.LastOrDefault(o => o.Name == name).Value;
}
