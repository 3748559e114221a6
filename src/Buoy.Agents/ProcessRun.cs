using System.Text;
using Buoy.Linux;

namespace Buoy.Agents;

/// <summary>How a program that ran for an operation ended.</summary>
/// <param name="Errors">The last lines of standard error.</param>
/// <param name="ExitReason">Its last <c>ocf-exit-reason:</c>, or empty.</param>
internal sealed record ProcessResult(
    ProcessEnd End, bool TimedOut, bool Aborted, string Output, IReadOnlyCollection<string> Errors, string ExitReason);

/// <summary>
/// Runs one program to its end, at most for its timeout: then its whole process group gets SIGTERM, and SIGKILL
/// <see cref="GraceMs"/> later. Its end is seen through a pidfd; output that a left-over child still holds open is not
/// waited for.
/// </summary>
internal sealed class ProcessRun : IRunningOperation
{
    private const int GraceMs = 500, MaxOutput = 1 << 20, MaxLogLines = 1000, KeptErrors = 20;
    private const string ReasonPrefix = "ocf-exit-reason:";
    private readonly EventLoop _loop;
    private readonly SpawnPipe _out = SpawnPipe.Create();
    private readonly SpawnPipe _err = SpawnPipe.Create();
    private readonly byte[] _buffer = new byte[16 * 1024];
    private readonly MemoryStream _output = new();
    private readonly Queue<string> _errors = new();
    private readonly LineBuffer _errLines;
    private readonly Action<string, bool> _log;
    private readonly Action<ProcessResult> _end;
    private readonly PidFd _process;
    private readonly EventLoop.LoopTimer _timeout;
    private EventLoop.LoopTimer? _kill;
    private int _logged;
    private string _reason = "";
    private bool _timedOut, _aborted;

    private ProcessRun(
        EventLoop loop, string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, int timeoutMs,
        Action<string, bool> log, Action<ProcessResult> end)
    {
        _loop = loop;
        _log = log;
        _end = end;
        _errLines = new LineBuffer(OnErrorLine);
        try
        {
            _process = SpawnedProcess.Start(path, arguments, environment, _out.WriteFd, _err.WriteFd);
        }
        catch (LinuxException)
        {
            _out.Dispose();
            _err.Dispose();
            throw;
        }

        _out.CloseWrite();
        _err.CloseWrite();
        _loop.Add(_out.ReadFd, PollEvents.Readable, _ => ReadSome(_out));
        _loop.Add(_err.ReadFd, PollEvents.Readable, _ => ReadSome(_err));
        _loop.Add(_process.Fd, PollEvents.Readable, _ => OnExit());
        _timeout = _loop.Schedule(timeoutMs, OnTimeout);
    }

    /// <summary>Starts it; throws <see cref="LinuxException"/> when it cannot be executed.</summary>
    /// <param name="log">Gets each line; true: of standard error.</param>
    public static ProcessRun Start(
        EventLoop loop, string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, int timeoutMs,
        Action<string, bool> log, Action<ProcessResult> end) =>
        new(loop, path, arguments, environment, timeoutMs, log, end);

    /// <inheritdoc/>
    public void Abort()
    {
        _aborted = true;
        Kill();
    }

    private void OnTimeout()
    {
        _timedOut = true;
        Kill();
    }

    private void Kill()
    {
        _timeout.Cancel();
        if (_kill is null)
        {
            _process.SignalGroup(PidFd.SigTerm);
            _kill = _loop.Schedule(GraceMs, () => _process.SignalGroup(PidFd.SigKill));
        }
    }

    private void OnExit()
    {
        if (_kill is not null)
        {
            // Not reaped yet, so the group's number is still ours: end what the leader left behind.
            _process.SignalGroup(PidFd.SigKill);
        }

        if (_process.TryReap() is not { } end)
        {
            return;
        }

        _timeout.Cancel();
        _kill?.Cancel();
        _loop.Remove(_process.Fd);
        _process.Dispose();
        Drain(_out);
        Drain(_err);
        _errLines.End();
        string output = Encoding.UTF8.GetString(_output.GetBuffer(), 0, (int)_output.Length);
        foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Take(MaxLogLines))
        {
            _log(line, false);
        }

        _end(new ProcessResult(end, _timedOut, _aborted, output, _errors, _reason));
    }

    private void Drain(SpawnPipe pipe)
    {
        // Bounded: a child left behind may write for ever.
        for (int i = 0; i < MaxOutput / _buffer.Length && pipe.ReadFd >= 0 && ReadSome(pipe); i++)
        {
        }

        Close(pipe);
    }

    private bool ReadSome(SpawnPipe pipe)
    {
        int n = pipe.Read(_buffer);
        if (n == 0)
        {
            Close(pipe);
        }

        if (n <= 0)
        {
            return false;
        }

        if (pipe == _err)
        {
            _errLines.Add(_buffer.AsSpan(0, n));
        }
        else
        {
            _output.Write(_buffer, 0, (int)Math.Min(n, MaxOutput - _output.Length));
        }

        return true;
    }

    private void Close(SpawnPipe pipe)
    {
        if (pipe.ReadFd >= 0)
        {
            _loop.Remove(pipe.ReadFd);
            pipe.Dispose();
        }
    }

    private void OnErrorLine(string line)
    {
        if (line.StartsWith(ReasonPrefix, StringComparison.Ordinal))
        {
            _reason = line[ReasonPrefix.Length..].Trim();
        }
        else if (line.Length > 0)
        {
            _errors.Enqueue(line);
            if (_errors.Count > KeptErrors)
            {
                _errors.Dequeue();
            }
        }

        if (++_logged <= MaxLogLines)
        {
            _log(_logged == MaxLogLines ? "(further lines of this operation are not logged)" : line, true);
        }
    }
}
