using Buoy.Network.GuardHost;

namespace Buoy.Lab;

/// <summary>
/// Cuts a node off from a UDP port and nothing else, so that the ring breaks while its segment stays whole:
/// <c>buoy lab cut PORT</c>, <c>buoy lab mend</c>; <c>buoy lab rules</c> names the resources whose addresses have
/// rules.
/// Run inside the node.
/// </summary>
internal static class LabCut
{
    public static int Run(string[] args)
    {
        using var session = NftSession.Open(out string? why);
        if (session is null)
        {
            Console.Error.WriteLine($"buoy lab {args[0]}: {why}");
            return 1;
        }

        switch (args)
        {
            case ["cut", var text] when ushort.TryParse(text, out ushort port):
                session.DropUdp("lab-cut", port);
                return 0;
            case ["mend"]:
                session.Lift("lab-cut");
                return 0;
            case ["rules"]:
                Console.WriteLine(string.Join(' ', session.Resources().Order()));
                return 0;
            default:
                Console.Error.WriteLine("buoy lab: expected cut PORT or mend");
                return 64;
        }
    }
}
