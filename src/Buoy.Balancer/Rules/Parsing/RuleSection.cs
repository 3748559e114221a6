using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>The section a rule stands in, as its parsers need it.</summary>
/// <param name="proxy">Null inside defaults.</param>
internal sealed class RuleSection(ParseContext context, ProxyBuilder? proxy, ProxySettings settings, bool namedDefaults)
{
    private readonly Dictionary<string, Acl> _predefined = new(StringComparer.Ordinal);

    public ParseContext Context { get; } = context;

    public ProxyBuilder? Proxy { get; } = proxy;

    public ProxySettings Settings { get; } = settings;

    public RuleSettings Rules => Settings.Rules;

    public RuleState State => Context.Rules;

    public SourcePlace Place => Context.Place;

    /// <summary>defaults with a name may have rules.</summary>
    public bool NamedDefaults { get; } = namedDefaults;

    public bool HasFrontend => Proxy?.HasFrontend ?? true;

    public bool HasBackend => Proxy?.HasBackend ?? true;

    /// <summary>How messages call it: <c>frontend 'f'</c>.</summary>
    public string Title => Proxy is null ? $"defaults '{(NamedDefaults ? Context.Section : "")}'" : $"{Proxy.TypeName} '{Proxy.Name}'";

    public string Name => Proxy?.Name ?? "";

    /// <summary>The places of the sides this section has.</summary>
    public SamplePlaces Sides(SamplePlaces frontend, SamplePlaces backend) =>
        (HasFrontend ? frontend : SamplePlaces.None) | (HasBackend ? backend : SamplePlaces.None);

    public SampleContext Samples(SamplePlaces places, string what) => new()
    {
        Places = places, What = what, Proxy = Name, Place = Place, Pending = State.Pending,
        Patterns = Context.Patterns,
    };

    /// <summary>The ACL of that name: a declared one, else a predefined one.</summary>
    public Acl? FindAcl(string name)
    {
        if (Rules.Acls.Find(a => a.Name == name) is { } declared)
        {
            return declared;
        }

        if (_predefined.TryGetValue(name, out var known))
        {
            return known;
        }

        if (PredefinedAcls.Find(name) is not { } words || AclParser.Line(this, words, 0, out _, out _) is not { } line)
        {
            return null;
        }

        var acl = new Acl(name);
        acl.Add(line);
        _predefined.Add(name, acl);
        return acl;
    }

    /// <summary>A warning; the original puts the place before some of them only.</summary>
    public void Warn(string text, bool parsing = false)
    {
        if (parsing)
        {
            Context.Warning(text);
        }
        else
        {
            Context.Add(Severity.Warning, $"config : {text}");
        }
    }
}
