using System.Globalization;

namespace Buoy.Agents;

/// <summary>
/// Reads the parameters of a built-in agent; the first wrong one is kept as <see cref="Failure"/>. Agents' parameters
/// with no value count as not given.
/// </summary>
internal sealed class ParameterReader(IReadOnlyDictionary<string, string> attributes)
{
    /// <summary>The first error; null: all is well.</summary>
    public Outcome? Failure { get; private set; }

    public string? Text(string name) =>
        attributes.TryGetValue(name, out string? value) && value.Trim().Length > 0 ? value.Trim() : null;

    public bool Flag(string name, bool otherwise)
    {
        if (Text(name) is not { } text)
        {
            return otherwise;
        }

        if (Ocf.Boolean(text) is { } value)
        {
            return value;
        }

        Wrong(name, text, "true or false");
        return otherwise;
    }

    public int Number(string name, int otherwise, int low, int high)
    {
        if (Text(name) is not { } text)
        {
            return otherwise;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= low
            && value <= high)
        {
            return value;
        }

        Wrong(name, text, $"a number from {low} to {high}");
        return otherwise;
    }

    public void Wrong(string name, string value, string expected) =>
        Fail(Ocf.NotConfigured, $"parameter {name}=\"{value}\": expected {expected}");

    public void Missing(string name, string expected) =>
        Fail(Ocf.NotConfigured, $"parameter {name} is mandatory: expected {expected}");

    /// <summary>Refuses a parameter of the original that is not supported here.</summary>
    public void Refuse(string name, string why)
    {
        if (Text(name) is { } value && Ocf.Boolean(value) != false)
        {
            Fail(Ocf.NotConfigured, $"parameter {name}=\"{value}\" is not supported: {why}");
        }
    }

    /// <summary>Parameters that the agent does not know; meta attributes and the feature set are not its own.</summary>
    public IEnumerable<string> Unknown(IEnumerable<string> known) => attributes.Keys
        .Where(static k =>
            !k.StartsWith("CRM_meta_", StringComparison.Ordinal) && k is not ("crm_feature_set" or "OCF_CHECK_LEVEL"))
        .Except(known);

    private void Fail(int rc, string reason) => Failure ??= new Outcome(rc, reason);
}
