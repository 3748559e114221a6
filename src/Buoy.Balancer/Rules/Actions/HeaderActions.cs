using System.Text;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.Rules.Patterns;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Actions;

/// <summary>add-header and set-header.</summary>
internal sealed unsafe class HeaderAction(string name, IFormatString format, bool replace) : RuleAction
{
    private readonly SampleArgument _name = new(ArgumentType.Text, name.ToLowerInvariant());
    private readonly KnownField _known = HeaderNames.Known(name.ToLowerInvariant());

    public override RuleResult Run(RuleRun run)
    {
        byte* value = run.Format(format, out int length);
        if (value == null)
        {
            return run.Failed();
        }

        var m = run.Message;
        if (replace)
        {
            for (int i = m.Find(_name.Bytes); i >= 0; i = m.Find(_name.Bytes, i))
            {
                m.RemoveAt(i);
            }
        }

        return m.Add(_name.Data, _name.Length, value, length, _known) ? RuleResult.Continue : run.Failed();
    }
}

/// <summary>del-header, with a matching method of names.</summary>
internal sealed class DeleteHeaderAction(string name, MatchMethod method, ByteRegex? regex) : RuleAction
{
    private readonly byte[] _name = Encoding.Latin1.GetBytes(name.ToLowerInvariant());

    public override RuleResult Run(RuleRun run)
    {
        var m = run.Message;
        for (int i = 0; i < m.Count;)
        {
            if (Matches(m.Lines[i].NameBytes))
            {
                m.RemoveAt(i);
            }
            else
            {
                i++;
            }
        }

        return RuleResult.Continue;
    }

    private bool Matches(ReadOnlySpan<byte> name) => method switch
    {
        MatchMethod.Beg => name.StartsWith(_name),
        MatchMethod.End => name.EndsWith(_name),
        MatchMethod.Sub => name.IndexOf(_name) >= 0,
        MatchMethod.Reg => regex!.IsMatch(name),
        _ => name.SequenceEqual(_name),
    };
}

/// <summary>replace-header (whole lines) and replace-value (each comma-separated value).</summary>
internal sealed unsafe class ReplaceHeaderAction(string name, ByteRegex regex, IFormatString format, bool values) : RuleAction
{
    private readonly byte[] _name = Encoding.Latin1.GetBytes(name.ToLowerInvariant());

    public override RuleResult Run(RuleRun run)
    {
        var m = run.Message;
        for (int i = m.Find(_name); i >= 0; i = m.Find(_name, i + 1))
        {
            ref var line = ref m.Lines[i];
            byte* p = values ? Values(run, line, out int length) : Whole(run, line.ValueBytes, out length);
            if (length == -1)
            {
                return run.Failed();
            }

            if (p != null)
            {
                line.Value = p;
                line.ValueLength = length;
            }
        }

        return RuleResult.Continue;
    }

    private byte* Whole(RuleRun run, ReadOnlySpan<byte> value, out int length)
    {
        Span<ByteGroup> groups = stackalloc ByteGroup[ByteRegex.MaxGroups];
        length = 0;
        int count = regex.Match(value, 0, groups);
        return count == 0 ? null : Replacement.Make(run, format, value, groups[..count], out length);
    }

    private byte* Values(RuleRun run, in HeaderLine line, out int length)
    {
        length = 0;
        byte* made = run.Scope.Temporary.Take(RuleRun.MaxText);
        if (made == null)
        {
            length = -1;
            return null;
        }

        Span<ByteGroup> groups = stackalloc ByteGroup[ByteRegex.MaxGroups];
        var value = line.ValueBytes;
        int at = 0;
        bool changed = false;
        while (true)
        {
            int end = HeaderValues.End(value, at);
            var item = value[at..end];
            var bare = HttpHead.Trim(item);
            int count = bare.IsEmpty ? 0 : regex.Match(bare, 0, groups);
            int lead = item.IndexOf(bare);
            var replaced = bare;
            if (count > 0)
            {
                byte* p = Replacement.Make(run, format, bare, groups[..count], out int n);
                if (p == null)
                {
                    length = -1;
                    return null;
                }

                replaced = new ReadOnlySpan<byte>(p, n);
                changed = true;

                // The original takes the blanks before a value it replaces, too.
                item = item[lead..];
                lead = 0;
            }

            var into = new Span<byte>(made + length, RuleRun.MaxText - length);
            if (into.Length < item.Length - bare.Length + replaced.Length + 1)
            {
                length = -1;
                return null;
            }

            item[..lead].CopyTo(into);
            replaced.CopyTo(into[lead..]);
            item[(lead + bare.Length)..].CopyTo(into[(lead + replaced.Length)..]);
            length += item.Length - bare.Length + replaced.Length;
            if (end >= value.Length)
            {
                break;
            }

            made[length++] = (byte)',';
            at = end + 1;
        }

        return changed ? made : null;
    }
}

/// <summary>A format whose text holds references to the groups of a match.</summary>
internal static unsafe class Replacement
{
    /// <summary>Null and -1 where it does not fit.</summary>
    public static byte* Make(
        RuleRun run, IFormatString format, ReadOnlySpan<byte> subject, ReadOnlySpan<ByteGroup> groups, out int length)
    {
        length = -1;
        var template = Substitution.Create(run.FormatOnce(format));
        byte* p = template is null ? null : run.Scope.Temporary.Take(RuleRun.MaxText);
        if (p == null)
        {
            return null;
        }

        length = template!.Write(subject, groups, new Span<byte>(p, RuleRun.MaxText));
        return length < 0 ? null : p;
    }
}

/// <summary>Names the proxy understands.</summary>
internal static class HeaderNames
{
    public static KnownField Known(string lower) => lower switch
    {
        "host" => KnownField.Host,
        "upgrade" => KnownField.Upgrade,
        "connection" => KnownField.Connection,
        "content-length" => KnownField.ContentLength,
        "transfer-encoding" => KnownField.TransferEncoding,
        _ => KnownField.Other,
    };
}
