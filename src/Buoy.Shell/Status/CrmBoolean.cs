namespace Buoy.Shell.Status;

/// <summary>Booleans as Pacemaker reads them.</summary>
public static class CrmBoolean
{
    /// <summary>Whether a text means yes.</summary>
    public static bool IsTrue(string? text) => text?.ToLowerInvariant() is "true" or "on" or "yes" or "y" or "1";

    /// <summary>Whether a text means no.</summary>
    public static bool IsFalse(string? text) => text?.ToLowerInvariant() is "false" or "off" or "no" or "n" or "0";
}
