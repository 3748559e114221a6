using System.Globalization;
using System.Text;
using System.Text.Json;
using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Cluster;

namespace Buoy.Shell.Tools;

/// <summary>corosync-cmapctl.</summary>
internal sealed partial class CorosyncTools
{
    private static readonly Dictionary<char, string> s_mapOptions = new()
    {
        ['h'] = "h", ['g'] = "g", ['s'] = "s", ['d'] = "d", ['D'] = "D", ['t'] = "t", ['T'] = "T", ['b'] = "b", ['q'] = "q",
        ['p'] = "p", ['m'] = "m", ['C'] = "C",
    };

    private const string MapUsage = """

        usage:  corosync-cmapctl [-b] [-DdghsqTCt] [-p filename] [-m map] [params...]

            -b show binary values

            -m select map to use
                  The  default  map is 'icmap' which contains configuration information and some runtime variables used by corosync. 
                  A 'stats' map is also available which displays network statistics - in great detail when knet is used as the transport.
        Set key:
            corosync-cmapctl -s key_name type value

            where type is one of ([i|u][8|16|32|64] | flt | dbl | str | bin)
            for bin, value is file name (or - for stdin)

            map can be either 'icmap' (the default) which contains corosync
            configuration information, or 'stats' which contains statistics
            about the networking and IPC traffic in some detail.

        Clear stats:
            corosync-cmapctl -C [knet|ipc|totem|schedmiss|all]
            The 'stats' map is implied

        Load settings from a file:
            corosync-cmapctl -p filename

            the format of the file is:
            [^[^]]<key_name>[ <type> <value>]
            Keys prefixed with single caret ('^') are deleted (see -d).
            Keys (actually prefixes) prefixed with double caret ('^^') are deleted by prefix (see -D).
            <type> and <value> are optional (not checked) in above cases.
            Other keys are set (see -s) so both <type> and <value> are required.

        Delete key:
            corosync-cmapctl -d key_name...

        Delete multiple keys with prefix:
            corosync-cmapctl -D key_prefix...

        Get key:
            corosync-cmapctl [-b] -g key_name...

        Quiet mode:
            corosync-cmapctl [-b] -q -g key_name...

        Display all keys:
            corosync-cmapctl [-b]

        Display keys with prefix key_name:
            corosync-cmapctl [-b] key_name...

        Track changes on keys with key_name:
            corosync-cmapctl [-b] -t key_name

        Track changes on keys with key prefix:
            corosync-cmapctl [-b] -T key_prefix


        """;

    /// <summary>corosync-cmapctl(8).</summary>
    public int CmapCtl(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var options = new OptionReader(args, s_mapOptions, "pmC", []);
        if (options.Problem is { } problem)
        {
            error.Write($"corosync-cmapctl: {problem}\n");
            return 1;
        }

        if (options.Has("h"))
        {
            output.Write(MapUsage);
            return 0;
        }

        string map = options.Value("m") ?? "icmap";
        string? clear = options.Value("C");
        string? wrong =
            map is not ("icmap" or "default" or "stats") ? "invalid map name, must be 'default', 'icmap' or 'stats'"
            : clear is not (null or "knet" or "totem" or "ipc" or "schedmiss" or "all")
                ? "argument to -C should be 'knet', 'totem', 'ipc', 'schedmiss' or 'all'"
            : options.Has("s") && options.Rest.Count < 3 ? "At least 3 parameters are expected for set"
            : (options.Has("g") || options.Has("d") || options.Has("D") || options.Has("t") || options.Has("T"))
                && options.Rest.Count == 0 ? "Expected key after options"
            : null;
        if (wrong is not null)
        {
            error.Write(wrong + "\n");
            return 1;
        }

        return Connected(error, "Failed to initialize the cmap API. Error CS_ERR_LIBRARY\n", connection =>
        {
            var tool = new MapTool(connection, map, options.Has("b"), options.Has("q"), input, output, error);
            return clear is not null ? tool.Clear(clear)
                : options.Has("s") ? tool.Set(options.Rest[0], options.Rest[1], options.Rest[2])
                : options.Value("p") is { } file ? tool.Load(file)
                : options.Has("d") ? options.Rest.Sum(tool.Delete) > 0 ? 1 : 0
                : options.Has("D") ? options.Rest.Sum(tool.DeletePrefix) > 0 ? 1 : 0
                : options.Has("g") ? options.Rest.Sum(tool.Get) > 0 ? 1 : 0
                : options.Has("t") || options.Has("T") ? Track(tool, options, input, output)
                : tool.List(options.Rest);
        });
    }

    /// <summary>Tells changes until a q, or the end of the input.</summary>
    private int Track(MapTool tool, OptionReader options, TextReader input, TextWriter output)
    {
        string? socket = services.ControlSocket is { } s
            ? Path.Combine(Path.GetDirectoryName(s)!, ServiceProtocol.SocketName) : null;
        var clients = new List<ServiceClient>();
        output.Write("Type \"q\" to finish\n");
        output.Flush();
        foreach (string key in options.Rest)
        {
            if (ServiceClient.TryConnect(socket) is not { } client)
            {
                continue;
            }

            clients.Add(client);
            client.TrackMap(key, options.Has("T"));
            new Thread(() =>
            {
                while (client.Read(out var e))
                {
                    if (e.Kind == ServiceProtocol.MapChange)
                    {
                        lock (output)
                        {
                            tool.PrintChange(e.Map);
                        }
                    }
                }
            }) { IsBackground = true }.Start();
        }

        int c;
        while ((c = input.Read()) is not (-1 or 'q'))
        {
            _ = c;
        }

        clients.ForEach(client => client.Dispose());
        return 0;
    }

    /// <summary>One call of corosync-cmapctl: the connection, and how values are shown.</summary>
    private sealed class MapTool(
        ControlConnection connection, string map, bool binary, bool quiet, TextReader input, TextWriter output,
        TextWriter error)
    {
        /// <summary>All keys, or those with these prefixes; 1 where one of them has none.</summary>
        public int List(List<string> prefixes)
        {
            int status = 0;
            foreach (string prefix in prefixes.Count == 0 ? [""] : prefixes)
            {
                var entries = Entries(prefix);
                entries.ForEach(Print);
                status = entries.Count == 0 ? 1 : status;
            }

            return status;
        }

        public int Get(string key)
        {
            if (Entries(key).FirstOrDefault(e => e.Key == key) is not { } entry)
            {
                error.Write($"Can't get key {key}. Error CS_ERR_NOT_EXIST\n");
                return 1;
            }

            Print(entry);
            return 0;
        }

        public int Set(string key, string type, string text)
        {
            if (type is not ("i8" or "u8" or "i16" or "u16" or "i32" or "u32" or "i64" or "u64" or "flt" or "dbl" or "str"
                or "bin"))
            {
                error.Write($"Unknown type {type}\n");
                return 1;
            }

            string value = text;
            if (type == "bin")
            {
                try
                {
                    value = Convert.ToHexString(text == "-" ? Encoding.UTF8.GetBytes(input.ReadToEnd()) : File.ReadAllBytes(text));
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    error.Write($"Can't open input file: {Reason(e)}\n");
                    return 1;
                }
            }
            else if (type[0] is 'i' or 'u' && !decimal.TryParse(
                text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            {
                error.Write($"{text} is not valid {type} type value\n");
                return 1;
            }

            try
            {
                connection.Call(ControlCommand.MapSet, null, ("map", map), ("key", key), ("type", type), ("value", value));
                return 0;
            }
            catch (CibException e) when (e.Message == "CS_ERR_INVALID_PARAM")
            {
                error.Write(type[0] is 'i' or 'u'
                    ? $"{text} is not valid {type} integer\n" : $"{text} is not valid {type} type value\n");
                return 1;
            }
            catch (CibException e)
            {
                error.Write($"Failed to set key {key}. Error {e.Message}\n");
                return 1;
            }
        }

        public int Delete(string key)
        {
            try
            {
                connection.Call(ControlCommand.MapDelete, null, ("map", map), ("key", key));
                return 0;
            }
            catch (CibException e)
            {
                error.Write($"Can't delete key {key}. Error {e.Message}\n");
                return 1;
            }
        }

        public int DeletePrefix(string prefix) => Entries(prefix).Sum(e => Delete(e.Key)) > 0 ? 1 : 0;

        public int Clear(string what)
        {
            try
            {
                connection.Call(
                    ControlCommand.MapSet, null, ("map", "stats"), ("key", "stats.clear." + what), ("type", "u32"), ("value", "1"));
                return 0;
            }
            catch (CibException e)
            {
                error.Write($"Failed to set key stats.clear.{what}. Error {e.Message}\n");
                return 1;
            }
        }

        /// <summary>A file of settings: a missing one is told, and is no error, as in the original.</summary>
        public int Load(string file)
        {
            string[] lines;
            try
            {
                lines = File.ReadAllLines(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                error.Write($"Couldn't open file.: {Reason(e)}\n");
                return 0;
            }

            int status = 0;
            foreach (string line in lines)
            {
                string[] words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
                if (words.Length == 0 || words[0][0] == '#')
                {
                    continue;
                }

                if (words[0].StartsWith("^^", StringComparison.Ordinal))
                {
                    status |= DeletePrefix(words[0][2..]);
                }
                else if (words[0][0] == '^')
                {
                    status |= Delete(words[0][1..]);
                }
                else if (words.Length < 3)
                {
                    error.Write($"Both type and value for key {words[0]} are required\n");
                    status = 1;
                }
                else
                {
                    status |= Set(words[0], words[1], words[2]);
                }
            }

            return status;
        }

        public void PrintChange((int Event, string Key, string Type, string Value) change)
        {
            output.Write(change.Event switch { 0 => "create> ", 1 => "modify> ", _ => "delete> " });
            Print(new MapEntry(change.Key, change.Type, change.Value));
            output.Flush();
        }

        private void Print(MapEntry entry)
        {
            string value = entry.Type switch
            {
                "flt" or "dbl" => double.Parse(entry.Value, CultureInfo.InvariantCulture).ToString("F6", CultureInfo.InvariantCulture),
                "bin" => binary ? Bytes(entry.Value) : "",
                _ => entry.Value,
            };
            output.Write(quiet ? $"{value}\n"
                : entry.Type == "bin" && !binary ? $"{entry.Key} (bin)\n" : $"{entry.Key} ({entry.Type}) = {value}\n");
        }

        private static string Bytes(string hex) => string.Concat(Convert.FromHexString(hex).Select(b =>
            b is >= 0x20 and < 0x7F ? $"{(char)b}" : $"\\x{b:x2}"));

        private static string Reason(Exception e) => e is FileNotFoundException or DirectoryNotFoundException
            ? "No such file or directory" : e is UnauthorizedAccessException ? "Permission denied" : e.Message;

        private List<MapEntry> Entries(string prefix) => JsonSerializer.Deserialize(
            connection.Call(ControlCommand.MapList, null, ("map", map), ("prefix", prefix)),
            ControlJson.Default.ListMapEntry) ?? [];
    }
}
