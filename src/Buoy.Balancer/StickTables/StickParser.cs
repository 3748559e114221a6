using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.StickTables;

/// <summary><c>stick-table …</c> and <c>stick on|match|store-request src …</c> (configuration manual 4.2).</summary>
internal static class StickParser
{
    private const int DefaultLength = 32;

    public static void Table(ParseContext context, ProxyBuilder? proxy)
    {
        if (proxy is null)
        {
            context.Alert("'stick-table' is not supported in 'defaults' section.");
            return;
        }

        if (proxy.StickTable is not null)
        {
            context.Alert($"stick-table name '{proxy.Name}' conflicts with table declared in {proxy.TypeName} "
                + $"'{proxy.Name}' at {proxy.StickPlace}.");
            return;
        }

        if (Parse(context) is { } table)
        {
            proxy.StickTable = table;
            proxy.StickPlace = context.Place;
        }
    }

    public static void Rule(ParseContext context, ProxyBuilder? proxy)
    {
        if (proxy is null)
        {
            context.Alert("'stick' is not supported in 'defaults' section.");
            return;
        }

        if (!proxy.HasBackend)
        {
            context.Warning($"'stick' ignored because {proxy.TypeName} '{proxy.Name}' has no backend capability.");
            return;
        }

        string kind = context[1];
        if (kind is not ("on" or "match" or "store-request" or "store-response"))
        {
            context.Alert("'stick' expects 'on', 'match', or 'store'.");
        }
        else if (context[2].Length == 0)
        {
            context.Alert("'stick' expects a fetch method.");
        }
        else if (kind == "store-response" || context[2] != "src")
        {
            context.NotSupported($"stick {kind} {context[2]}");
        }
        else if (context[3] is "if" or "unless" || context[5] is "if" or "unless")
        {
            context.NotSupported($"stick {kind} src … {(context[3] == "table" ? context[5] : context[3])}");
        }
        else if (context[3].Length > 0 && context[3] != "table")
        {
            context.Alert($"'stick': unknown keyword '{context[3]}'.");
        }
        else
        {
            string? table = context[3] == "table" ? context[4] : null;
            proxy.StickRules.Add(new StickRuleConfig(kind is "on" or "match", kind is "on" or "store-request", table));
        }
    }

    private static StickTableConfig? Parse(ParseContext context)
    {
        StickKeyType? type = null;
        int length = 0, size = 0, expire = 0;
        bool noPurge = false, server = false;
        var data = new SortedSet<StickData>();
        for (int i = 1; i < context.Words.Count; i++)
        {
            string word = context[i];
            string value = context[i + 1];
            switch (word)
            {
                case "type":
                    type = value switch
                    {
                        "ip" => StickKeyType.Ip, "ipv6" => StickKeyType.Ipv6, "integer" => StickKeyType.Integer,
                        "string" => StickKeyType.String, "binary" => StickKeyType.Binary, _ => null,
                    };
                    bool sized = type is StickKeyType.String or StickKeyType.Binary;
                    length = sized ? DefaultLength : 0;
                    if (sized && context[i + 2] == "len")
                    {
                        length = Units.Atoi(context[i + 3]);
                        value = length > 0 ? value : context[i + 3];
                        type = length > 0 ? type : null;
                        i += 2;
                    }

                    if (type is null)
                    {
                        return Fail(context, $"unknown type '{value}'.");
                    }

                    i++;
                    break;
                case "size" or "expire" when value.Length == 0:
                    return Fail(context, $"missing argument after '{word}'.");
                case "size":
                    if (!Size(value, out size, out char wrong))
                    {
                        return Fail(context, $"unexpected character '{wrong}' in argument of 'size'.");
                    }

                    i++;
                    break;
                case "expire":
                    if (context.Time(value, out expire, out string bad) != Units.TimeError.None)
                    {
                        return Fail(context, $"unexpected character '{bad}' in argument of 'expire'.");
                    }

                    i++;
                    break;
                case "nopurge":
                    noPurge = true;
                    break;
                case "store":
                    foreach (string name in value.Split(',', StringSplitOptions.RemoveEmptyEntries))
                    {
                        if (name == "server_id")
                        {
                            server = true;
                        }
                        else if (name is "gpt0" or "gpc0" or "gpc1")
                        {
                            data.Add(name == "gpt0" ? StickData.Gpt0 : name == "gpc0" ? StickData.Gpc0 : StickData.Gpc1);
                        }
                        else
                        {
                            context.NotSupported($"stick-table store {name}");
                            return null;
                        }
                    }

                    i++;
                    break;
                case "peers" or "srvkey" or "write-to":
                    context.NotSupported($"stick-table {word}");
                    return null;
                default:
                    return Fail(context, $"unknown argument '{word}'.");
            }
        }

        return size == 0 ? Fail(context, "missing size.") : type is null ? Fail(context, "missing type.")
            : new StickTableConfig(type.Value, length, size, expire, noPurge, server, [.. data]);
    }

    private static StickTableConfig? Fail(ParseContext context, string text)
    {
        context.Alert($"stick-table: {text}");
        return null;
    }

    /// <summary>A number with k, m or g for powers of 1024.</summary>
    private static bool Size(string text, out int size, out char wrong)
    {
        long number = Units.Atol(text, out string rest);
        int shift = rest.ToLowerInvariant() switch { "" => 0, "k" => 10, "m" => 20, "g" => 30, _ => -1 };
        wrong = rest.Length > 0 ? rest[0] : '\0';
        size = shift < 0 ? 0 : (int)Math.Min(int.MaxValue, number << shift);
        return shift >= 0;
    }
}
