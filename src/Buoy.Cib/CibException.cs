namespace Buoy.Cib;

/// <summary>A CIB or a change of it is not valid. <see cref="Status"/> is the exit status that Pacemaker's tools give
/// (crm_error(8)).</summary>
public sealed class CibException(int status, string message) : Exception(message)
{
    /// <summary>78 invalid, 105 no such object, 108 exists, 103 too old …</summary>
    public int Status { get; } = status;
}
