using System.Text;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Actions;

/// <summary>
/// A response of the balancer itself: of return, deny and their kind, of an errorfile, of http-error. Immutable; it is
/// written into a message, so that http-after-response rules can change it.
/// </summary>
internal sealed unsafe class Reply
{
    private static readonly SampleArgument ContentLengthName = new(ArgumentType.Text, "content-length");
    private static readonly SampleArgument ContentTypeName = new(ArgumentType.Text, "content-type");

    /// <summary>An empty file, <c>/dev/null</c>: the connection ends without a word.</summary>
    public static Reply Nothing { get; } = new() { Status = 0 };

    /// <summary>0 = none is sent at all.</summary>
    public required int Status { get; init; }

    public string? Reason { get; init; }

    public int Minor { get; init; } = 1;

    /// <summary>Fields given with <c>hdr</c>: lower-case name and format.</summary>
    public IReadOnlyList<(SampleArgument Name, IFormatString Value)> Headers { get; init; } = [];

    /// <summary>Fields of a file, as they are.</summary>
    public IReadOnlyList<(SampleArgument Name, SampleArgument Value)> FixedHeaders { get; init; } = [];

    public SampleArgument? ContentType { get; init; }

    /// <summary>The body, or its format.</summary>
    public SampleArgument? Body { get; init; }

    public IFormatString? BodyFormat { get; init; }

    /// <summary>A complete response of a file: no length is added.</summary>
    public bool Complete { get; init; }

    /// <summary>The connection ends with it, as its file says.</summary>
    public bool Closes { get; init; }

    /// <summary>
    /// Reads a complete response; null and where it is wrong. Field names become lower-case, fields about the connection
    /// are taken out.
    /// </summary>
    public static Reply? FromFile(byte[] content, out int errorAt)
    {
        errorAt = 0;
        var head = new HttpHead();
        byte[] copy = [.. content];
        fixed (byte* p = copy)
        {
            if (head.ParseResponse(p, copy.Length) != ParseResult.Complete)
            {
                return null;
            }

            var fields = new List<(SampleArgument, SampleArgument)>();
            for (int i = 0; i < head.Count; i++)
            {
                var f = head.Fields[i];
                if (f.Known is KnownField.Connection or KnownField.Dropped)
                {
                    continue;
                }

                fields.Add((new(ArgumentType.Text, Latin1(HttpHead.Name(p, f))), new(ArgumentType.Text, Latin1(HttpHead.Value(p, f)))));
            }

            return new Reply
            {
                Status = head.Status, Reason = Encoding.Latin1.GetString(p + head.Target, head.TargetLength), Minor = head.Minor,
                FixedHeaders = fields, Complete = true, Closes = head.Close,
                Body = new(ArgumentType.Text, Encoding.Latin1.GetString(copy, head.Length, copy.Length - head.Length)),
            };
        }
    }

    /// <summary>An errorloc: a redirect.</summary>
    public static Reply Location(int status, string url) => new()
    {
        Status = status,
        Reason = status == 302 ? "Found" : StatusTexts.Reason(status),
        Complete = true,
        FixedHeaders =
        [
            (new(ArgumentType.Text, "cache-control"), new(ArgumentType.Text, "no-cache")),
            (ContentLengthName, new(ArgumentType.Text, "0")),
            (new(ArgumentType.Text, "location"), new(ArgumentType.Text, url)),
        ],
        Body = new(ArgumentType.Text, ""),
    };

    /// <summary>Writes it into the scope's response; false where a text cannot be made.</summary>
    public bool Write(RuleRun run)
    {
        var m = run.Scope.Response;
        m.Clear();
        m.Present = true;
        m.Status = Status;
        m.Minor = Minor;
        m.Closes = Closes;
        if (Status == 0)
        {
            return true;
        }

        string reason = Reason ?? StatusTexts.Reason(Status);
        Span<byte> text = stackalloc byte[reason.Length];
        _ = Encoding.Latin1.GetBytes(reason, text);
        byte* p = run.Keep(text);
        if (p == null)
        {
            return false;
        }

        m.SetReason(p, reason.Length);
        foreach (var (name, value) in FixedHeaders)
        {
            m.Add(name.Data, name.Length, value.Data, value.Length, Known(name.Bytes));
        }

        foreach (var (name, format) in Headers)
        {
            byte* value = run.Format(format, out int length);
            if (value == null || !m.Add(name.Data, name.Length, value, length))
            {
                return false;
            }
        }

        return WriteBody(run, m);
    }

    private bool WriteBody(RuleRun run, HttpMessage m)
    {
        byte* body = null;
        int length = 0;
        if (BodyFormat is not null)
        {
            body = run.Format(BodyFormat, out length);
            if (body == null)
            {
                return false;
            }
        }
        else if (Body is not null)
        {
            body = Body.Data;
            length = Body.Length;
        }

        m.SetBody(body, length, complete: true);
        if (Complete)
        {
            return true;
        }

        if (Status is not (204 or < 200))
        {
            Span<byte> digits = stackalloc byte[11];
            _ = System.Buffers.Text.Utf8Formatter.TryFormat(length, digits, out int n);
            byte* p = run.Keep(digits[..n]);
            if (p == null || !m.Add(ContentLengthName.Data, ContentLengthName.Length, p, n, KnownField.ContentLength))
            {
                return false;
            }
        }

        return ContentType is null || length == 0
            || m.Add(ContentTypeName.Data, ContentTypeName.Length, ContentType.Data, ContentType.Length);
    }

    private static KnownField Known(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("content-length"u8) ? KnownField.ContentLength
            : name.SequenceEqual("transfer-encoding"u8) ? KnownField.TransferEncoding : KnownField.Other;

    private static string Latin1(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);
}
