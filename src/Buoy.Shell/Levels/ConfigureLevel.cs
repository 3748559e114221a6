using Buoy.Shell.Configure;
using Buoy.Shell.Language;

namespace Buoy.Shell.Levels;

/// <summary>crm configure.</summary>
internal sealed class ConfigureLevel : Level
{
    private readonly ConfigureSession _session;

    public ConfigureLevel(Crm crm)
        : base(crm) => _session = new ConfigureSession(crm.Source, crm.Services, crm.Messages) { Force = crm.Force };

    public override string Name => "configure";

    public override IReadOnlyList<string> Commands { get; } =
    [
        .. CrmParser.Commands, "monitor", "commit", "verify", "show", "delete", "rename", "modgroup", "erase", "set", "get_property",
        "default-timeouts", "load", "save", "xml", "edit", "refresh", "schema",
        "assist", "cib", "cibstatus", "filter", "graph", "ptest", "ra", "rsctest", "rsctests", "template", "upgrade", "user", "validate-all",
    ];

    public override IReadOnlyDictionary<string, string> Deprecated { get; } = new Dictionary<string, string> { ["master"] = "ms" };

    public override IReadOnlyDictionary<string, string> Aliases { get; } = new Dictionary<string, string>
    {
        ["collocation"] = "colocation", ["get-property"] = "get_property", ["reset"] = "refresh", ["simulate"] = "ptest", ["rsc_tickets"] = "rsc_ticket",
    };

    public bool Xml(string text)
    {
        // The text may stand in quotes, as in the shell's own show output it does not.
        if (text.Length > 1 && text[0] is '\'' or '"' && text[^1] == text[0])
        {
            text = text[1..^1];
        }

        return _session.Xml(text);
    }

    public override bool Run(string command, IReadOnlyList<string> a)
    {
        switch (command)
        {
            case "commit":
                if (a.Count > 1 || (a.Count == 1 && a[0] is not ("force" or "replace" or "--force")))
                {
                    Crm.Messages.Error($"syntax parsing 'configure.commit {string.Join(' ', a)}'");
                    return false;
                }

                return _session.Commit(a is ["force"] or ["--force"], implied: false);
            case "verify":
                return _session.Verify();
            case "show":
                return _session.Show(a, Crm.Output);
            case "delete":
                return _session.Delete(a);
            case "rename":
                return a.Count == 2 ? _session.Rename(a[0], a[1]) : Arguments("rename", "old_id new_id", "takes exactly 2 arguments", a.Count);
            case "modgroup":
                return _session.ModGroup(a);
            case "monitor":
                return _session.Monitor(["monitor", .. a]);
            case "set":
                return a.Count == 2 ? _session.Set(a[0], a[1]) : Arguments("set", "path value", "takes exactly 2 arguments", a.Count);
            case "erase":
                return _session.Erase(a is ["nodes"]);
            case "default-timeouts":
                return _session.DefaultTimeouts(a);
            case "load":
                return _session.Load(a, Crm.Input);
            case "save":
                return a.Count > 0 ? _session.Save(a) : Arguments("save", "[xml] file", "takes at least 1 arguments", 0);
            case "xml":
                return _session.Xml(string.Join(' ', a));
            case "edit":
                Crm.Messages.Info("edit not allowed in batch mode");
                Crm.Messages.Error("configure.edit: no editor is started; use save, your editor, and load update");
                return false;
            case "refresh":
                _session.Refresh();
                return true;
            case "schema":
                Crm.Output.Write((string?)_session.Cib.Root.Attribute("validate-with") + "\n");
                return true;
            case "get_property":
                return Property(a);
            case "ms":
                Crm.Messages.Warning($"\"ms\" is deprecated. Please use \"clone {string.Join(' ', a)}"
                    + (a.Contains("meta") ? " promotable=true\"" : " meta promotable=true\""));
                return _session.Define(["ms", .. a]);
            case "ptest":
                Crm.Messages.Error("configure.ptest: not supported here; use crm_simulate -LS after a commit");
                return false;
            default:
                return CrmParser.Commands.Contains(command) ? _session.Define([command, .. a]) : NotSupported(command);
        }
    }

    public override bool End() => _session.Commit(force: false, implied: true);

    private bool Property(IReadOnlyList<string> names)
    {
        foreach (string name in names.Where(n => !n.StartsWith('-')))
        {
            if (_session.Cib.Property(name) is not { } value)
            {
                Crm.Messages.Error($"configure.get_property: {name}: Property not set");
                return false;
            }

            Crm.Output.Write(value + "\n");
        }

        return true;
    }

    private bool Arguments(string command, string expected, string takes, int given)
    {
        Crm.Messages.Error($"configure.{command}: Expected ({expected}), {takes} ({given} given)");
        return false;
    }
}
