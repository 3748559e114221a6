using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Buoy.Balancer.Tests")]
[module: SkipLocalsInit]
