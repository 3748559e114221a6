using System.Text;
using Buoy.Linux;

namespace Buoy.Balancer.Host;

/// <summary>
/// Writes to a standard descriptor itself. <see cref="Console"/> would duplicate it, and a daemon would keep its starter's
/// output open for ever.
/// </summary>
internal sealed class DescriptorWriter(int fd) : TextWriter
{
    public override Encoding Encoding => Encoding.Latin1;

    public override void Write(char value) => Write(value.ToString());

    public override void Write(string? value) => ProcessControl.Write(fd, Encoding.GetBytes(value ?? ""));

    public override void WriteLine(string? value) => Write(value + "\n");
}
