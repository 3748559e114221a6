using System.Globalization;
using CsCheck;

namespace Buoy.Tests;

/// <summary>
/// Properties over the same samples in every run: a failure is a failure everywhere, and CsCheck prints its seed
/// (replay: CsCheck_Seed=…). BUOY_SEEDS=n takes n samples where that is more.
/// </summary>
internal static class FixedSamples
{
    public static void SampleFixed<T>(this Gen<T> gen, Action<T> property, int iterations) => gen.SampleFixed(
        value =>
        {
            property(value);
            return true;
        },
        iterations);

    public static void SampleFixed<T1, T2>(this Gen<(T1, T2)> gen, Func<T1, T2, bool> property, int iterations) =>
        gen.SampleFixed(value => property(value.Item1, value.Item2), iterations);

    public static void SampleFixed<T>(this Gen<T> gen, Func<T, bool> property, int iterations)
    {
        string? one = Environment.GetEnvironmentVariable("CsCheck_Seed");
        if (!string.IsNullOrEmpty(one))
        {
            gen.Sample(property, seed: one, iter: 1, threads: 1);
            return;
        }

        int wide = int.TryParse(
            Environment.GetEnvironmentVariable("BUOY_SEEDS"), CultureInfo.InvariantCulture, out int n) ? n : 0;
        for (uint i = 1; i <= Math.Max(iterations, wide); i++)
        {
            gen.Sample(property, seed: new PCG(i % 1000, i).ToString(), iter: 1, threads: 1);
        }
    }
}
