using System.Globalization;
using System.Net.Sockets;
using Buoy.Control;

namespace Buoy.Lab;

/// <summary>
/// <c>buoy lab managed POLICY FILE</c>: a process that the availability manager keeps: it writes its pid and instance to the
/// file, says that it is alive every tenth of a second, and is silent while FILE.hang exists.
/// </summary>
internal static class LabManaged
{
    public static int Run(string[] args)
    {
        using var client = ServiceClient.TryConnect() ?? throw new LabException("no daemon answers");
        client.Register("managed", args[0], 1000, 15, Environment.ProcessPath!, "lab", "managed", args[0], args[1]);
        bool runs = false;
        while (true)
        {
            // Once it may run it says every tenth of a second that it is alive; the daemon's word comes in between.
            if (runs && !client.HasBuffered && !client.Socket.Poll(TimeSpan.FromMilliseconds(100), SelectMode.SelectRead))
            {
                if (!File.Exists(args[1] + ".hang"))
                {
                    client.Alive();
                }

                continue;
            }

            if (!client.Read(out var e))
            {
                return 1;
            }

            switch (e.Kind)
            {
                case ServiceProtocol.Registered:
                    File.WriteAllText(args[1], string.Create(
                        CultureInfo.InvariantCulture, $"{Environment.ProcessId} {ServiceClient.InstanceOf(e)}"));
                    client.Begin();
                    break;
                case ServiceProtocol.MayRun:
                    runs = true;
                    break;
                default:
                    Console.Error.WriteLine(e.Text);
                    return 1;
            }
        }
    }
}
