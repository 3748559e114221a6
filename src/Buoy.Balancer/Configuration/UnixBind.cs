namespace Buoy.Balancer.Configuration;

/// <summary><c>unix-bind</c>: what Unix sockets of bind lines start from (configuration manual 3.1).</summary>
internal sealed record UnixBind
{
    public string Prefix { get; init; } = "";

    public int? Mode { get; init; }

    public int? User { get; init; }

    public int? Group { get; init; }

    /// <summary>The path with the prefix before it; abstract names have none.</summary>
    public string? Path(string? path) => path is null || path.StartsWith('\0') ? path : Prefix + path;

    /// <summary>Reads the line.</summary>
    public static void Parse(ParseContext context)
    {
        var bind = context.UnixBind;
        for (int i = 1; i < context.Words.Count; i += 2)
        {
            string value = context[i + 1];
            switch (context[i])
            {
                case "prefix":
                    bind = bind with { Prefix = value };
                    break;
                case "mode":
                    bind = bind with { Mode = Units.Octal(value) };
                    break;
                case "uid":
                    bind = bind with { User = Units.Atoi(value) };
                    break;
                case "gid":
                    bind = bind with { Group = Units.Atoi(value) };
                    break;
                case "user" when context.FindUser(value) is { } user:
                    bind = bind with { User = user };
                    break;
                case "group" when context.FindGroup(value) is { } group:
                    bind = bind with { Group = group };
                    break;
                case "user" or "group":
                    context.Alert($"'unix-bind' : '{value}' unknown {context[i]}.");
                    break;
                default:
                    context.Alert("'unix-bind' only supports the 'prefix', 'mode', 'uid', 'gid', 'user' and 'group' options.");
                    return;
            }
        }

        context.UnixBind = bind;
    }
}
