namespace Buoy.Balancer.Rules.Patterns;

/// <summary>
/// Match of whole words between delimiters (manual 7.1.3): <c>dir</c> between slashes, <c>dom</c> between dots, colons,
/// slashes and question marks. Delimiters around the pattern are ignored, those within it must be there.
/// </summary>
internal static class WordMatch
{
    public static bool IsDelimiter(byte b, MatchMethod method) =>
        b == '/' || (method == MatchMethod.Dom && (b is (byte)'.' or (byte)':' or (byte)'?'));

    /// <summary>The pattern without the delimiters around it.</summary>
    public static byte[] Strip(byte[] pattern, MatchMethod method)
    {
        int start = 0;
        int end = pattern.Length;
        while (start < end && IsDelimiter(pattern[start], method))
        {
            start++;
        }

        while (end > start && IsDelimiter(pattern[end - 1], method))
        {
            end--;
        }

        return pattern[start..end];
    }

    /// <summary>Does the word stand anywhere in the text? An empty one never does.</summary>
    public static bool Find(ReadOnlySpan<byte> text, ReadOnlySpan<byte> word, MatchMethod method, bool fold)
    {
        if (word.IsEmpty)
        {
            return false;
        }

        for (int at = 0; (at = TextFold.IndexOf(text, word, fold, at)) >= 0; at++)
        {
            int end = at + word.Length;
            if ((at == 0 || IsDelimiter(text[at - 1], method))
                && (end == text.Length || IsDelimiter(text[end], method)))
            {
                return true;
            }
        }

        return false;
    }
}
