using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.StickTables;

/// <summary><c>stick-table …</c> (configuration manual 4.2).</summary>
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

    private static StickTableConfig? Parse(ParseContext context)
    {
        StickKeyType? type = null;
        int length = 0, size = 0, expire = 0;
        bool noPurge = false, address = false;
        var stores = new List<StickStore>();
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
                case "size" or "expire" or "peers" when value.Length == 0:
                    return Fail(context, $"missing argument after '{word}'.");
                case "size":
                    if (!Size(value, out size, out char wrong))
                    {
                        return Fail(context, $"unexpected character '{wrong}' in argument of 'size'.");
                    }

                    i++;
                    break;
                case "expire":
                    switch (context.Time(value, out expire, out string bad))
                    {
                        case Units.TimeError.None:
                            break;
                        case Units.TimeError.Overflow:
                            context.AlertTight($"stick-table: timer overflow in argument <{value}> to <expire>, "
                                + "maximum value is 2147483647 ms (~24.8 days).");
                            return null;
                        case Units.TimeError.Underflow:
                            context.AlertTight($"stick-table: timer underflow in argument <{value}> to <expire>, "
                                + "minimum non-null value is 1 ms.");
                            return null;
                        case Units.TimeError.Unexpected:
                        default:
                            return Fail(context, $"unexpected character '{bad}' in argument of 'expire'.");
                    }

                    i++;
                    break;
                case "nopurge":
                    noPurge = true;
                    break;
                case "store":
                    if (StickStoreParser.Parse(context, value, stores) is { } error)
                    {
                        return Fail(context, error);
                    }

                    i++;
                    break;
                case "srvkey":
                    if (value is not ("name" or "addr"))
                    {
                        context.Alert($"stick-table : unknown server key type '{value}'.");
                        return null;
                    }

                    address = value == "addr";
                    i++;
                    break;
                case "peers":
                    context.NotSupported("stick-table peers");
                    return null;
                default:
                    return Fail(context, $"unknown argument '{word}'.");
            }
        }

        return size == 0 ? Fail(context, "missing size.") : type is null ? Fail(context, "missing type.")
            : new StickTableConfig(
                type.Value, length, size, expire, noPurge, [.. stores.OrderBy(s => s.Type)], address);
    }

    private static StickTableConfig? Fail(ParseContext context, string text)
    {
        context.Alert($"stick-table: {text}");
        return null;
    }

    /// <summary>A number with k, m or g for powers of 1024; it ends where 32 bits do.</summary>
    private static bool Size(string text, out int size, out char wrong)
    {
        long number = Units.Atol(text, out string rest);
        int shift = rest.ToLowerInvariant() switch { "" => 0, "k" => 10, "m" => 20, "g" => 30, _ => -1 };
        wrong = rest.Length > 0 ? rest[0] : '\0';
        bool fits = shift >= 0 && number <= uint.MaxValue >> shift;
        size = fits ? (int)Math.Min(int.MaxValue, number << shift) : 0;
        return fits;
    }
}
