using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine;
using Buoy.Balancer.Rules.Samples;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Logging;

/// <content>Sample expressions of a format, and the format as an argument of a rule's action.</content>
internal sealed unsafe partial class LogFormat : IFormatString
{
    /// <summary>Text of one sample in a log line at most.</summary>
    private const int LongestSample = 8192;

    private SampleExpression[] _samples = [];

    /// <summary>Reads a format whose samples are parsed in that context.</summary>
    public static LogFormat? Parse(string text, bool http, SampleContext context, out string error)
    {
        var samples = new List<SampleExpression>();
        var format = Parse(text, http, Take, out error);
        if (format is not null)
        {
            format._samples = [.. samples];
        }

        return format;

        int Take(string expression, string rest, out string wrong)
        {
            int index = 0;
            var parsed = SampleParser.Parse(Words(expression), ref index, context, out wrong);
            if (parsed is null)
            {
                wrong = $"failed to parse sample expression <{rest}> : {wrong}";
                return -1;
            }

            if (context.Places != SamplePlaces.None && (parsed.Places & context.Places) == 0)
            {
                wrong = $"sample fetch <{rest}> may not be reliably used here because it needs "
                    + $"'{parsed.Fetch.Source.Text()}' which is not available here";
                return -1;
            }

            samples.Add(parsed);
            return samples.Count - 1;
        }
    }

    /// <summary>Converters may follow as words of their own.</summary>
    private static List<string> Words(string expression) =>
        expression.Contains('(', StringComparison.Ordinal) ? [expression]
            : [.. expression.Split(' ', StringSplitOptions.RemoveEmptyEntries)];

    /// <summary>The values of all samples, null where there is none: taken by the shard, written by the logging thread.</summary>
    public string?[]? Samples(SampleScope scope)
    {
        if (_samples.Length == 0)
        {
            return null;
        }

        var values = new string?[_samples.Length];
        for (int i = 0; i < values.Length; i++)
        {
            if (_samples[i].Evaluate(scope, SampleType.Str, out var sample))
            {
                values[i] = Encoding.Latin1.GetString(sample.Bytes[..Math.Min(sample.Length, LongestSample)]);
            }
        }

        return values;
    }

    /// <inheritdoc/>
    public int Write(SampleScope scope, byte* into, int capacity)
    {
        var text = new LogText(new Span<byte>(into, capacity));
        SessionLog? log = null;
        foreach (var p in _parts)
        {
            if (p.Text is not null)
            {
                text.Add(p.Text);
            }
            else if (p.Sample >= 0)
            {
                Sample(ref text, scope, p);
            }
            else if (p.Variable == LogVariable.None)
            {
                text.Add((byte)' ');
            }
            else if (scope.Config is { } config)
            {
                var values = log ??= Session(scope);
                var context = new LogContext(config, Environment.MachineName, Environment.ProcessId);
                Variable(ref text, p, context, values, 0);
            }
        }

        return text.Length;
    }

    /// <summary>One sample as a part of an action's argument; nothing where there is none.</summary>
    private void Sample(ref LogText text, SampleScope scope, in Part p)
    {
        bool quote = (p.Flags & LogFlags.Quote) != 0;
        text.Add(quote ? "\""u8 : default);
        if (_samples[p.Sample].Evaluate(scope, SampleType.Str, out var sample))
        {
            text.AddEscaped(sample.Bytes, p.Flags);
        }

        text.Add(quote ? "\""u8 : default);
    }

    /// <summary>What a scope knows of the session: the variables of a format that stands in a rule.</summary>
    private static SessionLog Session(SampleScope scope)
    {
        if (scope.CheckVariables is not null)
        {
            return Check(scope);
        }

        scope.NeedDestination();
        var source = scope.Source;
        var destination = scope.Destination;
        string? line = null;
        if (scope.Http && scope.Request.MethodLength > 0)
        {
            line = $"{Latin(scope.Request.MethodBytes)} {Latin(scope.Request.UriBytes)} HTTP/1.{scope.Request.Minor}";
        }

        return new SessionLog
        {
            Frontend = Math.Max(0, scope.Frontend), Bind = scope.Bind, Backend = scope.Backend, Server = scope.Server,
            Client = Sockets.Read(&source), Local = Sockets.Read(&destination), Accepted = scope.Clock(),
            Termination = scope.Http ? "----" : "--", RequestMs = -1, QueueMs = -1, ConnectMs = -1, ResponseMs = -1,
            Status = -1, Request = line, RequestNumber = scope.RequestNumber, UniqueId = scope.UniqueId,
            BindId = scope.Config is { } c && scope.Bind >= 0 ? c.Binds[scope.Bind].Id : 1,
        };
    }

    /// <summary>As <see cref="Session"/>, of a check: it has no client, and its frontend no section.</summary>
    private static SessionLog Check(SampleScope scope)
    {
        var source = scope.ServerSource;
        var destination = scope.ServerDestination;
        return new SessionLog
        {
            Frontend = SessionLog.Checks, Bind = -1, Backend = scope.Backend, Server = scope.Server, Client = null, Local = null,
            Accepted = scope.Clock(), Termination = "PR--", RequestMs = -1, QueueMs = -1, ConnectMs = -1, ResponseMs = -1,
            ServerSource = Sockets.Read(&source), ServerAddress = Sockets.Read(&destination), Early = true,
        };
    }

    private static string Latin(ReadOnlySpan<byte> text) => Encoding.Latin1.GetString(text);
}
