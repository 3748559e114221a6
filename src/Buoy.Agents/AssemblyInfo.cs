using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Buoy.Agents.Tests")]
