using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Logging;

/// <summary>
/// <c>sample RANGES:SIZE</c> of a log line (configuration manual 4.2 "log"): of SIZE messages in a row those whose number is
/// in one of the ranges are sent.
/// </summary>
public sealed record LogSampling(IReadOnlyList<(int Low, int High)> Ranges, int Size)
{
    /// <summary>Reads the argument; errors as the original's.</summary>
    internal static LogSampling Parse(string text)
    {
        int colon = text.IndexOf(':');
        if (colon < 0)
        {
            throw new ConfigurationException("Missing sample size");
        }

        string ranges = text[..colon];
        string sizeText = text[(colon + 1)..];
        if (Units.Atol(sizeText, out string rest) is not (> 0 and <= int.MaxValue and var size) || rest.Length > 0)
        {
            throw new ConfigurationException($"wrong sample size '{sizeText}' for sample range '{ranges}'");
        }

        var list = new List<(int Low, int High)>();
        foreach (string range in ranges.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] ends = range.Split('-', 2);
            int low = Number(ends[0]);
            int high = ends.Length > 1 ? Number(ends[1]) : low;
            if (low < 1 || high < low)
            {
                throw new ConfigurationException($"wrong sample range '{range}'");
            }

            list.Add((low, high));
        }

        if (list.Count == 0)
        {
            throw new ConfigurationException("no sampling ranges given");
        }

        list.Sort();
        for (int i = 1; i < list.Count; i++)
        {
            if (list[i].Low <= list[i - 1].High)
            {
                throw new ConfigurationException("ranges are overlapping");
            }
        }

        return size >= list[^1].High ? new LogSampling(list, (int)size) : throw new ConfigurationException(
            $"sample size {size} should be greater or equal to {list[^1].High} the maximum of the high ranges limits");
    }

    /// <summary>Is message number <paramref name="n"/>, counted from 0, one of the sample?</summary>
    public bool Takes(long n)
    {
        int at = (int)(n % Size) + 1;
        foreach (var (low, high) in Ranges)
        {
            if (at >= low && at <= high)
            {
                return true;
            }
        }

        return false;
    }

    private static int Number(string text) =>
        Units.Atol(text, out string rest) is > 0 and <= int.MaxValue and var n && rest.Length == 0 ? (int)n : 0;
}
