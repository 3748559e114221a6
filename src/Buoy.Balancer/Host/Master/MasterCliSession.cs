using System.Text;
using Buoy.Balancer.Control.Cli;
using Buoy.Linux;

namespace Buoy.Balancer.Host.Master;

/// <summary>
/// One connection to the master's socket. Commands without a prefix are the master's own; <c>@1</c> is the current worker,
/// <c>@!PID</c> any. A worker's answer is relayed before the next command is looked at; a prefix alone stays for what follows.
/// </summary>
internal sealed class MasterCliSession(EventLoop loop, MasterProcess master, MasterCli cli, int fd)
{
    /// <summary>Longest input that waits for its line end.</summary>
    private const int MostInput = 16384;

    private const int RelayBuffer = 16384;
    private readonly List<byte> _input = [];
    private readonly Queue<string> _commands = new();
    private readonly Queue<byte[]> _output = new();
    private int _sent;
    private int _relay = -1;
    private Worker? _target;
    private bool _prompt;
    private bool _end;
    private bool _closing;
    private bool _closed;
    private bool _any;
    private PollEvents _wanted = PollEvents.Readable;

    /// <summary>What it may do; can only be lowered.</summary>
    public CliLevel Level { get; private set; } = cli.Level;

    /// <summary>Starts to read.</summary>
    public void Begin() => loop.Add(fd, PollEvents.Readable, OnReady);

    /// <summary>Closes at once.</summary>
    public void Close()
    {
        if (_closed)
        {
            return;
        }

        _closed = true;
        EndRelay();
        loop.Remove(fd);
        ControlSocket.Close(fd);
        cli.Closed(this);
    }

    private void OnReady(PollEvents events)
    {
        if ((events & PollEvents.Writable) != 0)
        {
            Write();
            if (!_closed)
            {
                Work();
            }

            return;
        }

        Span<byte> buffer = stackalloc byte[4096];
        while (!_end)
        {
            int n = ControlSocket.Receive(fd, buffer);
            if (n == -ControlSocket.EAgain)
            {
                break;
            }

            if (n < 0 || _input.Count + n > MostInput)
            {
                Close();
                return;
            }

            _end = n == 0;
            _input.AddRange(buffer[..n]);
        }

        if (_end)
        {
            // Level-triggered: a half-closed connection is readable for ever.
            Want(_output.Count > 0 ? PollEvents.Writable : PollEvents.None);
        }

        TakeLines();
        Work();
    }

    /// <summary>Complete lines become commands; at the end of input the rest is one. A payload stays with its command.</summary>
    private void TakeLines()
    {
        while (true)
        {
            int at = _input.IndexOf((byte)'\n');
            if (at < 0 && !(_end && _input.Count > 0))
            {
                return;
            }

            int length = at < 0 ? _input.Count : at;
            string line = Encoding.Latin1.GetString([.. _input[..length]]).TrimEnd('\r');
            if (line.EndsWith(" <<", StringComparison.Ordinal))
            {
                int close = IndexOfEmptyLine(length);
                if (close < 0 && !_end)
                {
                    return;
                }

                length = close < 0 ? _input.Count : close;
                line = Encoding.Latin1.GetString([.. _input[..length]]);
                _input.RemoveRange(0, length);
                _commands.Enqueue(line);
                continue;
            }

            _input.RemoveRange(0, at < 0 ? length : length + 1);
            foreach (string command in Split(line))
            {
                _commands.Enqueue(command);
            }
        }
    }

    /// <summary>Index behind the empty line that ends a payload, which begins after <paramref name="from"/>; -1 = not there yet.</summary>
    private int IndexOfEmptyLine(int from)
    {
        for (int i = from; i + 1 < _input.Count; i++)
        {
            if (_input[i] == '\n' && _input[i + 1] == '\n')
            {
                return i + 2;
            }
        }

        return -1;
    }

    private static IEnumerable<string> Split(string line)
    {
        int begin = 0;
        for (int i = 0; i < line.Length; i++)
        {
            if (line[i] == '\\')
            {
                i++;
            }
            else if (line[i] == ';')
            {
                yield return line[begin..i];
                begin = i + 1;
            }
        }

        yield return line[begin..];
    }

    private void Work()
    {
        while (!_closed && !_closing && _relay < 0 && _output.Count == 0 && _commands.TryDequeue(out string? command))
        {
            _any = true;
            Run(command.Trim(' ', '\t'));
        }

        if (!_closed && _relay < 0 && _commands.Count == 0 && (_end || (_any && !_prompt)))
        {
            _closing = true;
        }

        if (!_closed && _closing && _output.Count == 0 && _relay < 0)
        {
            Close();
        }
    }

    private void Run(string command)
    {
        var target = _target;
        if (command.StartsWith('@'))
        {
            int space = command.IndexOf(' ');
            string prefix = space < 0 ? command : command[..space];
            if (!Find(prefix, out target))
            {
                _closing = true;
                Say($"Can't find the target PID matching the prefix '{prefix}'\n");
                return;
            }

            command = space < 0 ? "" : command[space..].TrimStart();
            if (command.Length == 0)
            {
                _target = target;
                Prompt("");
                return;
            }
        }

        if (target is not null && command is not ("prompt" or "quit"))
        {
            Relay(target, command);
            return;
        }

        string[] words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        switch (words)
        {
            case ["quit", ..]:
                _closing = true;
                Prompt("");
                break;
            case ["prompt", ..]:
                _prompt = !_prompt;
                Prompt("");
                break;
            case ["operator" or "user", ..]:
                Level = (CliLevel)Math.Min((int)Level, (int)(words[0] == "user" ? CliLevel.User : CliLevel.Operator));
                Prompt("");
                break;
            case ["reload", ..] when Level == CliLevel.Admin:
                _closing = true;
                loop.Post(master.Reload);
                break;
            default:
                Prompt(MasterCommands.Answer(master, Level, words) + "\n");
                break;
        }
    }

    /// <summary>Whom a prefix means; null = the master.</summary>
    private bool Find(string prefix, out Worker? target)
    {
        target = null;
        switch (prefix)
        {
            case "@" or "@master" or "@0":
                return true;
            case "@1":
                target = master.Workers.FirstOrDefault(w => !w.Former);
                break;
            default:
                target = prefix.StartsWith("@!", StringComparison.Ordinal) && int.TryParse(prefix.AsSpan(2), out int pid)
                    ? master.Workers.FirstOrDefault(w => w.Pid == pid) : null;
                return target is not null || prefix == $"@!{Environment.ProcessId}";
        }

        return target is not null;
    }

    private void Relay(Worker target, string command)
    {
        _relay = SocketTransfer.Over(target.Channel);
        if (_relay < 0)
        {
            Prompt("Can't connect to the target CLI!\n\n");
            return;
        }

        string lower = Level == CliLevel.Admin ? "" : $"{CliSession.Lower}{(Level == CliLevel.Operator ? "operator" : "user")}\n";
        _ = ControlSocket.Adopt(_relay);
        _ = ControlSocket.Send(_relay, Encoding.Latin1.GetBytes(lower + command + "\n"));
        ControlSocket.ShutdownWrite(_relay);
        loop.Add(_relay, PollEvents.Readable, _ => OnRelay());
    }

    private void OnRelay()
    {
        byte[] buffer = new byte[RelayBuffer];
        int n = ControlSocket.Receive(_relay, buffer);
        if (n == -ControlSocket.EAgain)
        {
            return;
        }

        if (n > 0)
        {
            // Nothing more is read until this is out: who reads slowly holds back only his own worker's answer.
            _output.Enqueue(buffer[..n]);
            loop.Modify(_relay, PollEvents.None);
            Write();
            return;
        }

        EndRelay();
        Prompt("");
        if (!_closed)
        {
            Work();
        }
    }

    private void EndRelay()
    {
        if (_relay >= 0)
        {
            loop.Remove(_relay);
            ControlSocket.Close(_relay);
            _relay = -1;
        }
    }

    private void Prompt(string text) =>
        Say(_prompt ? text + (_target is { } t ? $"{t.Pid}> " : "master> ") : text);

    private void Say(string text)
    {
        if (text.Length > 0)
        {
            _output.Enqueue(Encoding.Latin1.GetBytes(text));
            Write();
        }
    }

    private void Write()
    {
        while (_output.TryPeek(out byte[]? next))
        {
            int n = ControlSocket.Send(fd, next.AsSpan(_sent));
            if (n == -ControlSocket.EAgain)
            {
                Want(PollEvents.Writable);
                return;
            }

            if (n < 0)
            {
                Close();
                return;
            }

            _sent += n;
            if (_sent == next.Length)
            {
                _output.Dequeue();
                _sent = 0;
            }
        }

        Want(_end ? PollEvents.None : PollEvents.Readable);
        if (_relay >= 0)
        {
            loop.Modify(_relay, PollEvents.Readable);
        }
    }

    private void Want(PollEvents events)
    {
        if (_wanted != events)
        {
            _wanted = events;
            loop.Modify(fd, events);
        }
    }
}
