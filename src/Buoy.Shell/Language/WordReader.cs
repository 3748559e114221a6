namespace Buoy.Shell.Language;

/// <summary>Walks over the words of one command and makes its errors in crmsh's words.</summary>
internal sealed class WordReader(IReadOnlyList<string> words, string kind)
{
    private int _at = 1;

    /// <summary>The word under the reader, or null past the end.</summary>
    public string? Current => _at < words.Count ? words[_at] : null;

    public bool AtEnd => _at >= words.Count;

    /// <summary>What errors call the command; the sets' parser says "role" for all.</summary>
    public string Kind { get; set; } = kind;

    public IReadOnlyList<string> Words => words;

    public string? Peek(int ahead = 1) => _at + ahead < words.Count ? words[_at + ahead] : null;

    public void Back() => _at--;

    /// <summary>Takes the current word.</summary>
    public string Take()
    {
        if (AtEnd)
        {
            throw Error("Expected identifier");
        }

        return words[_at++];
    }

    /// <summary>Takes the word when it is this one, whatever its case.</summary>
    public bool Try(string word)
    {
        if (Current is { } c && c.Equals(word, StringComparison.OrdinalIgnoreCase))
        {
            _at++;
            return true;
        }

        return false;
    }

    /// <summary>Takes NAME=VALUE when the current word is one.</summary>
    public bool TryPair(out string name, out string value)
    {
        if (Current is { } c && c.IndexOf('=') is > 0 and var eq)
        {
            name = c[..eq];
            value = c[(eq + 1)..];
            _at++;
            return true;
        }

        name = value = "";
        return false;
    }

    /// <summary>The command must have this many arguments.</summary>
    public void AtLeast(int arguments)
    {
        if (words.Count <= arguments)
        {
            throw new CrmSyntaxException($"syntax in {Kind}: Expected at least {arguments} arguments near "
                + $"<{words[0]}> parsing '{Line}'");
        }
    }

    /// <summary>Nothing may be left.</summary>
    public void End()
    {
        if (!AtEnd)
        {
            throw Error("Unknown arguments: " + string.Join(' ', words.Skip(_at)));
        }
    }

    public CrmSyntaxException Error(string what) => Error(what, Current);

    public CrmSyntaxException Error(string what, string? near) =>
        new($"syntax in {Kind}: {what}{(near is null ? "" : $" near <{near}>")} parsing '{Line}'");

    public string Line => string.Join(' ', words);
}
