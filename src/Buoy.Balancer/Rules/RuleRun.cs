using System.Runtime.InteropServices;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules;

/// <summary>
/// Runs a list of rules and gives actions what they need. One per shard, used again; it touches no socket: what an
/// action wants of the connection is noted here, and the shard does it.
/// </summary>
internal sealed unsafe class RuleRun : IDisposable
{
    /// <summary>Longest text a format may give, as one buffer.</summary>
    public const int MaxText = 16384;
    private readonly byte* _text = (byte*)NativeMemory.Alloc(MaxText);

    ~RuleRun() => NativeMemory.Free(_text);

    public SampleScope Scope { get; } = new();

    /// <summary>The message the rules are about.</summary>
    public HttpMessage Message { get; set; } = null!;

    public StreamRules Stream { get; set; } = null!;

    /// <summary>Where <see cref="RuleResult.Wait"/> came from.</summary>
    public int Index { get; private set; }

    /// <summary>The reply an action asked for; it is written into the scope's response by <see cref="BuildReply"/>.</summary>
    public Reply? Reply { get; set; }

    /// <summary>Status of the reply, where the reply itself leaves it open.</summary>
    public int ReplyStatus { get; set; }

    /// <summary>For the log: P (deny, tarpit) or L (return, redirect, auth).</summary>
    public char ReplyCause { get; set; }

    /// <summary>The reply stands in the scope's response already.</summary>
    public bool ReplyWritten { get; set; }

    /// <summary>A field that is added to the reply.</summary>
    public (SampleArgument Name, SampleArgument Value)? ReplyHeader { get; set; }

    /// <summary>Field lines of early hints, each to be sent as a 103 before anything else.</summary>
    public List<byte[]> Hints { get; } = [];

    /// <summary>The service that answers at <see cref="RuleResult.Service"/>.</summary>
    public string? Service { get; set; }

    /// <summary>TOS byte and mark to be set on the client's socket; -1 = as it is.</summary>
    public long Tos { get; set; } = -1;

    public long Mark { get; set; } = -1;

    /// <summary>The scope's source or destination were changed.</summary>
    public bool AddressChanged { get; set; }

    /// <summary>How long to wait at <see cref="RuleResult.Wait"/>, ms.</summary>
    public int WaitTime { get; set; }

    /// <summary>The time of a wait is over.</summary>
    public bool TimedOut { get; set; }

    /// <summary>The time of a wait is over, or no more fits: what waits gives up.</summary>
    public bool LastChance { get; set; }

    /// <summary>Ready for a new list or a new message.</summary>
    public void Begin(HttpMessage message, StreamRules stream)
    {
        Message = message;
        Stream = stream;
        Reply = null;
        ReplyStatus = 0;
        Tos = Mark = -1;
        WaitTime = 0;
        AddressChanged = false;
        Hints.Clear();
        ReplyWritten = false;
        ReplyHeader = null;
    }

    /// <summary>Runs rules from <paramref name="first"/> on until one ends it.</summary>
    public RuleResult Run(Rule[] rules, int first = 0)
    {
        if (first == 0)
        {
            // Strict at the beginning of each list (manual 4.2, "http-request strict-mode").
            Stream.Strict = true;
        }

        for (Index = first; Index < rules.Length; Index++)
        {
            var rule = rules[Index];
            if (rule.Condition is { } condition)
            {
                var verdict = condition.Evaluate(Scope);
                if (verdict == Verdict.Maybe)
                {
                    return RuleResult.Wait;
                }

                if (verdict == Verdict.False)
                {
                    continue;
                }
            }

            var result = rule.Action.Run(this);
            if (result != RuleResult.Continue)
            {
                return result;
            }
        }

        return RuleResult.Continue;
    }

    /// <summary>
    /// Writes the reply an action asked for into the scope's response; <paramref name="page"/> gives the section's page
    /// of a status. False where it cannot be made.
    /// </summary>
    public bool BuildReply(Func<int, Reply> page)
    {
        if (ReplyWritten)
        {
            return true;
        }

        if (!(Reply ?? page(ReplyStatus)).Write(this))
        {
            return false;
        }

        return ReplyHeader is not { } h
            || Scope.Response.Add(h.Name.Data, h.Name.Length, h.Value.Data, h.Value.Length);
    }

    /// <summary>What a rewrite that does not fit means: an error in strict mode, else it is left out.</summary>
    public RuleResult Failed() => Stream.Strict ? RuleResult.Error : RuleResult.Continue;

    /// <summary>A format's text in the scope's memory; null where that is used up.</summary>
    public byte* Format(IFormatString format, out int length)
    {
        length = format.Write(Scope, _text, MaxText);
        byte* p = Scope.Temporary.Take(Math.Max(1, length));
        if (p != null)
        {
            Buffer.MemoryCopy(_text, p, length, length);
        }

        return p;
    }

    /// <summary>A format's text, good until the next one is made.</summary>
    public ReadOnlySpan<byte> FormatOnce(IFormatString format) => new(_text, format.Write(Scope, _text, MaxText));

    /// <summary>Copies bytes into the scope's memory; null where that is used up.</summary>
    public byte* Keep(ReadOnlySpan<byte> bytes)
    {
        byte* p = Scope.Temporary.Take(Math.Max(1, bytes.Length));
        if (p != null)
        {
            bytes.CopyTo(new Span<byte>(p, bytes.Length));
        }

        return p;
    }

    public void Dispose()
    {
        Scope.Dispose();
        GC.SuppressFinalize(this);
        NativeMemory.Free(_text);
    }
}
