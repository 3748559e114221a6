using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>The arguments of return, deny, tarpit and http-error.</summary>
internal static class ReplyParser
{
    private const int LongestBody = 16384;

    public static RuleAction? Return(ActionReader r)
    {
        var p = new Parts { Status = 200, Least = 200, Most = 599 };
        return Read(r, p) && Build(r, p, always: true, out var reply)
            ? Late(r, p, new ReplyAction(RuleResult.Reply, p.Status, reply, 'L')) : null;
    }

    public static RuleAction? Deny(ActionReader r)
    {
        bool tarpit = r.Name == "tarpit";
        var p = new Parts { Status = tarpit ? 500 : r.Response ? 502 : 403, Least = 200, Most = 599 };
        if (r[0] == "deny_status")
        {
            r.At++;
            string text = r.Take();
            if (text.Length == 0)
            {
                return r.Fail("'deny_status' expects <status_code> as argument");
            }

            int status = Units.Atoi(text);
            if (status is < 200 or > 599)
            {
                return r.Fail($"Unexpected status code '{status}'");
            }

            p.Status = status;
            return new ReplyAction(tarpit ? RuleResult.Tarpit : RuleResult.Reply, status, null, 'P');
        }

        return Read(r, p) && Build(r, p, always: false, out var reply)
            ? Late(r, p, new ReplyAction(tarpit ? RuleResult.Tarpit : RuleResult.Reply, p.Status, reply, 'P')) : null;
    }

    /// <summary>http-error's: null where the section's page is meant.</summary>
    public static bool Error(ActionReader r, out int status, out Reply? reply, out string? group)
    {
        var p = new Parts { Status = 0, Least = 200, Most = 599 };
        reply = null;
        status = 0;
        group = null;
        if (!Read(r, p))
        {
            return false;
        }

        status = p.Status;
        group = p.Group;
        return Build(r, p, always: true, out reply);
    }

    private sealed class Parts
    {
        public int Status { get; set; }

        public required int Least { get; init; }

        public required int Most { get; init; }

        public bool StatusGiven { get; set; }

        public string? ContentType { get; set; }

        public List<(SampleArgument, IFormatString)> Headers { get; } = [];

        public SampleArgument? Body { get; set; }

        public IFormatString? Format { get; set; }

        public Reply? File { get; set; }

        public bool DefaultPage { get; set; }

        public string? Group { get; set; }

        public bool Any { get; set; }
    }

    private static bool Read(ActionReader r, Parts p)
    {
        while (!r.Ended)
        {
            string word = r.Take();
            switch (word)
            {
                case "status" when r[0].Length == 0:
                    return Wrong(r, "'status' expects <status_code> as argument");
                case "status":
                    p.Status = Units.Atoi(r.Take());
                    p.StatusGiven = p.Any = true;
                    if (p.Status < p.Least || p.Status > p.Most)
                    {
                        return Wrong(r, $"Unexpected status code '{p.Status}'");
                    }

                    break;
                case "content-type" when r[0].Length == 0:
                    return Wrong(r, "'content-type' expects <ctype> as argument");
                case "content-type":
                    p.ContentType = r.Take();
                    p.Any = true;
                    break;
                case "hdr" when r[0].Length == 0 || r[1].Length == 0:
                    return Wrong(r, "'hdr' expects <name> and <value> as arguments");
                case "hdr":
                    var name = new SampleArgument(ArgumentType.Text, r.Take().ToLowerInvariant());
                    if (r.Format(r.Take()) is not { } value)
                    {
                        return false;
                    }

                    p.Headers.Add((name, value));
                    p.Any = true;
                    break;
                case "default-errorfiles":
                    p.DefaultPage = p.Any = true;
                    break;
                case "errorfiles" when r[0].Length == 0:
                    return Wrong(r, "'errorfiles' expects <name> as argument");
                case "errorfiles":
                    p.Group = r.Take();
                    p.Any = true;
                    break;
                case "errorfile" or "file" or "lf-file" or "string" or "lf-string" when r.At >= r.Words.Count:
                    return Wrong(r, word is "string" or "lf-string"
                        ? $"'{word}' expects <str> as argument" : $"'{word}' expects <file> as argument");
                case "errorfile" or "file" or "lf-file":
                    p.Any = true;
                    if (!File(r, p, word, r.Take()))
                    {
                        return false;
                    }

                    break;
                case "string":
                    p.Body = new SampleArgument(ArgumentType.Text, r.Take());
                    p.Any = true;
                    break;
                case "lf-string":
                    p.Any = true;
                    if ((p.Format = r.Format(r.Take())) is null)
                    {
                        return false;
                    }

                    break;
                default:
                    r.At--;
                    return true;
            }
        }

        return true;
    }

    private static bool File(ActionReader r, Parts p, string kind, string path)
    {
        byte[] content;
        try
        {
            content = System.IO.File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return Wrong(r, $"error opening file '{path}'{(kind == "errorfile" ? "." : "")}");
        }

        if (kind == "errorfile")
        {
            p.File = Reply.FromFile(content, out int at);
            return p.File is not null || Wrong(r, $"'{path}': unable to parse headers (error offset: {at}).");
        }

        if (content.Length > LongestBody)
        {
            return Wrong(r, $"file '{path}' exceeds the buffer size ({content.Length} > {LongestBody})");
        }

        string text = Encoding.Latin1.GetString(content);
        if (kind == "file")
        {
            p.Body = new SampleArgument(ArgumentType.Text, text);
            return true;
        }

        p.Format = r.Format(text);
        return p.Format is not null;
    }

    private static bool Build(ActionReader r, Parts p, bool always, out Reply? reply)
    {
        reply = null;
        bool body = p.Body is { Length: > 0 } || p.Format is not null;
        if (p.Group is not null)
        {
            return true;
        }

        if (p.DefaultPage || p.File is not null)
        {
            if (p.Headers.Count > 0)
            {
                r.Section.Context.Warning("hdr parameters ignored by the http reply when used with an erorrfile.");
            }

            reply = p.File;
            return true;
        }

        if (body && p.ContentType is null)
        {
            return Wrong(r, "a content type must be defined when non-empty payload is configured");
        }

        if (body && p.Status is 204 or 304 && body)
        {
            return Wrong(r, $"No body expected for {p.Status} responses");
        }

        if (!body && p.ContentType is not null)
        {
            r.Section.Context.Warning($"content-type '{p.ContentType}' ignored by the http reply because neither errorfile nor "
                + "payload defined.");
        }

        if (!always && !p.StatusGiven && !body && p.Headers.Count == 0)
        {
            return true;
        }

        reply = new Reply
        {
            Status = p.Status, Headers = p.Headers, Body = p.Body, BodyFormat = p.Format,
            ContentType = p.ContentType is null ? null : new SampleArgument(ArgumentType.Text, p.ContentType),
        };
        return true;
    }

    /// <summary>A page of an http-errors section, which may be declared later.</summary>
    private static ReplyAction Late(ActionReader r, Parts p, ReplyAction action)
    {
        if (p.Group is { } name)
        {
            string proxy = r.Section.Name;
            var state = r.Section.State;
            state.Later.Add(_ =>
            {
                action.Reply = state.ErrorGroups.TryGetValue(name, out var pages) ? pages.GetValueOrDefault(p.Status) : null;
                return pages is null
                    ? $"config : Proxy '{proxy}': unknown http-errors section '{name}' referenced by an http reply ." : null;
            });
        }

        return action;
    }

    private static bool Wrong(ActionReader r, string error)
    {
        r.Fail(error);
        return false;
    }
}
