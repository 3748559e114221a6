using Buoy.Balancer.Engine;
using Buoy.Balancer.Rules.Samples;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Rules.Actions;

/// <summary>set-src, set-src-port, set-dst, set-dst-port: what the stream calls its client and itself from now on.</summary>
internal sealed unsafe class AddressAction(SampleExpression expression, bool source, bool port) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        var scope = run.Scope;
        if (!expression.Evaluate(scope, port ? SampleType.Sint : SampleType.Address, out var sample))
        {
            return RuleResult.Continue;
        }

        if (!source)
        {
            scope.NeedDestination();
        }

        var address = source ? scope.Source : scope.Destination;
        var b = (byte*)&address;
        if (port)
        {
            if (*(ushort*)b is AF_INET or AF_INET6)
            {
                b[2] = (byte)(sample.Integer >> 8);
                b[3] = (byte)sample.Integer;
            }
        }
        else
        {
            int old = (b[2] << 8) | b[3];
            bool had = *(ushort*)b is AF_INET or AF_INET6;
            fixed (byte* bytes = sample.AddressSpan)
            {
                _ = Sockets.Write(
                    sample.Type == SampleType.Ipv4 ? AF_INET : AF_INET6, bytes, had && !source ? old : 0, &address);
            }
        }

        run.AddressChanged = true;
        if (source)
        {
            scope.Source = address;
        }
        else
        {
            scope.Destination = address;
        }

        return RuleResult.Continue;
    }
}

/// <summary>set-log-level.</summary>
internal sealed class LogLevelAction(int level) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        run.Stream.LogLevel = level;
        return RuleResult.Continue;
    }
}

/// <summary>set-tos and set-mark.</summary>
internal sealed class PacketAction(uint value, bool mark) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        if (mark)
        {
            run.Mark = value;
        }
        else
        {
            run.Tos = value;
        }

        return RuleResult.Continue;
    }
}

/// <summary>set-timeout server and tunnel.</summary>
internal sealed class TimeoutAction(bool tunnel, int? fixedTime, SampleExpression? expression) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        int? time = fixedTime;
        if (expression is not null)
        {
            time = expression.Evaluate(run.Scope, SampleType.Sint, out var sample)
                && sample.Integer is > 0 and <= int.MaxValue ? (int)sample.Integer : null;
        }

        if (time is not null && tunnel)
        {
            run.Stream.TunnelTimeout = time;
        }
        else if (time is not null)
        {
            run.Stream.ServerTimeout = time;
        }

        return RuleResult.Continue;
    }
}

/// <summary>strict-mode: do rewrites that fail end the request?</summary>
internal sealed class StrictModeAction(bool on) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        run.Stream.Strict = on;
        return RuleResult.Continue;
    }
}

/// <summary>Actions whose effect is on what we do not have: a nice value of tasks, a TLS handshake.</summary>
internal sealed class NoAction : RuleAction
{
    public override RuleResult Run(RuleRun run) => RuleResult.Continue;
}

/// <summary>wait-for-body: until all of it, or so many bytes, or the time is over.</summary>
internal sealed class WaitForBodyAction(int time, long atLeast) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        var m = run.Message;
        if (m.BodyComplete || (atLeast > 0 && m.BodyLength >= atLeast))
        {
            return RuleResult.Continue;
        }

        if (run.LastChance)
        {
            return run.TimedOut ? TooLate(run) : RuleResult.Continue;
        }

        run.WaitTime = time;
        return RuleResult.Wait;
    }

    /// <summary>408: the body did not come in time.</summary>
    private static RuleResult TooLate(RuleRun run)
    {
        run.Reply = null;
        run.ReplyStatus = 408;
        run.ReplyCause = 'c';
        return RuleResult.Reply;
    }
}
