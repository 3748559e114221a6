using System.Diagnostics;
using System.Text.Json;

namespace Buoy.Lab;

/// <summary>The lab's client as its owner sees it: what it says of the service, and its figures.</summary>
internal sealed class LabObserver : IDisposable
{
    private readonly Process _process;
    private readonly Thread _reader;
    private readonly object _gate = new();
    private readonly Queue<LabInterval> _intervals = new();
    private bool _up;
    private int _downs;
    private bool _ended;

    /// <summary>Starts the client in the world's client host.</summary>
    public LabObserver(LabWorld world, string program, int streams)
    {
        _process = world.StartInHost("client", [program, "lab", "client", $"{world.Network.Vip}:{world.Network.Port}", $"{streams}"]);
        _reader = new Thread(Read) { IsBackground = true };
        _reader.Start();
    }

    /// <summary>Does the service answer, as far as the client knows?</summary>
    public bool Up
    {
        get
        {
            lock (_gate)
            {
                return _up;
            }
        }
    }

    /// <summary>Waits until the service answers. False: not within <paramref name="milliseconds"/>.</summary>
    public bool WaitUp(int milliseconds) => Wait(() => _up, milliseconds);

    /// <summary>Waits until the service failed since <paramref name="downsBefore"/> and answers again.</summary>
    public bool WaitDownAndUp(int downsBefore, int milliseconds) => Wait(() => _downs > downsBefore && _up, milliseconds);

    /// <summary>How often the service went away so far.</summary>
    public int Downs
    {
        get
        {
            lock (_gate)
            {
                return _downs;
            }
        }
    }

    /// <summary>Ends the interval and returns its figures.</summary>
    public LabInterval Mark(string name)
    {
        _process.StandardInput.WriteLine("mark " + name);
        _process.StandardInput.Flush();
        if (!Wait(() => _intervals.Count > 0, 10_000))
        {
            throw new LabException("the lab's client does not answer");
        }

        lock (_gate)
        {
            return _intervals.Dequeue();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.StandardInput.Close();
            if (!_process.WaitForExit(2000))
            {
                _process.Kill(entireProcessTree: true);
            }
        }
    }

    private bool Wait(Func<bool> condition, int milliseconds)
    {
        long end = Environment.TickCount64 + milliseconds;
        lock (_gate)
        {
            while (!condition())
            {
                long left = end - Environment.TickCount64;
                if (left <= 0 || _ended)
                {
                    return false;
                }

                Monitor.Wait(_gate, (int)left);
            }

            return true;
        }
    }

    private void Read()
    {
        while (_process.StandardOutput.ReadLine() is { } line)
        {
            var e = JsonSerializer.Deserialize(line, LabJson.Default.LabClientEvent);
            lock (_gate)
            {
                switch (e?.Kind)
                {
                    case "up":
                        _up = true;
                        break;
                    case "down":
                        _up = false;
                        _downs++;
                        break;
                    case "interval" when e.Interval is not null:
                        _intervals.Enqueue(e.Interval);
                        break;
                }

                Monitor.PulseAll(_gate);
            }
        }

        lock (_gate)
        {
            _ended = true;
            Monitor.PulseAll(_gate);
        }
    }
}
