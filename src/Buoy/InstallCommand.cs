using System.CommandLine;
using Buoy.Lab;

namespace Buoy;

/// <summary>
/// <c>buoy install --prefix DIR</c>: lays the binary, the links under which it acts as the originals' programs, and the
/// error pages that configurations written for Debian's HAProxy name.
/// </summary>
internal static class InstallCommand
{
    /// <summary>Runs it; 0 = laid, 1 = a file stands in the way.</summary>
    public static int Run(string[] args, IReadOnlyList<string> names)
    {
        var prefix = new Option<string>("--prefix") { Description = "folder that gets bin/, sbin/ and share/buoy/", Required = true, HelpName = "DIR" };
        var force = new Option<bool>("--force") { Description = "replace files that are no links of ours" };
        var root = new RootCommand("Lays the binary under DIR/bin and a link in DIR/sbin for every program it can act as.") { prefix, force };
        int status = 0;
        root.SetAction(parsed => status = Install(parsed.GetValue(prefix)!, names, parsed.GetValue(force)));
        int usage = root.Parse(args).Invoke();
        return usage != 0 ? usage : status;
    }

    private static int Install(string prefix, IReadOnlyList<string> names, bool force)
    {
        string self = Environment.ProcessPath!;
        string bin = Path.Combine(prefix, "bin"), sbin = Path.Combine(prefix, "sbin"), program = Path.Combine(bin, "buoy");
        Directory.CreateDirectory(bin);
        Directory.CreateDirectory(sbin);
        if (Path.GetFullPath(self) != Path.GetFullPath(program))
        {
            // A running binary cannot be written over, but its name can be given to another file.
            string fresh = program + ".new";
            File.Copy(self, fresh, overwrite: true);
            File.Move(fresh, program, overwrite: true);
        }

        int status = 0;
        foreach (string name in names)
        {
            string link = Path.Combine(sbin, name);
            var there = new FileInfo(link);
            if ((there.Exists || there.LinkTarget is not null) && there.LinkTarget is not "../bin/buoy" && !force)
            {
                Console.Error.WriteLine($"buoy install: {link} is there already and is not ours; left alone (--force replaces it)");
                status = 1;
                continue;
            }

            there.Delete();
            File.CreateSymbolicLink(link, "../bin/buoy");
        }

        string pages = Path.Combine(prefix, "share", "buoy", "errors");
        Directory.CreateDirectory(pages);
        foreach (var (code, text) in LabErrorPages.All)
        {
            File.WriteAllText(Path.Combine(pages, $"{code}.http"), text);
        }

        Console.WriteLine($"{program}, {names.Count} links in {sbin}, error pages in {pages}");
        return status;
    }
}
