namespace Buoy.Balancer.Rules;

/// <summary>Takes the framing out of chunks whose form was checked already.</summary>
internal static unsafe class ChunkReader
{
    /// <summary>Data bytes written; an incomplete chunk gives what is there of it.</summary>
    public static int Decode(byte* data, int length, byte* into)
    {
        int at = 0;
        int written = 0;
        while (at < length)
        {
            long size = 0;
            while (at < length && char.IsAsciiHexDigit((char)data[at]))
            {
                byte b = data[at++];
                size = Math.Min((size << 4) | (uint)(b <= '9' ? b - '0' : (b | 0x20) - 'a' + 10), int.MaxValue);
            }

            int lf = new ReadOnlySpan<byte>(data + at, length - at).IndexOf((byte)'\n');
            if (lf < 0 || size == 0)
            {
                break;
            }

            at += lf + 1;
            int n = (int)Math.Min(size, length - at);
            Buffer.MemoryCopy(data + at, into + written, n, n);
            written += n;
            at += n + 2;
        }

        return written;
    }
}
