using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>Text that stands for itself where a format may stand.</summary>
internal sealed unsafe class TextFormat(string text) : IFormatString
{
    private readonly SampleArgument _text = new(ArgumentType.Text, text);

    public int Write(SampleScope scope, byte* into, int capacity)
    {
        int length = Math.Min(_text.Length, capacity);
        _text.Bytes[..length].CopyTo(new Span<byte>(into, length));
        return length;
    }
}
