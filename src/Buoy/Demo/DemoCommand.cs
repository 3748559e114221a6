using System.CommandLine;

namespace Buoy.Demo;

/// <summary><c>buoy demo</c>: the command line.</summary>
internal static class DemoCommand
{
    /// <summary>Parses and runs; 0 = every event ended well.</summary>
    public static int Run(string[] args)
    {
        var keep = new Option<bool>("--keep") { Description = "leave it running, with the stats page on 127.0.0.1, until Ctrl-C" };
        var json = new Option<bool>("--json") { Description = "print the figures as JSON, nothing else" };
        var files = new Option<string?>("--files") { Description = "folder with haproxy.cfg, corosync.conf and cluster.crm to use", HelpName = "DIR" };
        var streams = new Option<int>("--streams") { Description = "watch streams held open", DefaultValueFactory = _ => 5 };
        var root = new RootCommand(
            "Two nodes keep one floating address with a working load balancer behind it, on this machine, in network namespaces:\n" +
            "servers, balancer, nodes fail and move while a client counts what it notices.")
        { keep, json, files, streams };
        int status = 0;
        root.SetAction(parsed =>
        {
            using var demo = new DemoScript(new DemoOptions(
                parsed.GetValue(keep), parsed.GetValue(json), parsed.GetValue(files), parsed.GetValue(streams)));
            status = demo.Run();
        });
        int usage = root.Parse(args).Invoke();
        return usage != 0 ? usage : status;
    }
}
