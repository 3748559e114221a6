using System.Globalization;
using System.Security.Cryptography;

namespace Buoy.Shell.Tools;

/// <summary>corosync-keygen.</summary>
internal sealed partial class CorosyncTools
{
    private static readonly Dictionary<char, string> s_keyOptions = new()
    {
        ['k'] = "key-file", ['r'] = "random-file", ['m'] = "random-file", ['s'] = "size", ['l'] = "less-secure", ['h'] = "help",
    };

    /// <summary>corosync-keygen(8): 256 random bytes, readable by the owner alone. 1 wrong options, 2 no
    /// file.</summary>
    public int KeyGen(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var options = new OptionReader(args, s_keyOptions, "krms", ["key-file", "random-file", "size"]);
        if (options.Problem is { } problem)
        {
            error.Write($"corosync-keygen: {problem}\n");
            output.Write("Error parsing command line options.\n");
            return 1;
        }

        if (options.Has("help"))
        {
            output.Write("Usage: corosync-keygen [-k <keyfile>] [-s size] [-m <randomfile>] [-l] [-h]\n"
                + "     -k / --key-file=<filename> -  Write to the specified keyfile\n"
                + "            instead of the default /etc/corosync/authkey.\n"
                + "     -r / --random-file -  Random number source file. Default is \n"
                + "            /dev/urandom. As an example /dev/random may be requested\n"
                + "            (that may require user input for entropy).\n"
                + "     -l / --less-secure - Not used, option is kept only\n"
                + "            for compatibility.\n     -s / --size -  Length of key.\n"
                + "     -h / --help -  Print basic usage.\n\n");
            return 0;
        }

        string file = options.Value("key-file") ?? "/etc/corosync/authkey";
        string random = options.Value("random-file") ?? "/dev/urandom";
        if (!int.TryParse(options.Value("size") ?? "256", CultureInfo.InvariantCulture, out int size)
            || size is < 128 or > 4096)
        {
            error.Write("corosync-keygen: Unsupported key size (supported <128,4096>)\n\n");
            return 1;
        }

        output.Write("Corosync Cluster Engine Authentication key generator.\n");
        output.Write($"Gathering {size * 8} bits for key from {random}.\n");
        try
        {
            byte[] key = new byte[size];
            if (random == "/dev/urandom")
            {
                RandomNumberGenerator.Fill(key);
            }
            else
            {
                using FileStream source = File.OpenRead(random);
                source.ReadExactly(key);
            }

            // Written beside it first: the key is never there in part, nor for a moment readable by others.
            string temporary = file + ".new";
            File.Delete(temporary);
            var create = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                create.UnixCreateMode = UnixFileMode.UserRead;
            }

            using (var f = new FileStream(temporary, create))
            {
                f.Write(key);
                f.Flush(flushToDisk: true);
            }

            File.Move(temporary, file, overwrite: true);
            output.Write($"Writing corosync key to {file}.\n");
            return 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            string why = e is DirectoryNotFoundException or FileNotFoundException ? "No such file or directory"
                : e is UnauthorizedAccessException ? "Permission denied" : e.Message;
            error.Write($"corosync-keygen: Could not create {file}: {why}\n");
            return 2;
        }
    }
}
