using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Configure;

namespace Buoy.Shell.Tools;

/// <summary>crm_verify(8): 0 valid, 78 not.</summary>
internal sealed class CrmVerify(ShellServices services)
{
    private static readonly Dictionary<char, string> Short = new()
    {
        ['L'] = "live-check", ['x'] = "xml-file", ['X'] = "xml-text", ['p'] = "xml-pipe", ['V'] = "verbose", ['q'] =
            "quiet", ['h'] = "help", ['$'] = "version",
        ['S'] = "save-xml",
    };

    public int Run(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var o = new OptionReader(args, Short, "xXS", ["xml-file", "xml-text", "save-xml"]);
        if (o.Problem is { } problem)
        {
            return ToolFrame.Bad("crm_verify", problem, error);
        }

        return ToolFrame.Run("crm_verify", services, error, (source, _) =>
        {
            CibDocument cib;
            try
            {
                cib = o.Value("xml-file") is { } file ? CibDocument.Parse(File.ReadAllText(file))
                    : o.Value("xml-text") is { } text ? CibDocument.Parse(text)
                    : o.Has("xml-pipe") ? CibDocument.Parse(input.ReadToEnd())
                    : source.Query();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                error.Write($"crm_verify: {e.Message}\n");
                return 66;
            }

            var lines = new StringWriter();
            foreach (string p in cib.Validate())
            {
                lines.Write($"ERROR: (configuration) \terror: {p}\n");
            }

            new ConfigurationChecker(cib, services.Agents, new Messages(lines, lines)).CheckWhole();
            List<string> found = [.. lines.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(l => l["ERROR: ".Length..]).Where(l => !l.StartsWith("crm_verify:", StringComparison.Ordinal))];
            if (found.Count == 0)
            {
                return 0;
            }

            foreach (string line in o.Has("verbose") ? found : [])
            {
                error.Write(line + "\n");
            }

            error.Write(o.Has("verbose") ? "crm_verify: Errors found during check: config not valid\n"
                : "crm_verify: Errors found during check: config not valid\n  -V may provide more details\n");
            return ControlStatus.Invalid;
        });
    }
}
