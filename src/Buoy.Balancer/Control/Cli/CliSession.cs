using System.Text;
using Buoy.Linux;

namespace Buoy.Balancer.Control.Cli;

/// <summary>
/// One connection to a stats socket (management manual 9.3). Without <c>prompt</c> the lines that came are answered
/// and the
/// connection closes; with it, each is answered and a prompt follows. An empty line ends every answer.
/// </summary>
public sealed class CliSession(EventLoop loop, ControlPlane plane, int fd, CliLevel level)
{
    /// <summary>Before a level: the master says what its own session may do.</summary>
    internal const string Lower = "_level ";

    /// <summary>Ends a command whose payload follows, up to an empty line.</summary>
    private const string PayloadMark = " <<";

    /// <summary>Characters of a payload at most: a larger list is given in several.</summary>
    private const int MaxPayload = 4 << 20;
    private readonly List<byte> _input = [];
    private readonly StringBuilder _payload = new();
    private string? _payloadOf;
    private byte[] _output = [];
    private int _sent;
    private bool _prompt;
    private bool _closing;
    private bool _closed;
    private bool _writing;
    private EventLoop.LoopTimer? _idle;

    /// <summary>What it may do; can only be lowered.</summary>
    public CliLevel Level { get; set; } = level;

    /// <summary>Time in ms without input or progress after which it is closed.</summary>
    public int Timeout { get; set; } = plane.State.Config.Global.StatsTimeout;

    /// <summary><c>set severity-output</c>: none, number, string.</summary>
    public string SeverityOutput { get; set; } = "none";

    /// <summary><c>expert-mode on</c>.</summary>
    public bool Expert { get; set; }

    /// <summary><c>experimental-mode on</c>.</summary>
    public bool Experimental { get; set; }

    /// <summary>May it fetch the listening sockets? (<c>expose-fd listeners</c>)</summary>
    public bool Exposed { get; init; }

    /// <summary>The lines that followed the command being run; null = none.</summary>
    public string? Payload { get; private set; }

    /// <summary>Starts to read.</summary>
    public void Begin()
    {
        loop.Add(fd, PollEvents.Readable, OnReady);
        Touch();
    }

    /// <summary>Toggles the interactive mode.</summary>
    public void TogglePrompt()
    {
        _prompt = !_prompt;
        _closing |= !_prompt;
    }

    /// <summary>Closes after what was written is out.</summary>
    public void Quit() => _closing = true;

    /// <summary>Closes at once.</summary>
    public void Close()
    {
        if (!_closed)
        {
            _closed = true;
            _idle?.Cancel();
            loop.Remove(fd);
            ControlSocket.Close(fd);
            plane.Cli.Closed(this);
        }
    }

    private void Touch()
    {
        _idle?.Cancel();
        _idle = loop.Schedule(Timeout, Close);
    }

    private void OnReady(PollEvents events)
    {
        if (_writing)
        {
            Write();
            return;
        }

        Span<byte> buffer = stackalloc byte[4096];
        bool end = false;
        while (true)
        {
            int n = ControlSocket.Receive(fd, buffer);
            if (n == -ControlSocket.EAgain)
            {
                break;
            }

            if (n < 0)
            {
                Close();
                return;
            }

            end = n == 0;
            if (end)
            {
                break;
            }

            _input.AddRange(buffer[..n]);
            if (_input.Count > plane.State.Config.Global.BufferSize)
            {
                Close();
                return;
            }
        }

        Touch();
        Work(end);
    }

    /// <summary>Answers all complete lines; at the end of input the rest counts as one.</summary>
    private void Work(bool end)
    {
        var answer = new StringBuilder();
        bool any = false;
        while (!_closing)
        {
            int at = _input.IndexOf((byte)'\n');
            if (at < 0 && !(end && _input.Count > 0))
            {
                break;
            }

            int length = at < 0 ? _input.Count : at;
            string line = Encoding.UTF8.GetString([.. _input[..length]]).TrimEnd('\r');
            _input.RemoveRange(0, at < 0 ? length : length + 1);
            if (line.StartsWith(Lower, StringComparison.Ordinal))
            {
                Level = line.EndsWith("operator", StringComparison.Ordinal) && Level > CliLevel.User
                    ? CliLevel.Operator : CliLevel.User;
                continue;
            }

            if (_payloadOf is null && line.EndsWith(PayloadMark, StringComparison.Ordinal))
            {
                _payloadOf = line[..^PayloadMark.Length];
                _payload.Clear();
                continue;
            }

            if (_payloadOf is not null)
            {
                if (line.Length > 0)
                {
                    _payload.Append(line).Append('\n');
                    if (_payload.Length > MaxPayload)
                    {
                        Close();
                        return;
                    }

                    continue;
                }

                (line, Payload, _payloadOf) = (_payloadOf, _payload.ToString(), null);
            }

            any = true;
            if (line == "_getsocks")
            {
                if (Exposed)
                {
                    _ = MasterChannel.SendSockets(fd, plane.DataPlane?.Listening ?? []);
                }

                Close();
                return;
            }

            foreach (string[] words in CliParser.Split(line))
            {
                if (!Run(words, answer))
                {
                    break;
                }
            }

            Payload = null;
        }

        _closing |= end || (any && !_prompt);
        plane.Flush();
        if (answer.Length > 0)
        {
            _output = Encoding.UTF8.GetBytes(answer.ToString());
            _sent = 0;
            Write();
        }
        else if (_closing)
        {
            Close();
        }
    }

    /// <summary>False: the connection ends here.</summary>
    private bool Run(string[] words, StringBuilder answer)
    {
        if (words is ["quit"])
        {
            _closing = true;
            return false;
        }

        var reply = CliCommands.Run(new CliContext(plane, this), words);
        if (reply.Text.Length > 0 && reply.Severity is { } s && SeverityOutput != "none")
        {
            answer.Append(
                SeverityOutput == "number" ? FormattableString.Invariant($"[{s}]: ") : $"[{SeverityName(s)}]: ");
        }

        answer.Append(reply.Text).Append('\n').Append(_prompt ? "> " : "");
        return true;
    }

    private static string SeverityName(int s) =>
        s switch { 0 => "EMERG", 1 => "ALERT", 2 => "CRIT", 3 => "ERR", 4 => "WARNING", 5 => "NOTICE", 6 => "INFO", _ =>
            "DEBUG" };

    private void Write()
    {
        while (_sent < _output.Length)
        {
            int n = ControlSocket.Send(fd, _output.AsSpan(_sent));
            if (n == -ControlSocket.EAgain)
            {
                if (!_writing)
                {
                    _writing = true;
                    loop.Modify(fd, PollEvents.Writable);
                }

                return;
            }

            if (n < 0)
            {
                Close();
                return;
            }

            _sent += n;
            Touch();
        }

        if (_closing)
        {
            Close();
            return;
        }

        if (_writing)
        {
            _writing = false;
            loop.Modify(fd, PollEvents.Readable);
        }
    }
}

/// <summary>Splits a line of the runtime API into commands and words.</summary>
public static class CliParser
{
    /// <summary>Commands lie between ';', words between blanks; a backslash takes the next character as it
    /// is.</summary>
    public static IReadOnlyList<string[]> Split(string line)
    {
        var commands = new List<string[]>();
        var words = new List<string>();
        var word = new StringBuilder();
        bool has = false;
        void EndWord()
        {
            if (has)
            {
                words.Add(word.ToString());
                word.Clear();
                has = false;
            }
        }

        for (int i = 0; i < line.Length; i++)
        {
            char c = line[i];
            if (c == '\\' && i + 1 < line.Length)
            {
                word.Append(line[++i]);
                has = true;
            }
            else if (c is ' ' or '\t')
            {
                EndWord();
            }
            else if (c == ';')
            {
                EndWord();
                commands.Add([.. words]);
                words.Clear();
            }
            else
            {
                word.Append(c);
                has = true;
            }
        }

        EndWord();
        if (words.Count > 0 || commands.Count == 0)
        {
            commands.Add([.. words]);
        }

        return commands;
    }
}
