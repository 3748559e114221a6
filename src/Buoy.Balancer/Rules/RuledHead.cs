using System.Buffers.Text;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules;

/// <summary>Writes a message that rules changed.</summary>
internal static unsafe class RuledHead
{
    /// <summary>Bytes for what is added behind: start line's fixed parts, connection, x-forwarded-for.</summary>
    public const int Reserve = 512;

    /// <summary>Bytes of start line and fields at most.</summary>
    public static int Size(HttpMessage m)
    {
        int size = m.MethodLength + m.UriLength + m.ReasonLength;
        for (int i = 0; i < m.Count; i++)
        {
            size += m.Lines[i].NameLength + m.Lines[i].ValueLength + 4;
        }

        return size;
    }

    /// <summary>The complete head with all its fields, to be parsed again.</summary>
    public static void WriteAsReceived(ref HeadWriter w, HttpMessage m)
    {
        StartLine(ref w, m);
        Lines(ref w, m, hopByHop: true);
        w.End();
    }

    /// <summary>Status line and fields; the end of the head is the caller's.</summary>
    public static void WriteResponse(ref HeadWriter w, HttpMessage m, bool hopByHop = false)
    {
        w.Raw(m.Minor == 0 ? "HTTP/1.0 "u8 : "HTTP/1.1 "u8);
        Span<byte> digits = stackalloc byte[11];
        _ = Utf8Formatter.TryFormat(m.Status, digits, out int n);
        w.Raw(digits[..n]);
        w.Raw(" "u8);
        w.Raw(m.Reason, m.ReasonLength);
        w.Raw("\r\n"u8);
        Lines(ref w, m, hopByHop);
    }

    private static void StartLine(ref HeadWriter w, HttpMessage m)
    {
        w.Raw(m.Method, m.MethodLength);
        w.Raw(" "u8);
        w.Raw(m.Uri, m.UriLength);
        w.Raw(m.Minor == 0 ? " HTTP/1.0\r\n"u8 : " HTTP/1.1\r\n"u8);
    }

    private static void Lines(ref HeadWriter w, HttpMessage m, bool hopByHop)
    {
        for (int i = 0; i < m.Count; i++)
        {
            ref readonly var line = ref m.Lines[i];
            if (line.Known == KnownField.Connection && !hopByHop)
            {
                w.Connection(line.ValueBytes);
                continue;
            }

            w.Raw(line.Name, line.NameLength);
            w.Raw(": "u8);
            w.Raw(line.Value, line.ValueLength);
            w.Raw("\r\n"u8);
        }
    }
}
