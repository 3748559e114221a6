using Buoy.Cib.Persistence;
using Buoy.Linux;

namespace Buoy.Cluster.Host;

/// <summary>
/// Writes CIBs on a thread of its own, so that the loop never waits for the disk. What came while a write ran is
/// coalesced:
/// only the newest is written, and vouches for those before it.
/// </summary>
internal sealed class CibWriter : IDisposable
{
    private readonly CibStore _store;
    private readonly EventLoop _loop;
    private readonly Action<long, string?> _written;
    private readonly Thread _thread;
    private readonly Lock _lock = new();
    private readonly AutoResetEvent _wake = new(false);
    private (long Sequence, string Xml)? _next;
    private bool _stopping;

    /// <param name="written">Called on the loop with the sequence number, and with why it could not be written.</param>
    public CibWriter(CibStore store, EventLoop loop, Action<long, string?> written)
    {
        _store = store;
        _loop = loop;
        _written = written;
        _thread = new Thread(Work, 256 << 10) { Name = "cib-writer", IsBackground = true };
        _thread.Start();
    }

    public void Write(long sequence, string xml)
    {
        lock (_lock)
        {
            _next = (sequence, xml);
        }

        _wake.Set();
    }

    /// <summary>Ends after what was given to it is on the disk.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _stopping = true;
        }

        _wake.Set();
        _thread.Join();
        _wake.Dispose();
    }

    private void Work()
    {
        while (true)
        {
            (long Sequence, string Xml)? next;
            bool stopping;
            lock (_lock)
            {
                (next, _next, stopping) = (_next, null, _stopping);
            }

            if (next is { } work)
            {
                string? error = null;
                try
                {
                    _store.Write(work.Xml);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException or LinuxException)
                {
                    error = e.Message;
                }

                _loop.Post(() => _written(work.Sequence, error));
            }
            else if (stopping)
            {
                return;
            }
            else
            {
                _wake.WaitOne();
            }
        }
    }
}
