using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Actions;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>The lines of an http-errors section (manual 3.8).</summary>
internal sealed class HttpErrorsParser
{
    private readonly ParseContext _context;
    private readonly Dictionary<int, Reply> _pages = [];

    public HttpErrorsParser(ParseContext context, string name)
    {
        _context = context;
        if (name.Length == 0)
        {
            context.Alert("missing name for http-errors section.");
        }
        else if (Units.BadNameCharacter(name) is { } bad)
        {
            context.Alert($"character '{bad}' is not permitted in 'http-errors' name '{name}'.");
        }
        else if (!context.Rules.ErrorGroups.TryAdd(name, _pages))
        {
            context.Alert($"http-errors section '{name}' already exists");
        }
    }

    public void Parse()
    {
        if (_context.Keyword != "errorfile")
        {
            _context.Alert($"unknown keyword '{_context.Keyword}' in 'http-errors' section");
            return;
        }

        string path = _context[2];
        int status = Units.Atoi(_context[1]);
        if (path.Length == 0)
        {
            _context.Alert("errorfile : expects <status_code> and <file> as arguments.");
            return;
        }

        if (!StatusTexts.HasPage(status))
        {
            _context.Alert($"errorfile : status code '{status}' not handled.");
            return;
        }

        try
        {
            byte[] content = File.ReadAllBytes(path);
            int at = 0;
            var page = content.Length == 0 ? Reply.Nothing : Reply.FromFile(content, out at);
            if (page is null)
            {
                _context.Alert($"errorfile : '{path}': unable to parse headers (error offset: {at})");
                return;
            }

            _pages[status] = page;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            _context.Alert($"errorfile : error opening file '{path}'.");
        }
    }
}
