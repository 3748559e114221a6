using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.StickTables;

/// <summary>A list of data types behind <c>store</c>: names, of which some have arguments in parentheses.</summary>
internal static class StickStoreParser
{
    private static readonly (StickData Array, StickData[] Single, string Text)[] Exclusive =
    [
        (StickData.Gpc, [StickData.Gpc0, StickData.Gpc1],
            "'gpc' and 'gpc[0/1]' in a same table is not permitted as 'gpc' overrides 'gpc[0/1]'"),
        (StickData.GpcRate, [StickData.Gpc0Rate, StickData.Gpc1Rate],
            "'gpc_rate' and 'gpc[0/1]_rate' in a same table is not permitted as 'gpc_rate' overrides 'gpc[0/1]_rate'"),
        (StickData.Gpt, [StickData.Gpt0],
            "'gpt' and 'gpt0' in a same table is not permitted as 'gpt' overrides 'gpt0'"),
    ];

    /// <summary>Adds what the list names; the error's text, null = none.</summary>
    public static string? Parse(ParseContext context, string list, List<StickStore> stores)
    {
        for (int at = 0; at < list.Length;)
        {
            int end = at;
            while (end < list.Length && list[end] is not (',' or '('))
            {
                end++;
            }

            string name = list[at..end];
            string? arguments = null;
            if (end < list.Length && list[end] == '(')
            {
                int close = list.IndexOf(')', end);
                if (close < 0)
                {
                    return $"missing closing parenthesis after store option '{name}'.";
                }

                arguments = list[(end + 1)..close];
                end = list.IndexOf(',', close) is >= 0 and var comma ? comma : list.Length;
                if (end > close + 1)
                {
                    context.WarningTight(
                        $"stick-table: '{list[(close + 1)..end]}' after store option '{name}' is ignored.");
                }
            }

            at = end + 1;
            if (One(context, name, arguments, stores) is { } error)
            {
                return error;
            }
        }

        foreach (var (array, single, text) in Exclusive)
        {
            if (stores.Exists(s => s.Type == array) && stores.Exists(s => single.Contains(s.Type)))
            {
                return $"simultaneous usage of {text}.";
            }
        }

        return null;
    }

    private static string? One(ParseContext context, string name, string? arguments, List<StickStore> stores)
    {
        if (StickDataTypes.Find(name) is not { } type)
        {
            return $"unknown store option '{name}'.";
        }

        string[] given = arguments?.Split(',') ?? [];
        int wanted = (type.IsArray() ? 1 : 0) + (type.IsRate() ? 1 : 0);
        if (wanted == 0 && arguments is not null)
        {
            return $"unexpected argument to store option '{name}'.";
        }

        if (given.Length < wanted)
        {
            return $"missing argument to store option '{name}'.";
        }

        if (given.Length > wanted)
        {
            context.WarningTight($"stick-table: '{given[wanted]}' in store option '{name}' is ignored.");
        }

        int count = type.IsArray() ? Units.Atoi(given[0]) : 1;
        if (count is < 1 or > StickDataTypes.MaxArray)
        {
            return $"array size is out of allowed range (1-{StickDataTypes.MaxArray}) for store option '{name}'.";
        }

        int period = 0;
        if (type.IsRate() && context.Time(given[wanted - 1], out period, out _) != Units.TimeError.None)
        {
            return $"error when processing store option '{name}'.";
        }

        if (stores.Exists(s => s.Type == type))
        {
            context.WarningTight($"stick-table: store option '{name}' already enabled, ignored.");
            return null;
        }

        stores.Add(new StickStore(type, count, period));
        return null;
    }
}
