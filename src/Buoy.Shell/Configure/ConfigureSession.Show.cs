using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Shell.Language;

namespace Buoy.Shell.Configure;

/// <summary>Showing, saving and loading.</summary>
public sealed partial class ConfigureSession
{
    /// <summary>show [xml] [changed] [ID | type:TYPE | tag:TAG | related:ID …]</summary>
    public bool Show(IReadOnlyList<string> arguments, TextWriter output)
    {
        bool xml = arguments.Contains("xml");
        List<string> filters = [.. arguments.Where(a => a != "xml")];
        List<XElement> all = [.. Objects(_cib)];
        List<XElement> chosen = filters.Count == 0 ? all : [];
        foreach (string f in filters)
        {
            List<XElement> found = f switch
            {
                "changed" => [.. Changed()],
                _ when f.StartsWith("type:", StringComparison.Ordinal) => [.. all.Where(o => Word(o) == f[5..])],
                _ when f.StartsWith("tag:", StringComparison.Ordinal) => Tagged(all, f[4..]),
                _ when f.StartsWith("related:", StringComparison.Ordinal) => [.. all.Where(o => IsRelated(o, f[8..]))],
                _ => [.. all.Where(o => IdOf(o) == f)],
            };
            if (found.Count == 0 && f != "changed" && !f.Contains(':'))
            {
                _messages.Error($"object {f} does not exist");
                return false;
            }

            chosen.AddRange(found.Except(chosen));
        }

        if (xml)
        {
            output.Write("<?xml version=\"1.0\" ?>\n" + CibText.Format(filters.Count == 0 ? WithoutStatus() : Part(chosen)) + "\n");
            return true;
        }

        var nodes = _cib.Nodes().ToList();
        foreach (XElement e in all.Where(chosen.Contains))
        {
            output.Write(CrmPrinter.Print(e, nodes) + "\n");
        }

        return true;
    }

    /// <summary>save [xml] FILE</summary>
    public bool Save(IReadOnlyList<string> arguments)
    {
        string file = arguments[^1];
        try
        {
            using var writer = new StreamWriter(file);
            return Show([.. arguments.SkipLast(1)], writer);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _messages.Error($"could not write {file}: {e.Message}");
            return false;
        }
    }

    /// <summary>load [xml] replace|update|push FILE; FILE - is the input.</summary>
    public bool Load(IReadOnlyList<string> arguments, TextReader input)
    {
        bool xml = arguments.Count > 0 && arguments[0] == "xml";
        List<string> a = [.. arguments.Skip(xml ? 1 : 0)];
        if (a.Count != 2 || a[0] is not ("replace" or "update" or "push"))
        {
            _messages.Error("configure.load: Expected [xml] replace|update|push <file>");
            return false;
        }

        string text;
        try
        {
            text = a[1] == "-" ? input.ReadToEnd() : File.ReadAllText(a[1]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _messages.Error($"could not read {a[1]}: {e.Message}");
            return false;
        }

        CibDocument before = _cib.Clone();
        if (a[0] is "replace" or "push")
        {
            Erase(nodes: false);
        }

        bool good = xml || text.TrimStart().StartsWith("<?xml", StringComparison.Ordinal) ? LoadXml(text) : LoadText(text);
        if (!good)
        {
            _cib = before;
        }

        return good;
    }

    private bool LoadText(string text)
    {
        bool good = true;
        foreach ((int number, string line) in CrmTokenizer.Lines(new StringReader(text)))
        {
            if (line.StartsWith("xml ", StringComparison.Ordinal))
            {
                good &= Xml(line[4..].Trim().Trim('\''));
                continue;
            }

            try
            {
                List<string> words = CrmTokenizer.Split(line);
                if (words[0] == "monitor")
                {
                    good &= Monitor(words);
                    continue;
                }

                good &= Define(words, number, update: true);
            }
            catch (CrmSyntaxException x)
            {
                _messages.Error($"{number}: {x.Message}");
                good = false;
            }
        }

        return good;
    }

    private bool LoadXml(string text)
    {
        try
        {
            XElement root = XElement.Parse(text);
            XElement configuration = root.Name == "configuration" ? root : root.Element("configuration")
                ?? throw new CibException(78, "the XML has no <configuration>");
            foreach (XElement section in configuration.Elements())
            {
                _cib.Apply([new CibOperation(CibOperationKind.Modify, Xml: CibText.Compact(section), AllowCreate: true)]);
            }

            return true;
        }
        catch (Exception e) when (e is System.Xml.XmlException or CibException)
        {
            _messages.Error(e.Message);
            return false;
        }
    }

    private List<XElement> Tagged(List<XElement> all, string tag)
    {
        var ids = (_cib.Section("tags")?.Elements("tag").Where(t => (string?)t.Attribute("id") == tag).Elements("obj_ref") ?? [])
            .Select(r => (string?)r.Attribute("id")).ToHashSet();
        return [.. all.Where(o => ids.Contains(IdOf(o)))];
    }

    private static bool IsRelated(XElement e, string id) => IdOf(e) == id
        || e.Attributes().Any(a => a.Name.LocalName is "rsc" or "with-rsc" or "first" or "then" && a.Value == id)
        || e.Descendants().Any(d => d.Name.LocalName is "resource_ref" or "obj_ref" or "primitive" && (string?)d.Attribute("id") == id);

    private XElement WithoutStatus() => new("cib", _cib.Root.Attributes(), _cib.Section("configuration"));

    /// <summary>A CIB with the chosen objects only.</summary>
    private XElement Part(List<XElement> chosen)
    {
        var root = new XElement("cib", _cib.Root.Attributes());
        var configuration = new XElement("configuration", new XElement("crm_config"), new XElement("nodes"), new XElement("resources"), new XElement("constraints"));
        root.Add(configuration);
        foreach (XElement e in chosen.Where(e => !chosen.Any(o => o != e && e.Ancestors().Contains(o))))
        {
            string section = e.Name.LocalName switch
            {
                "cluster_property_set" => "crm_config",
                "meta_attributes" => e.Parent!.Name.LocalName,
                "fencing-topology" => "",
                _ => SectionName(e),
            };
            (section.Length == 0 ? configuration : Child(configuration, section)).Add(new XElement(e));
        }

        return root;
    }
}
