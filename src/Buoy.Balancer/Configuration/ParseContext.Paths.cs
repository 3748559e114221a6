namespace Buoy.Balancer.Configuration;

/// <content><c>default-path</c>: where relative paths of files that are named in the configuration begin.</content>
internal sealed partial class ParseContext
{
    private string _pathMode = "current";
    private string _pathOrigin = "";

    /// <summary>The path of a file that the configuration names.</summary>
    public string FilePath(string path) => path.StartsWith('/') || path.Length == 0 ? path : _pathMode switch
    {
        "config" => Path.Combine(Path.GetDirectoryName(Path.GetFullPath(Place.File)) ?? "/", path),
        "parent" => Path.Combine(Path.GetDirectoryName(Path.GetFullPath(Place.File)) ?? "/", "..", path),
        "origin" => Path.Combine(_pathOrigin, path),
        _ => path,
    };

    /// <summary>Reads the line (configuration manual 3.1).</summary>
    public void DefaultPath()
    {
        string mode = this[1];
        const string Modes = "supported modes include 'current', 'config', 'parent', and 'origin'.";
        if (mode.Length == 0)
        {
            Alert($"missing default-path mode '' for 'default-path', {Modes}");
        }
        else if (mode is not ("current" or "config" or "parent" or "origin"))
        {
            Alert($"unsupported default-path mode '{mode}' for 'default-path', {Modes}");
        }
        else if (mode == "origin" && this[2].Length == 0)
        {
            Alert("'default-path origin' expects a directory as an argument.");
        }
        else
        {
            (_pathMode, _pathOrigin) = (mode, this[2]);
        }
    }
}
