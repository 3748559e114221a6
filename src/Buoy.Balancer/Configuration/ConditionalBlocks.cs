namespace Buoy.Balancer.Configuration;

/// <summary>
/// The directives that begin with a dot (configuration manual 2.4): <c>.if .elif .else .endif</c> take lines in or leave them
/// out, <c>.notice .warning .alert .diag</c> tell something.
/// </summary>
internal sealed class ConditionalBlocks(ParseContext context)
{
    private readonly Stack<Level> _levels = new();
    private bool _broken;

    /// <summary>One open <c>.if</c>.</summary>
    /// <param name="Outside">The block itself stands in lines that are left out: nothing in it is evaluated.</param>
    /// <param name="Active">Are its lines read now?</param>
    /// <param name="Taken">Was one of its branches read already?</param>
    /// <param name="Else">Was there an <c>.else</c>?</param>
    private readonly record struct Level(bool Outside, bool Active, bool Taken, bool Else);

    /// <summary>Are lines left out here?</summary>
    public bool Skipping => _levels.TryPeek(out var level) && !level.Active;

    /// <summary>Handles the line; false where it is none of these directives, or one that is left out.</summary>
    public bool Directive(string k)
    {
        switch (k)
        {
            case ".if":
                bool outside = Skipping;
                bool value = !outside && Condition();
                _levels.Push(new Level(outside, value, value, false));
                return true;
            case ".elif" when Inside(k):
                var at = _levels.Pop();
                bool now = !at.Outside && !at.Taken && Condition();
                _levels.Push(at with { Active = now, Taken = at.Taken || now });
                return true;
            case ".else" when NoArgument() && Inside(k):
                var top = _levels.Pop();
                bool rest = !top.Outside && !top.Taken;
                _levels.Push(top with { Active = rest, Taken = true, Else = true });
                return true;
            case ".endif" when NoArgument() && Inside(k):
                _levels.Pop();
                return true;
            case ".elif" or ".else" or ".endif":
                return true;
        }

        if (Skipping)
        {
            return false;
        }

        if (k is ".notice" or ".warning" or ".alert" or ".diag")
        {
            Message(k);
            return true;
        }

        if (k.StartsWith('.'))
        {
            context.AlertTight($"unknown directive '{k}'.");
            return true;
        }

        return false;
    }

    /// <summary>The end of a file: every block must be closed in it.</summary>
    public void End()
    {
        if (_levels.Count > 0 && !_broken)
        {
            context.AbortTight("non-terminated '.if' block.");
            _levels.Clear();
        }
    }

    private bool Condition()
    {
        string text = string.Join(' ', context.Words.Skip(1));
        try
        {
            return ConditionEvaluator.Evaluate(text, context.Variable);
        }
        catch (ConditionException e)
        {
            _broken = true;
            string k = context.Keyword;
            string caret = new(' ', 2 + k.Length + 1 + e.Position);
            context.AbortTight($"{e.Message} in '{k}' at position {e.Position + 1}:\n  {k} {text}\n{caret}^");
            return false;
        }
    }

    private bool Inside(string k)
    {
        if (_levels.Count == 0)
        {
            context.AbortTight($"lone '{k}' with no matching '.if'.");
            return false;
        }

        if (_levels.Peek().Else && k != ".endif")
        {
            context.AbortTight($"'{k}' after '.else' is not permitted.");
            _broken = true;
            return false;
        }

        return true;
    }

    private bool NoArgument()
    {
        if (context.Words.Count == 1)
        {
            return true;
        }

        context.AbortTight($"Unexpected argument '{context[1]}' for '{context.Keyword}'.");
        return false;
    }

    private void Message(string k)
    {
        string text = $"'{context[1]}'.";
        if (context.Words.Count > 2)
        {
            context.AlertTight($"Unexpected argument '{context[2]}' for '{k}'. Use quotes if the message should contain spaces.");
            return;
        }

        switch (k)
        {
            case ".alert":
                context.AbortTight(text);
                _broken = true;
                break;
            case ".diag" when context.Diagnosing:
                context.Add(Severity.Diagnosis, $"config : parsing [{context.Place}]: {text}");
                break;
            case ".diag":
                break;
            default:
                context.Add(k == ".notice" ? Severity.Notice : Severity.Warning, $"config : parsing [{context.Place}]: {text}");
                break;
        }
    }
}
