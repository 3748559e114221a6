using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Health;

/// <summary>
/// What rules of a check may look at and remember (configuration manual 7.3, "tcp-check rule"): the reply so far, the
/// connection, and variables. The scope is shared by all checks of the control thread and filled for each evaluation;
/// the variables are the run's own and go with it.
/// </summary>
internal sealed unsafe class CheckSamples(SampleScope scope, int backend, int server) : IDisposable
{
    /// <summary>Longest text that a format makes.</summary>
    private const int LongestText = 16384;

    private readonly VariableStore _session = new();
    private readonly VariableStore _check = new();
    private byte[] _received = [];
    private int _length;
    private HttpCheckReply? _reply;

    /// <summary>Monotonic time, ms.</summary>
    public required Func<long> Now { get; init; }

    /// <summary>The connection, whose addresses are asked for when something is evaluated; -1 = none.</summary>
    public Func<int> Socket { get; init; } = static () => -1;

    /// <summary>What was received up to now; the reply, where it is HTTP and its head is whole.</summary>
    public void Received(ReadOnlySpan<byte> data, HttpCheckReply? reply)
    {
        if (_received.Length < data.Length)
        {
            _received = GC.AllocateUninitializedArray<byte>(Math.Max(1024, data.Length * 2), pinned: true);
        }

        data.CopyTo(_received);
        _length = data.Length;
        _reply = reply;
    }

    /// <summary>The text of a format now, Latin-1.</summary>
    public string Text(IFormatString format)
    {
        Fill();
        byte* p = scope.Temporary.Take(LongestText);
        return Encoding.Latin1.GetString(p, format.Write(scope, p, LongestText));
    }

    /// <summary>The number an expression gives now; null where it gives none.</summary>
    public long? Number(SampleExpression expression)
    {
        Fill();
        if (!expression.Evaluate(scope, out var sample))
        {
            return null;
        }

        // Bytes have no cast to a number: here the digits that they begin with are one.
        return sample.Type == SampleType.Bin ? Units.Atol(Encoding.Latin1.GetString(sample.Bytes), out _)
            : SampleCasts.Apply(scope, ref sample, SampleType.Sint) ? sample.Integer : null;
    }

    /// <summary>set-var, set-var-fmt: without a sample the variable is not set any more.</summary>
    public void Set(CheckSetVariable rule)
    {
        string text = rule.Value?.Evaluate(this) ?? "";
        Fill();
        var sample = default(Sample);
        bool found = rule.Expression is { } e ? e.Evaluate(scope, out sample)
            : sample.SetCopy(scope, Encoding.Latin1.GetBytes(text));
        if (!found)
        {
            scope.UnsetVariable(rule.Name);
        }
        else if (VariableConverters.Hold(scope, rule.Name, rule.Conditions, sample))
        {
            scope.SetVariable(rule.Name, sample);
        }
    }

    /// <summary>unset-var.</summary>
    public void Unset(VariableName name)
    {
        Fill();
        scope.UnsetVariable(name);
    }

    public void Dispose()
    {
        _session.Dispose();
        _check.Dispose();
    }

    private void Fill()
    {
        scope.Temporary.Reset();
        scope.Now = Now();
        scope.Backend = scope.CurrentProxy = backend;
        scope.Server = server;
        scope.IsResponse = scope.Final = true;
        scope.SessionVariables = _session;
        scope.CheckVariables = _check;
        scope.ServerFd = Socket();
        scope.AskServerAddresses();
        bool http = scope.Http = _reply is not null;
        scope.ResponseBytes = http || _length == 0 ? null : Fixed(_received);
        scope.ResponseLength = http ? 0 : _length;
        scope.Response.Clear();
        if (_reply is { } reply)
        {
            Load(reply);
        }
    }

    private void Load(HttpCheckReply reply)
    {
        var m = scope.Response;
        m.Status = reply.Status;
        m.Minor = reply.Minor;
        m.Present = true;
        byte* reason = Copy(Encoding.Latin1.GetBytes(reply.Reason));
        m.SetReason(reason, reason == null ? 0 : reply.Reason.Length);
        foreach (var (name, value) in reply.Fields)
        {
            byte* n = Copy(Encoding.Latin1.GetBytes(name)), v = Copy(Encoding.Latin1.GetBytes(value));
            if (n == null || v == null)
            {
                return;
            }

            m.Add(n, name.Length, v, value.Length);
        }

        byte* body = Copy(reply.Body);
        m.SetBody(body, body == null ? 0 : reply.Body.Length, reply.Complete);
    }

    /// <summary>A copy in the scope's memory; null where a reply uses that up (its buffer is made that large).</summary>
    private byte* Copy(ReadOnlySpan<byte> text)
    {
        byte* p = scope.Temporary.Take(text.Length);
        if (p != null)
        {
            text.CopyTo(new Span<byte>(p, text.Length));
        }

        return p;
    }

    private static byte* Fixed(byte[] pinned) =>
        (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref pinned[0]);
}
