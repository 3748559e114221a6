using Buoy.Cib;
using Buoy.Control;

namespace Buoy.Shell.Configure;

/// <summary>Checking and handing over.</summary>
public sealed partial class ConfigureSession
{
    /// <summary>Checks the whole working copy and tells what it finds. False when a commit would be refused without
    /// force.</summary>
    public bool Verify()
    {
        bool structure = CheckStructure();
        bool wellFormed = !HasResources() || Checker().CheckWhole();
        bool semantics = Checker().CheckObjects(Objects(_cib));
        return structure && wellFormed && semantics;
    }

    /// <summary>
    /// Hands the changes over. False after an error, which has been told. A configuration that somebody else changed
    /// meanwhile is
    /// read again; the commit goes on when the sections changed here are still those that were read, and fails else.
    /// </summary>
    public bool Commit(bool force, bool implied)
    {
        List<string> sections = [.. ChangedSections()];
        if (sections.Count == 0)
        {
            if (!implied)
            {
                _messages.Info("apparently there is nothing to commit");
                _messages.Info("try changing something first");
            }

            return true;
        }

        force |= Force;
        bool sound = CheckStructure();
        bool clean = (!HasResources() || Checker().CheckWhole()) & Checker().CheckObjects(Changed());
        if (!sound)
        {
            // Not even -F can store what has no meaning: the cluster itself would refuse it.
            return false;
        }

        if (!clean)
        {
            if (!force)
            {
                return false;
            }

            _messages.Info("commit forced");
        }

        return HandOver(sections);
    }

    private bool HandOver(List<string> sections)
    {
        for (int attempt = 0; ; attempt++)
        {
            CibVersion v = _base.Version;
            try
            {
                _source.Apply([.. sections.Select(Operation)], v, "cibadmin");
                _base = _source.Query();
                _cib = _base.Clone();
                return true;
            }
            catch (CibException e) when (e.Status == ControlStatus.OldData)
            {
                CibDocument now = _source.Query();
                List<string> both = [.. sections.Where(s => Text(now.Section(s)) != Text(_base.Section(s)))];
                if (both.Count > 0 || attempt >= 3)
                {
                    _messages.Error($"the configuration was changed by another session meanwhile "
                        + $"({string.Join(", ", both)}): "
                        + "nothing was committed; use refresh and enter the changes again");
                    return false;
                }

                CibDocument mine = _cib;
                _base = now;
                _cib = now.Clone();
                foreach (string s in sections)
                {
                    _cib.Apply([ReplaceWith(mine, s)]);
                }
            }
            catch (CibException e)
            {
                foreach (string line in e.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries))
                {
                    _messages.Error(line);
                }

                return false;
            }
        }
    }

    private CibOperation Operation(string section) => ReplaceWith(_cib, section);

    private static CibOperation ReplaceWith(CibDocument from, string section) => from.Section(section) is { } e
        ? new CibOperation(CibOperationKind.Replace, section, Xml: CibText.Compact(e))
        : new CibOperation(CibOperationKind.Delete, section, XPath: $"/cib/configuration/{section}");

    /// <summary>Objects that are new or differ from what was read.</summary>
    internal IEnumerable<System.Xml.Linq.XElement> Changed()
    {
        var before = Objects(_base).GroupBy(IdOf).ToDictionary(g => g.Key, g => CibText.Compact(g.First()));
        return Objects(_cib).Where(o => !before.TryGetValue(IdOf(o), out string? text) || text != CibText.Compact(o));
    }

    private bool CheckStructure()
    {
        var known = _base.Validate().ToHashSet();
        List<string> problems = [.. _cib.Validate().Where(p => !known.Contains(p))];
        foreach (string p in problems)
        {
            _messages.Error($"(configuration) \terror: {p}");
        }

        if (problems.Count > 0)
        {
            _messages.Error("crm_verify: Errors found during check: config not valid");
        }

        return problems.Count == 0;
    }

    /// <summary>Without a resource there is nothing for crm_verify to find that keeps options from being set.</summary>
    private bool HasResources() => _cib.Section("resources")?.HasElements ?? false;

    private ConfigurationChecker Checker() => new(_cib, _services.Agents, _messages);
}
