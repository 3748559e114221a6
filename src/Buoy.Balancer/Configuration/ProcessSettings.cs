namespace Buoy.Balancer.Configuration;

/// <summary>Settings of the global section about master, workers and their end (configuration manual 3.1).</summary>
internal static class ProcessSettings
{
    /// <summary>Reads <c>grace</c>, <c>master-worker</c> or <c>mworker-max-reloads</c>.</summary>
    public static GlobalConfig Parse(ParseContext context, GlobalConfig global)
    {
        string a = context[1];
        switch (context.Keyword)
        {
            case "grace":
                return Grace(context, global, a);
            case "master-worker" when context.AtMost(1):
                if (a is "" or "no-exit-on-failure")
                {
                    return global with { MasterWorker = true, NoExitOnFailure = global.NoExitOnFailure || a.Length > 0 };
                }

                context.Alert("'master-worker' only supports 'no-exit-on-failure' option.");
                return global;
            case "mworker-max-reloads" when context.AtMost(1):
                if (a.Length == 0)
                {
                    // The original warns here and goes on as if the line was not there.
                    context.Warning("'mworker-max-reloads' expects an integer argument.");
                    return global;
                }

                if (Units.Atoi(a) < 0)
                {
                    context.Warning($"'mworker-max-reloads' : invalid value {Units.Atoi(a)}, must be >= 0");
                    return global;
                }

                return global with { MaxReloads = Units.Atoi(a) };
            default:
                return global;
        }
    }

    private static GlobalConfig Grace(ParseContext context, GlobalConfig global, string a)
    {
        if (a.Length == 0)
        {
            context.Alert("'grace' expects <time> as argument.");
            return global;
        }

        switch (context.Time(a, out int ms, out string bad))
        {
            case Units.TimeError.Unexpected:
                context.Alert($"unexpected character '{bad}' in argument to <grace>.");
                return global;
            case Units.TimeError.Overflow:
                context.Alert(
                    $"timer overflow in argument '{a}' to 'grace' (maximum value is 2147483647 ms or ~24.8 days)");
                return global;
            default:
                return global with { Grace = ms };
        }
    }
}
