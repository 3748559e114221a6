using System.Xml.Linq;

namespace Buoy.Shell.Agents;

/// <summary>Where the shell learns which parameters and actions an agent has.</summary>
public interface IAgentMetadata
{
    /// <summary>The agent's meta-data document (OCF resource agent API), or null where there is no such
    /// agent.</summary>
    /// <param name="name">CLASS:[PROVIDER:]TYPE.</param>
    string? MetaData(string name);

    /// <summary>Names of agents of a class and provider, sorted.</summary>
    IReadOnlyList<string> List(string cls, string? provider);

    /// <summary>Providers of ocf agents, sorted.</summary>
    IReadOnlyList<string> Providers { get; }
}

/// <summary>The parts of an agent's meta-data that the shell checks.</summary>
public sealed class AgentDescription
{
    private AgentDescription(XElement root)
    {
        ShortDescription = root.Element("shortdesc")?.Value.Trim() ?? "";
        LongDescription = root.Element("longdesc")?.Value.Trim() ?? "";
        Parameters = [.. root.Descendants("parameter").Select(p => new Parameter(
            (string?)p.Attribute("name") ?? "", (string?)p.Attribute("required") is "1" or "true",
            (string?)p.Element("content")?.Attribute("type") ?? "string",
                (string?)p.Element("content")?.Attribute("default"),
            p.Element("shortdesc")?.Value.Trim() ?? "", p.Element("longdesc")?.Value.Trim() ?? ""))];
        Actions = [.. root.Descendants("action").Select(a => new AgentAction(
            (string?)a.Attribute("name") ?? "", (string?)a.Attribute("timeout"), (string?)a.Attribute("interval"),
            (string?)a.Attribute("role"), (string?)a.Attribute("depth")))];
    }

    public string ShortDescription { get; }

    public string LongDescription { get; }

    public IReadOnlyList<Parameter> Parameters { get; }

    public IReadOnlyList<AgentAction> Actions { get; }

    /// <summary>One parameter.</summary>
    public sealed record Parameter(string Name, bool Required, string Type, string? Default, string ShortDescription,
        string LongDescription);

    /// <summary>One action with the values it advises.</summary>
    public sealed record AgentAction(string Name, string? Timeout, string? Interval, string? Role, string? Depth);

    /// <summary>Reads a meta-data document; null where it is not one.</summary>
    public static AgentDescription? Parse(string? xml)
    {
        if (string.IsNullOrWhiteSpace(xml))
        {
            return null;
        }

        try
        {
            var settings = new System.Xml.XmlReaderSettings { DtdProcessing = System.Xml.DtdProcessing.Ignore };
            using var reader = System.Xml.XmlReader.Create(new StringReader(xml), settings);
            XElement root = XElement.Load(reader);
            return root.Name == "resource-agent" ? new AgentDescription(root) : null;
        }
        catch (System.Xml.XmlException)
        {
            return null;
        }
    }
}
