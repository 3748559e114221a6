using System.Globalization;

namespace Buoy.Linux;

/// <summary>What the kernel tells of another process's scheduling (proc(5)).</summary>
public static class ProcessTimes
{
    /// <summary>
    /// Milliseconds that the threads of a process were ready to run and had no processor, summed; 0 where the kernel
    /// does not count it or the process is gone.
    /// </summary>
    public static long WaitedMs(int pid)
    {
        long sum = 0;
        try
        {
            foreach (string task in Directory.EnumerateDirectories($"/proc/{pid}/task"))
            {
                // Time on a processor, time waiting for one (both ns), slices.
                string[] f = File.ReadAllText(task + "/schedstat").Split(' ');
                sum += f.Length > 1 && long.TryParse(f[1], CultureInfo.InvariantCulture, out long waited) ? waited : 0;
            }
        }
        catch (IOException)
        {
            // A thread or the process ended while we read: what was read so far counts.
        }
        catch (UnauthorizedAccessException)
        {
            // Not ours to see: nothing is known.
        }

        return sum / 1_000_000;
    }

    /// <summary>A debugger or tracer is attached.</summary>
    public static bool IsTraced(int pid)
    {
        try
        {
            return File.ReadLines($"/proc/{pid}/status").FirstOrDefault(
                static l => l.StartsWith("TracerPid:", StringComparison.Ordinal)) is { } line && line[10..].Trim() != "0";
        }
        catch (IOException)
        {
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }
}
