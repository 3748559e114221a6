using Buoy.Balancer.Logging;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Configuration;

/// <summary>A format as written, kept until all of its section is known.</summary>
internal sealed record FormatText(string Text, SourcePlace Place);

/// <summary>
/// <c>log-format</c>, <c>log-format-sd</c>, <c>error-log-format</c>, <c>unique-id-format</c>, <c>unique-id-header</c>,
/// <c>log-tag</c> and the options that name a format of the manual (configuration manual 4.2 and 8.2).
/// </summary>
internal static class LogFormatParser
{
    public static void Parse(ParseContext context, ProxyBuilder? proxy, ProxySettings settings)
    {
        string k = context.Keyword;
        string a = context[1];
        if (k == "log-tag")
        {
            if (a.Length == 0)
            {
                context.Alert("'log-tag' expects a tag for use in syslog.");
                return;
            }

            settings.LogTag = a;
            return;
        }

        if (a.Length == 0)
        {
            context.Alert($"{k} expects an argument.");
            return;
        }

        if (context[2].Length > 0 && k != "unique-id-header")
        {
            context.Alert($"{k} expects only one argument, don't forget to escape spaces!");
            return;
        }

        var format = new FormatText(a, context.Place);
        switch (k)
        {
            case "log-format":
                Overrides(context, proxy, settings, "'log-format'");
                Ignored(context, proxy, k);
                (settings.LogFormat, settings.LogFormatPlace, settings.Format) = (LogFormatKind.Custom, context.Place, format);
                break;
            case "log-format-sd":
                Ignored(context, proxy, k);
                settings.StructuredFormat = format;
                break;
            case "error-log-format":
                if (proxy is null && settings.ErrorFormat is not null)
                {
                    context.WarningTight("'error-log-format' overrides previous 'error-log-format' in 'defaults' section.");
                }

                Ignored(context, proxy, k);
                settings.ErrorFormat = format;
                break;
            case "unique-id-format":
                settings.UniqueIdFormat = format;
                break;
            default:
                settings.UniqueIdHeader = a;
                break;
        }
    }

    /// <summary><c>option httplog [clf]</c>, <c>option httpslog</c>, <c>option tcplog</c>.</summary>
    public static void Option(ParseContext context, ProxyBuilder? proxy, ProxySettings settings)
    {
        string o = context[1];
        var kind = o switch { "httplog" => LogFormatKind.Http, "httpslog" => LogFormatKind.Https, _ => LogFormatKind.Tcp };
        if (o == "httplog" && context[2].Length > 0)
        {
            if (context[2] != "clf")
            {
                context.Alert("keyword 'httplog' only supports option 'clf'.");
                return;
            }

            kind = LogFormatKind.HttpClf;
        }

        // The original calls httpslog by the other's name here.
        string name = kind switch
        {
            LogFormatKind.Tcp => "option tcplog", LogFormatKind.HttpClf => "option httplog clf", _ => "option httplog",
        };
        Overrides(context, proxy, settings, $"'{name}'");
        Ignored(context, proxy, $"option {o}");
        (settings.LogFormat, settings.LogFormatPlace, settings.Format) = (kind, context.Place, null);
    }

    /// <summary>The formats of a section, read; what is wrong is told where the format stands.</summary>
    public static ProxyFormats? Compile(ParseContext context, ProxyBuilder proxy)
    {
        var s = proxy.Settings;
        bool http = s.Mode == ProxyMode.Http;
        if ((s.Format ?? s.StructuredFormat ?? s.UniqueIdFormat ?? s.ErrorFormat) is null)
        {
            return null;
        }

        return new ProxyFormats(
            One(proxy.HasFrontend ? s.Format : null, "log-format"),
            One(proxy.HasFrontend ? s.StructuredFormat : null, "log-format-sd", s.Format),
            One(s.UniqueIdFormat, "unique-id"),
            One(proxy.HasFrontend ? s.ErrorFormat : null, "error-log-format"));

        LogFormat? One(FormatText? text, string what, FormatText? shown = null)
        {
            if (text is null)
            {
                return null;
            }

            var places = what == "unique-id" ? SamplePlaces.FrontendHttpRequest
                : what == "error-log-format" ? SamplePlaces.FrontendConnection : SamplePlaces.Log;
            var among = new SampleContext
            {
                Places = places, What = what switch { "log-format-sd" => "structured-data log-format string", "unique-id" => "unique-id-format string", _ => $"{what} string" }, Proxy = proxy.Name, Place = text.Place, Patterns = context.Patterns,
                Pending = context.Rules.Pending,
            };
            var format = LogFormat.Parse(text.Text, http, among, out string error);
            if (format is null)
            {
                context.Add(
                    Severity.Alert, $"config : Parsing [{(shown ?? text).Place}]: failed to parse {what} : {error}.");
            }

            return format;
        }
    }

    private static void Overrides(ParseContext context, ProxyBuilder? proxy, ProxySettings settings, string by)
    {
        string before = settings.LogFormat switch
        {
            LogFormatKind.Http => "option httplog", LogFormatKind.Tcp => "option tcplog",
            LogFormatKind.HttpClf => "option httplog clf", LogFormatKind.Https => "option httpslog",
            LogFormatKind.Custom => "log-format", _ => "",
        };
        if (proxy is null && before.Length > 0 && by != $"'{before}'" | settings.LogFormat == LogFormatKind.Custom)
        {
            context.WarningTight($"{by} overrides previous '{before}' in 'defaults' section.");
        }
    }

    private static void Ignored(ParseContext context, ProxyBuilder? proxy, string what)
    {
        if (proxy is { HasFrontend: false })
        {
            context.Warning($"backend '{proxy.Name}' : '{what}' directive is ignored in backends.");
        }
    }
}

/// <summary>The compiled formats of a section; null where none is given.</summary>
internal sealed record ProxyFormats(LogFormat? Log, LogFormat? Structured, LogFormat? UniqueId, LogFormat? Error);
