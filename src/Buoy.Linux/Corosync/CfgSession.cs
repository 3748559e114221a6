namespace Buoy.Linux.Corosync;

/// <summary>libcfg: what is asked of the real Corosync itself (corosync-cfgtool(8)).</summary>
public static unsafe class CfgSession
{
    /// <summary>corosync-cfgtool -R: every corosync of the cluster reads its corosync.conf again.</summary>
    public static CorosyncStatus ReloadConfig()
    {
        var library = CorosyncLibrary.Cfg;
        if (!library.Present)
        {
            return CorosyncStatus.NoLibrary;
        }

        var initialize = (delegate* unmanaged<ulong*, nint*, int>)library["corosync_cfg_initialize"];
        var reload = (delegate* unmanaged<ulong, int>)library["corosync_cfg_reload_config"];
        var finalize = (delegate* unmanaged<ulong, int>)library["corosync_cfg_finalize"];
        ulong handle;
        nint callbacks = 0;
        var status = (CorosyncStatus)initialize(&handle, &callbacks);
        if (status == CorosyncStatus.Ok)
        {
            status = (CorosyncStatus)reload(handle);
            _ = finalize(handle);
        }

        return status;
    }
}
