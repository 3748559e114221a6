using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Cluster;

namespace Buoy.Shell.Tools;

/// <summary>cibadmin(8).</summary>
internal sealed class CibAdmin(ShellServices services)
{
    private static readonly Dictionary<char, string> Long = new()
    {
        ['Q'] = "query", ['E'] = "erase", ['B'] = "bump", ['C'] = "create", ['M'] = "modify", ['P'] = "patch", ['R'] =
            "replace", ['D'] = "delete",
        ['d'] = "delete-all", ['a'] = "empty", ['u'] = "upgrade", ['5'] = "md5-sum", ['f'] = "force", ['l'] = "local",
            ['c'] = "allow-create",
        ['n'] = "no-children", ['X'] = "xml-text", ['x'] = "xml-file", ['p'] = "xml-pipe", ['o'] = "scope", ['A'] =
            "xpath", ['s'] = "sync-call",
        ['t'] = "timeout", ['V'] = "verbose", ['e'] = "node-path", ['U'] = "user", ['S'] = "show-access", ['N'] =
            "node", ['6'] = "md5-sum-versioned",
        ['?'] = "help", ['$'] = "version", ['!'] = "feature",
    };

    public int Run(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var o = new OptionReader(args, Long, "XxoAtUN", ["xml-text", "xml-file", "scope", "xpath", "timeout", "user",
            "node"]);
        if (o.Problem is { } problem)
        {
            error.Write($"cibadmin: {problem}\n");
            return ControlStatus.Usage;
        }

        if (o.Has("help"))
        {
            output.Write("cibadmin - query and edit the Pacemaker configuration\nUsage: cibadmin "
                + "-Q|-E|-B|-C|-M|-P|-R|-D|-a|-5 [-o SCOPE] [-A XPATH] "
                + "[-X XML|-x FILE|-p] [-c] [-f]\n");
            return 0;
        }

        if (o.Has("feature") || o.Has("version"))
        {
            output.Write($"Pacemaker 2.1.5 (Build: buoy): feature-set-{CibDocument.FeatureSet}\n");
            return 0;
        }

        string? command = new[] { "query", "erase", "bump", "create", "modify", "patch", "replace", "delete",
            "delete-all", "empty", "upgrade", "md5-sum" }
            .FirstOrDefault(o.Has);
        foreach (string refused in (string[])["user", "show-access", "md5-sum-versioned", "node", "node-path"])
        {
            if (o.Has(refused))
            {
                error.Write($"cibadmin: --{refused} is not supported\n");
                return ControlStatus.NotSupported;
            }
        }

        if (command is null)
        {
            error.Write("cibadmin: no command given: expected -Q, -E, -B, -C, -M, -P, -R, -D, -a, -u or -5\n");
            return ControlStatus.Usage;
        }

        if (command == "empty")
        {
            output.Write(CibDocument.Empty().ToXml());
            return 0;
        }

        if (command == "erase" && !o.Has("force"))
        {
            error.Write("The supplied command is considered dangerous.  To prevent accidental destruction of the "
                + "cluster, "
                + "the --force flag is required in order to proceed.\n");
            return 107;
        }

        using ControlConnection connection = services.Connect();
        ICibSource source = services.Source(connection);
        try
        {
            return command is "query" or "md5-sum" ? Query(source, o, command, output) : Change(source, o, command,
                input);
        }
        catch (CibException e)
        {
            return Tell(e, error);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error.Write($"Couldn't read the XML: {e.Message}\n");
            return ControlStatus.Usage;
        }
    }

    /// <summary>A failure in the tool's words; gives the exit status.</summary>
    internal static int Tell(CibException e, TextWriter error)
    {
        switch (e.Status)
        {
            case ControlStatus.NotConnected:
                error.Write("Could not connect to the CIB: Transport endpoint is not connected\nInit failed, could "
                    + "not perform requested operations\n");
                break;
            case ControlStatus.NoSuchObject:
                error.Write("Call failed: No such device or address\n");
                break;
            case ControlStatus.Exists:
                error.Write("Call failed: File exists\n");
                break;
            case ControlStatus.Invalid:
                error.Write($"Call failed: Update does not conform to the configured schema\n{e.Message}\n");
                break;
            default:
                error.Write($"Call failed: {e.Message}\n");
                break;
        }

        return e.Status;
    }

    private static int Query(ICibSource source, OptionReader o, string command, TextWriter output)
    {
        CibDocument cib = source.Query();
        if (command == "md5-sum")
        {
            output.Write(cib.Digest() + "\n");
            return 0;
        }

        if (o.Value("xpath") is { } xpath)
        {
            var found = cib.Select(xpath);
            if (found.Count == 0)
            {
                throw new CibException(ControlStatus.NoSuchObject, "nothing selected");
            }

            output.Write(found.Count == 1 ? CibText.Format(Part(found[0], o))
                : "<xpath-query>\n" + string.Concat(found.Select(e => CibText.Format(Part(e, o), 1)))
                    + "</xpath-query>\n");
            return 0;
        }

        string? scope = o.Value("scope");
        bool known = scope is null or "configuration" or "status" || CibDocument.Sections.Contains(scope);
        var section = cib.Section(known ? scope : null) ?? throw new CibException(ControlStatus.NoSuchObject,
            $"no section {scope}");
        output.Write(CibText.Format(Part(section, o)));
        return 0;
    }

    /// <summary>Applies what crm_diff made, unless the CIB changes meanwhile.</summary>
    private static int Patch(ICibSource source, string? xml)
    {
        System.Xml.Linq.XElement patch;
        try
        {
            patch = System.Xml.Linq.XElement.Parse(
                xml ?? throw new CibException(ControlStatus.Usage, "no patch given: expected -X, -x or -p"));
        }
        catch (System.Xml.XmlException e)
        {
            throw new CibException(ControlStatus.Usage, $"the patch is not XML: {e.Message}");
        }

        CibDocument before = source.Query();
        IReadOnlyList<CibOperation> operations = CibPatch.Replacements(before, CibPatch.Apply(before, patch));
        if (operations.Count > 0)
        {
            source.Apply(operations, before.Version, "cibadmin");
        }

        return 0;
    }

    private static System.Xml.Linq.XElement Part(System.Xml.Linq.XElement e, OptionReader o) =>
        o.Has("no-children") ? new System.Xml.Linq.XElement(e.Name, e.Attributes()) : e;

    private static int Change(ICibSource source, OptionReader o, string command, TextReader input)
    {
        string? scope = o.Value("scope"), xpath = o.Value("xpath");
        string? xml = o.Value("xml-text") ?? (o.Value("xml-file") is { } f ? File.ReadAllText(f) : o.Has("xml-pipe")
            ? input.ReadToEnd() : null);
        if (command == "patch")
        {
            return Patch(source, xml);
        }

        CibOperation operation = command switch
        {
            "erase" => new CibOperation(CibOperationKind.Erase),
            "create" => new CibOperation(CibOperationKind.Create, scope, xpath, xml),
            "modify" => new CibOperation(CibOperationKind.Modify, scope, xpath, xml, o.Has("allow-create")),
            "replace" => new CibOperation(CibOperationKind.Replace, scope, xpath, xml),
            "delete" or "delete-all" => new CibOperation(CibOperationKind.Delete, scope, xpath, xml),
            "bump" => new CibOperation(CibOperationKind.Modify, Xml: "<cib/>"),
            "upgrade" => new CibOperation(CibOperationKind.Modify,
                Xml: $"<cib validate-with=\"{CibDocument.ValidateWith}\"/>"),
            _ => throw new CibException(ControlStatus.Usage, $"unknown command {command}"),
        };
        if (xml is null && xpath is null && command is "create" or "modify" or "replace" or "delete")
        {
            throw new CibException(ControlStatus.Usage, "no XML given: expected -X, -x or -p");
        }

        if (command == "bump")
        {
            operation = new CibOperation(CibOperationKind.Modify, Xml: "<cib num_updates=\"0\"/>");
        }

        source.Apply([operation], null, "cibadmin");
        return 0;
    }
}
