using System.Text;

namespace Buoy.Balancer.Engine;

/// <content>http-send-name-header (configuration manual 4.2): the server is told its name.</content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>
    /// Puts the field with the chosen server's name at the end of the head of a request, in the place of all that have
    /// that name; the result is held. Done at every choice, so that a redispatched request names its new server. False
    /// where the head becomes too long.
    /// </summary>
    private bool TellName(Conn* c, string field, byte* data, int length)
    {
        string name = field.ToLowerInvariant();
        byte[] line = Encoding.Latin1.GetBytes($"{name}: {_config.Servers[c->Server].Name}\r\n");
        var all = new ReadOnlySpan<byte>(data, length);
        int end = all.IndexOf("\r\n\r\n"u8) + 2;
        if (end < 2 || length + line.Length > ScratchSize)
        {
            return false;
        }

        var into = new Span<byte>(_headOut, ScratchSize);
        int to = 0;
        for (int at = 0; at < end;)
        {
            var one = all[at..end];
            one = one[..(one.IndexOf((byte)'\n') + 1)];
            if (at == 0 || one.Length <= name.Length || one[name.Length] != ':'
                || !Ascii.EqualsIgnoreCase(one[..name.Length], name))
            {
                one.CopyTo(into[to..]);
                to += one.Length;
            }

            at += one.Length;
        }

        line.CopyTo(into[to..]);
        to += line.Length;
        all[end..].CopyTo(into[to..]);
        Hold(c, _headOut, to + length - end);
        return true;
    }
}
