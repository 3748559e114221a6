using System.Text;

namespace Buoy.Agents;

/// <summary>
/// Cuts a stream of bytes into lines. A line longer than the limit is cut there; nothing grows without end.
/// </summary>
internal sealed class LineBuffer(Action<string> line)
{
    private const int MaxLine = 4096;
    private readonly byte[] _buffer = new byte[MaxLine];
    private int _length;

    public void Add(ReadOnlySpan<byte> data)
    {
        foreach (byte b in data)
        {
            if (b == (byte)'\n')
            {
                Flush(always: true);
            }
            else
            {
                _buffer[_length++] = b;
                if (_length == MaxLine)
                {
                    Flush(always: true);
                }
            }
        }
    }

    /// <summary>What is there without an end of line, at the end of the stream.</summary>
    public void End() => Flush(always: false);

    private void Flush(bool always)
    {
        if (always || _length > 0)
        {
            line(Encoding.UTF8.GetString(_buffer, 0, _length).TrimEnd('\r'));
            _length = 0;
        }
    }
}
