using System.Text.Json.Serialization;

namespace Buoy.Cib;

/// <summary>What an operation does, with cibadmin(8)'s meaning.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CibOperationKind>))]
public enum CibOperationKind
{
    /// <summary>Add the element below its section; an id that exists is an error.</summary>
    Create,

    /// <summary>Merge attributes and children into the element of the same name and id; absent ones are an error, or
    /// made when <see cref="CibOperation.AllowCreate"/>.</summary>
    Modify,

    /// <summary>Put the element in place of the one of the same name and id (or of the whole section).</summary>
    Replace,

    /// <summary>Remove the element of the same name and id, or what the XPath selects. Absent ones are no
    /// error.</summary>
    Delete,

    /// <summary>Empty the configuration.</summary>
    Erase,
}

/// <summary>
/// One change of the CIB, as multicast to all members, who apply the same operations in the same order and so hold the
/// same
/// CIB. Pure data; <c>CibDocument.Apply</c> carries it out.
/// </summary>
/// <param name="Kind">What to do.</param>
/// <param name="Section">crm_config, nodes, resources, constraints, rsc_defaults, op_defaults, tags, acls, alerts,
/// fencing-topology, configuration, status; null = the whole CIB.</param>
/// <param name="XPath">Selects instead of section and id, where given.</param>
/// <param name="Xml">The element, as text.</param>
/// <param name="AllowCreate">Modify: make what is absent.</param>
public sealed record CibOperation(
    CibOperationKind Kind, string? Section = null, string? XPath = null, string? Xml = null, bool AllowCreate = false);

/// <summary>Source-generated JSON of CIB operations (the body of the control command cib-apply).</summary>
[JsonSerializable(typeof(List<CibOperation>))]
public sealed partial class CibJson : JsonSerializerContext;
