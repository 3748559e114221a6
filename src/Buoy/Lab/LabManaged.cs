using System.Globalization;
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
        while (client.Read(out var e))
        {
            switch (e.Kind)
            {
                case ServiceProtocol.Registered:
                    File.WriteAllText(args[1], string.Create(
                        CultureInfo.InvariantCulture, $"{Environment.ProcessId} {ServiceClient.InstanceOf(e)}"));
                    client.Begin();
                    break;
                case ServiceProtocol.MayRun:
                    while (true)
                    {
                        if (!File.Exists(args[1] + ".hang"))
                        {
                            client.Alive();
                        }

                        Thread.Sleep(100);
                    }

                default:
                    Console.Error.WriteLine(e.Text);
                    return 1;
            }
        }

        return 1;
    }
}
