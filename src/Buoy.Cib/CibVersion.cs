namespace Buoy.Cib;

/// <summary>
/// admin_epoch.epoch.num_updates of a CIB (Pacemaker Explained, "CIB properties"): the highest wins. epoch grows with
/// every
/// change of the configuration, num_updates with every change of the status and is reset by the former.
/// </summary>
public readonly record struct CibVersion(long AdminEpoch, long Epoch, long NumUpdates) : IComparable<CibVersion>
{
    /// <inheritdoc/>
    public int CompareTo(CibVersion other)
    {
        int c = AdminEpoch.CompareTo(other.AdminEpoch);
        c = c != 0 ? c : Epoch.CompareTo(other.Epoch);
        return c != 0 ? c : NumUpdates.CompareTo(other.NumUpdates);
    }

    /// <summary>As Pacemaker writes it: <c>0.12.3</c>.</summary>
    public override string ToString() => $"{AdminEpoch}.{Epoch}.{NumUpdates}";
}
