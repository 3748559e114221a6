using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>errorloc, errorloc302, errorloc303, errorfiles and http-error (manual 4.2).</summary>
internal sealed class ErrorParser(RuleSection section)
{
    private readonly ParseContext _context = section.Context;

    public void Parse()
    {
        string k = _context.Keyword;
        switch (k)
        {
            case "errorfiles":
                Group();
                break;
            case "http-error":
                HttpError();
                break;
            default:
                Location(k);
                break;
        }
    }

    private void Location(string k)
    {
        if (_context[2].Length == 0)
        {
            _context.Alert($"{k} : expects <status_code> and <url> as arguments.");
            return;
        }

        int status = Units.Atoi(_context[1]);
        if (!StatusTexts.HasPage(status))
        {
            _context.Alert($"{k} : status code '{status}' not handled.");
            return;
        }

        section.Rules.Errors[status] = Reply.Location(k == "errorloc303" ? 303 : 302, _context[2]);
        section.Settings.ErrorFiles.Remove(status);
    }

    private void Group()
    {
        if (_context[1].Length == 0)
        {
            _context.Alert("errorfiles : expects <name> as argument.");
            return;
        }

        var codes = new List<int>();
        for (int i = 2; i < _context.Words.Count; i++)
        {
            int status = Units.Atoi(_context[i]);
            if (!StatusTexts.HasPage(status))
            {
                _context.Alert($"errorfiles : status code '{status}' not handled.");
                return;
            }

            codes.Add(status);
        }

        Later(_context[1], codes);
    }

    private void Later(string name, IReadOnlyList<int> codes)
    {
        section.Rules.ErrorGroups.Add(new ErrorGroupReference(name, codes, _context.Place));
    }

    private void HttpError()
    {
        if (_context[1].Length == 0)
        {
            _context.Alert("http-error : expects at least a <status> as arguments.");
            return;
        }

        var reader = new ActionReader(section, _context.Words, 0, "http-error") { Places = SamplePlaces.None };
        if (!ReplyParser.Error(reader, out int status, out var reply, out string? group))
        {
            _context.Alert($"http-error : {reader.Error.TrimEnd('.')}{(reader.Error.Contains("error opening") ? "." : "")}");
            return;
        }

        if (!StatusTexts.HasPage(status))
        {
            _context.Alert($"http-error: status code '{status}' not handled.");
            return;
        }

        if (group is not null)
        {
            Later(group, [status]);
            return;
        }

        section.Rules.Errors[status] = reply ?? StatusTexts.Page(status);
        section.Settings.ErrorFiles.Remove(status);
    }
}
