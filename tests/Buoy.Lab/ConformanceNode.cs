using System.Diagnostics;
using System.Globalization;

namespace Buoy.LabTests;

/// <summary>One engine in a namespace (<c>buoy lab engine</c>) and everything that it has told so far.</summary>
internal sealed class ConformanceNode : IDisposable
{
    /// <summary>Only a defect reaches this.</summary>
    private const int PatienceMs = 30_000;

    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly List<string> _errors = [];

    public ConformanceNode(IEnumerable<string> command, string host)
    {
        Host = host;
        _process = Buoy.Lab.LabProcess.Start(command, redirectInput: true);
        Read(_process.StandardOutput, _lines);
        Read(_process.StandardError, _errors);
    }

    /// <summary>Name of the machine.</summary>
    public string Host { get; }

    public int Id => int.Parse(Host.AsSpan(Host.Length - 2), CultureInfo.InvariantCulture);

    /// <summary>A view: id, quorate, members by id with the view they came in, who left and came.</summary>
    public sealed record View(string Id, bool Quorate, string Members, string Left, string Came)
    {
        public int[] Ids => [.. Members.Split(',').Select(m => int.Parse(m.Split(':')[0], CultureInfo.InvariantCulture))];

        public ulong Joined(int node) => ulong.Parse(
            Members.Split(',').Single(m => m.StartsWith($"{node}:", StringComparison.Ordinal)).Split(':')[1],
            NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    public IReadOnlyList<View> Views => [.. Lines("view ").Select(l => l.Split(' ')).Select(w =>
        new View(w[1], w[2] == "1", w[3], w[4], w[5]))];

    public View Last => Views[^1];

    /// <summary>SENDER LENGTH TEXT of every message shown, in order of delivery.</summary>
    public IReadOnlyList<string> Messages => Lines("msg ");

    /// <summary>Views and messages, in the order in which they were told.</summary>
    public IReadOnlyList<string> Story => Lines("");

    public bool Sees(params int[] ids) => Views is [.., var v] && v.Ids.SequenceEqual(ids);

    public void Say(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
    }

    /// <summary>The answer to a question: the next line of that kind.</summary>
    public string Ask(string line, string kind)
    {
        int before = Lines(kind).Count;
        Say(line);
        Until(() => Lines(kind).Count > before, $"an answer to '{line}'");
        return Lines(kind)[before];
    }

    public List<string> Lines(string kind)
    {
        lock (_lines)
        {
            return [.. _lines.Where(l => l.StartsWith(kind, StringComparison.Ordinal))];
        }
    }

    public void Until(Func<bool> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        lock (_lines)
        {
            while (!condition())
            {
                Assert.True(clock.ElapsedMilliseconds < PatienceMs && !_process.HasExited, $"{Host}: not reached: {what}\n{Everything()}");
                Monitor.Wait(_lines, 50);
            }
        }
    }

    /// <summary>Leaves in order and ends.</summary>
    public void Leave()
    {
        Say("leave");
        Assert.True(_process.WaitForExit(PatienceMs), $"{Host} does not leave\n{Everything()}");
    }

    /// <summary>Dies without a word, with whatever nsenter put around it.</summary>
    public void Kill() => _process.Kill(entireProcessTree: true);

    public string Everything()
    {
        lock (_lines)
        {
            lock (_errors)
            {
                return $"--- {Host}\n{string.Join('\n', _lines.TakeLast(30))}\n{string.Join('\n', _errors.TakeLast(30))}";
            }
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.WaitForExit();
        _process.Dispose();
    }

    private static void Read(StreamReader from, List<string> into) => new Thread(() =>
    {
        while (from.ReadLine() is { } line)
        {
            lock (into)
            {
                into.Add(line);
                Monitor.PulseAll(into);
            }
        }
    }) { IsBackground = true }.Start();
}
