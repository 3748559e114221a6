using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Control;

namespace Buoy.Shell.Tools;

/// <summary>crm_diff(8): the difference of two CIBs as a patch of format 2, and the application of one.</summary>
internal static class CrmDiff
{
    private static readonly Dictionary<char, string> Short = new()
    {
        ['o'] = "original", ['O'] = "original-string", ['n'] = "new", ['N'] = "new-string", ['p'] = "patch",
        ['c'] = "cib", ['u'] = "no-version", ['V'] = "verbose", ['?'] = "help", ['$'] = "version",
    };

    /// <summary>Exit status 0: no difference; 1: the patch is on the output.</summary>
    public static int Run(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var o = new OptionReader(args, Short, "oOnNp", ["original", "original-string", "new", "new-string", "patch"]);
        if (o.Problem is { } problem)
        {
            return ToolFrame.Bad("crm_diff", problem, error);
        }

        if (o.Has("help") || o.Has("version"))
        {
            output.Write(o.Has("version") ? "Pacemaker 2.1.5 (Buoy)\n"
                : "Usage: crm_diff -o FILE|-O XML -n FILE|-N XML [-c] [-u|--no-version]\n       crm_diff -o FILE -p "
                    + "PATCH\n"
                    + "The file - is the input.\n");
            return 0;
        }

        try
        {
            CibDocument before = CibDocument.Parse(Text("original") ?? throw Missing("-o or -O"));
            if (o.Has("patch"))
            {
                output.Write(CibPatch.Apply(before, XElement.Parse(Text("patch")!)).ToXml());
                return 0;
            }

            CibDocument after = CibDocument.Parse(Text("new") ?? throw Missing("-n, -N or -p"));
            if (CibPatch.Make(before, after, !o.Has("no-version")) is not { } patch)
            {
                return 0;
            }

            output.Write(CibText.Format(patch));
            return 1;
        }
        catch (CibException e)
        {
            error.Write($"crm_diff: {e.Message}\n");
            return e.Status;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Xml.XmlException)
        {
            error.Write($"crm_diff: {e.Message}\n");
            return 66;
        }

        string? Text(string option) => o.Value(option + "-string")
            ?? (o.Value(option) is { } file ? file == "-" ? input.ReadToEnd() : File.ReadAllText(file) : null);

        static CibException Missing(string what) => new(ControlStatus.Usage, $"{what} is missing");
    }
}
