using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Cluster;
using Buoy.Shell.Language;
using Buoy.Shell.Levels;

namespace Buoy.Shell;

/// <summary>The crm shell: levels of commands, from arguments, a file, a pipe or a terminal.</summary>
public sealed class Crm : IDisposable
{
    private readonly ControlConnection _connection;
    private readonly Stack<Level> _levels = new();
    private readonly TextReader _input;
    private bool _quit;

    private Crm(ShellServices services, TextReader input, TextWriter output, TextWriter error)
    {
        Services = services;
        _input = input;
        Messages = new Messages(output, error);
        _connection = services.Connect();
        Source = services.Source(_connection);
        _levels.Push(new RootLevel(this));
    }

    internal ShellServices Services { get; }

    internal Messages Messages { get; }

    internal ICibSource Source { get; }

    internal ControlConnection Connection => _connection;

    internal TextWriter Output => Messages.Output;

    internal TextReader Input => _input;

    /// <summary>-F</summary>
    internal bool Force { get; private set; }

    /// <summary>-w</summary>
    internal bool Wait { get; set; }

    internal Level Top => _levels.Peek();

    /// <summary>Runs the shell with the services of this machine.</summary>
    public static int Run(string[] args, TextReader input, TextWriter output, TextWriter error) =>
        Run(args, input, output, error, new ShellServices());

    /// <summary>Runs the shell.</summary>
    /// <returns>0, or 1 when a command failed; 2 for an unknown option.</returns>
    public static int Run(string[] args, TextReader input, TextWriter output, TextWriter error, ShellServices services)
    {
        using var crm = new Crm(services, input, output, error);
        try
        {
            return crm.Main(args);
        }
        catch (CibException e)
        {
            crm.Tell(e);
            return 1;
        }
        finally
        {
            output.Flush();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

    /// <summary>Tells a failure of the cluster in crmsh's words.</summary>
    internal void Tell(CibException e)
    {
        if (e.Status == ControlStatus.NotConnected)
        {
            Messages.Error("running cibadmin -Ql: Could not connect to the CIB: Transport endpoint is not connected");
            Messages.ErrorOutput.Write("Init failed, could not perform requested operations\n\n");
        }
        else
        {
            foreach (string line in e.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                Messages.Error(line);
            }
        }
    }

    /// <summary>Waits until the cluster has nothing left to do, where -w asks for it.</summary>
    internal bool WaitIfAsked()
    {
        if (!Wait || !Source.IsLive)
        {
            return true;
        }

        try
        {
            _connection.Call(ControlCommand.WaitIdle, null, ("timeout", "600"));
            return true;
        }
        catch (CibException e)
        {
            Tell(e);
            return false;
        }
    }

    internal void Enter(Level level) => _levels.Push(level);

    internal void Quit() => _quit = true;

    /// <summary>Leaves the current level; ends it first. False when ending it failed.</summary>
    internal bool Up()
    {
        bool good = true;
        if (_levels.Count > 1)
        {
            good = _levels.Pop().End();
        }

        return good;
    }

    private int Main(string[] args)
    {
        int i = 0;
        string? file = null;
        for (; i < args.Length && args[i].StartsWith('-') && args[i].Length > 1; i++)
        {
            switch (args[i])
            {
                case "-F" or "--force":
                    Force = true;
                    break;
                case "-w" or "--wait":
                    Wait = true;
                    break;
                case "-f" or "--file" when i + 1 < args.Length:
                    file = args[++i];
                    break;
                case "-D" or "--display" or "-H" or "--history" or "-X" or "--profile" or "-c" or "--cib" when i
                    + 1 < args.Length:
                    if (args[i] is "-c" or "--cib")
                    {
                        Messages.Error("shadow CIBs are not supported: -c");
                        return 1;
                    }

                    i++;
                    break;
                case "-d" or "--debug" or "-R" or "--regression-tests":
                    break;
                case "-h" or "--help":
                    Output.Write(HelpTexts.Usage);
                    return 0;
                case "--version":
                    Output.Write("crm 4.4.1 (Buoy)\n");
                    return 0;
                default:
                    Messages.ErrorOutput.Write($"crm: error: unrecognized arguments: {args[i]}\n");
                    return 2;
            }
        }

        string[] words = args[i..];
        bool good = true;
        if (words.Length > 0)
        {
            good = Execute([.. words], null, oneShot: true);
        }

        if (file is null && words.Length > 0 && _levels.Count == 1)
        {
            return good && WaitIfAsked() ? 0 : 1;
        }

        if (file is null && words.Length > 0 && !IsLevelOnly(words))
        {
            good &= EndAll();
            return good && WaitIfAsked() ? 0 : 1;
        }

        if (!good)
        {
            return 1;
        }

        good = Loop(file);
        return good && WaitIfAsked() ? 0 : 1;
    }

    /// <summary>Whether the arguments only chose a level, in which the input is to be read.</summary>
    private bool IsLevelOnly(string[] words) => _levels.Count == words.Length + 1;

    private bool Loop(string? file)
    {
        using StreamReader? reader = file is null or "-" ? null : OpenFile(file);
        if (file is not (null or "-") && reader is null)
        {
            return false;
        }

        TextReader text = reader ?? _input;
        bool interactive = reader is null && Services.IsTerminal();
        bool good = true;
        if (interactive)
        {
            text = new PromptingReader(text, Output, () => Top.Prompt(), () => HostName());
        }

        foreach ((int _, string line) in CrmTokenizer.Lines(text))
        {
            bool ok = Line(line);
            good &= ok || interactive;
            if (_quit)
            {
                break;
            }
        }

        return good & EndAll();
    }

    private StreamReader? OpenFile(string file)
    {
        try
        {
            return new StreamReader(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Messages.Error($"could not open {file}: {e.Message}");
            return null;
        }
    }

    internal static string HostName() => Environment.MachineName;

    private bool EndAll()
    {
        bool good = true;
        while (_levels.Count > 1)
        {
            good &= Guard(Up);
        }

        return good;
    }

    private bool Line(string line)
    {
        try
        {
            if (Top is ConfigureLevel && line.StartsWith("xml ", StringComparison.Ordinal))
            {
                return Guard(() => ((ConfigureLevel)Top).Xml(line[4..].Trim()));
            }

            return Execute(CrmTokenizer.Split(line), line, oneShot: false);
        }
        catch (CrmSyntaxException e)
        {
            Messages.Error($"{Top.Name}.{Top.Name}: {e.Message}");
            return false;
        }
    }

    private bool Guard(Func<bool> what)
    {
        try
        {
            return what();
        }
        catch (CibException e)
        {
            Tell(e);
            return false;
        }
    }

    /// <summary>Walks through levels and runs the command; stays in a level only when the words end there.</summary>
    private bool Execute(List<string> words, string? line, bool oneShot)
    {
        int depth = _levels.Count;
        for (int i = 0; i < words.Count; i++)
        {
            string word = words[i];
            bool? done = General(word, words[(i + 1)..]);
            if (done is not null)
            {
                return done.Value;
            }

            string? name = Top.Match(word, Messages);
            if (name is null)
            {
                Messages.Error((_levels.Count == 1 ? $"{word}: No such command"
                    : $"{Top.Name}.{word}: No such command") + Top.DidYouMean(word));
                return Leave(depth, oneShot, false);
            }

            if (Top.IsLevel(name))
            {
                if (!Guard(() =>
                {
                    Enter(Top.MakeLevel(name));
                    return true;
                }))
                {
                    Messages.Error($"{name}: Missing requirements");
                    return Leave(depth, oneShot, false);
                }

                continue;
            }

            bool ok = Guard(() => Top.Run(name, words[(i + 1)..]));
            return Leave(depth, oneShot, ok);
        }

        return true;
    }

    /// <summary>A command that named its level on the way leaves it again.</summary>
    private bool Leave(int depth, bool oneShot, bool ok)
    {
        while (!oneShot && _levels.Count > depth)
        {
            ok &= Guard(Up);
        }

        return ok;
    }

    /// <summary>Commands of every level; null where the word is none.</summary>
    private bool? General(string word, List<string> rest)
    {
        switch (word)
        {
            case "quit" or "exit" or "bye":
                if (word != "quit")
                {
                    Messages.Warning($"This command '{word}' is deprecated, please use 'quit'");
                    Messages.Info($"\"{word}\" is accepted as \"quit\"");
                }

                bool good = EndAll();
                Quit();
                return good;
            case "up" or "end" or "back" or "..":
                return Guard(Up);
            case "cd":
                return Change(rest.Count == 0 ? ".." : rest[0]);
            case "ls":
                foreach (string name in Top.Commands.Concat(["cd", "help", "ls", "quit",
                    "up"]).Order(StringComparer.Ordinal))
                {
                    Output.Write(name + "\n");
                }

                return true;
            case "help" or "?":
                return HelpTexts.Show(Output, Messages, Top, rest);
            default:
                return null;
        }
    }

    private bool Change(string path)
    {
        foreach (string step in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (step == "..")
            {
                if (!Guard(Up))
                {
                    return false;
                }
            }
            else if (Top.Match(step, Messages) is { } name && Top.IsLevel(name))
            {
                Enter(Top.MakeLevel(name));
            }
            else
            {
                Messages.Error($"{step} not found in {Top.Name}");
                return false;
            }
        }

        return true;
    }

    /// <summary>Writes the prompt before each line of a terminal.</summary>
    private sealed class PromptingReader(TextReader inner, TextWriter output, Func<string> level, Func<string> host)
        : TextReader
    {
        public override string? ReadLine()
        {
            output.Write($"crm(live/{host()}){level()}# ");
            output.Flush();
            return inner.ReadLine();
        }
    }
}
