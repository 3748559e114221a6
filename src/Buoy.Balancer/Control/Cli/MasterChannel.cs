using System.Runtime.InteropServices;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Control.Cli;

/// <summary>
/// What the runtime API hands from process to process. A worker's end of the socket pair to its master takes connections:
/// each message carries one as a descriptor (the original's <c>sockpair@</c>). <c>_getsocks</c> hands over the listening
/// sockets: their number (4 bytes), then messages with at most 252 of them, for each of which the bytes say: length and name
/// of its network namespace, length and name of its interface, 4 bytes of options.
/// </summary>
internal static class MasterChannel
{
    /// <summary>Takes what came over a channel: connections, or null when the master is gone.</summary>
    public static List<int>? Accept(int channel)
    {
        var found = new List<int>();
        Span<byte> bytes = stackalloc byte[2];
        int n = DescriptorPassing.Receive(channel, bytes, found);
        return n > 0 || n is -ControlSocket.EAgain or -ControlSocket.EIntr ? found : null;
    }

    /// <summary>Answers <c>_getsocks</c>; what does not fit into the socket's buffer at once is a failure (false).</summary>
    public static bool SendSockets(int fd, IReadOnlyList<ListeningSocket> sockets)
    {
        int count = sockets.Count;
        if (ControlSocket.Send(fd, MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in count))) != sizeof(int))
        {
            return false;
        }

        foreach (var batch in sockets.Chunk(DescriptorPassing.MaxPerMessage))
        {
            var about = new List<byte>();
            foreach (var s in batch)
            {
                about.Add(0);
                about.Add((byte)s.Interface.Length);
                about.AddRange(s.Interface.Select(c => (byte)c));
                about.AddRange([0, 0, 0, 0]);
            }

            if (DescriptorPassing.Send(fd, CollectionsMarshal.AsSpan(about), [.. batch.Select(s => s.Fd)]) != about.Count)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// The other side of <see cref="SendSockets"/>: asks a connected socket and waits at most a second for each part.
    /// Null: the answer makes no sense, and nothing was taken.
    /// </summary>
    public static List<ListeningSocket>? Fetch(int fd)
    {
        const int Patience = 1000, Most = 65536, Longest = 1 + 255 + 1 + 255 + 4;
        DescriptorPassing.LimitReceive(fd, Patience);
        var descriptors = new List<int>();
        Span<byte> head = stackalloc byte[4];
        if (ControlSocket.Send(fd, "_getsocks\n"u8) < 0
            || DescriptorPassing.Receive(fd, head, descriptors, all: true) != 4
            || BitConverter.ToInt32(head) is < 0 or > Most)
        {
            return null;
        }

        int count = BitConverter.ToInt32(head);
        var bytes = new List<byte>();
        byte[] buffer = new byte[Longest * DescriptorPassing.MaxPerMessage];
        while (descriptors.Count < count)
        {
            int n = DescriptorPassing.Receive(fd, buffer, descriptors);
            if (n <= 0)
            {
                break;
            }

            bytes.AddRange(buffer.AsSpan(0, n));
            _ = ControlSocket.Send(fd, [0, 0, 0, 0]);
        }

        var found = new List<ListeningSocket>();
        int at = 0;
        foreach (int socket in descriptors)
        {
            if (at + 1 > bytes.Count)
            {
                break;
            }

            bool elsewhere = bytes[at] > 0;
            at += 1 + bytes[at];
            int length = at < bytes.Count ? bytes[at] : 0;
            if (at + 1 + length + 4 > bytes.Count)
            {
                break;
            }

            string device = string.Concat(Enumerable.Range(at + 1, length).Select(i => (char)bytes[i]));
            at += 1 + length + 4;
            if (elsewhere)
            {
                ProcessControl.Close(socket);
            }

            found.Add(new ListeningSocket(elsewhere ? -1 : socket, device));
        }

        if (found.Count == count)
        {
            return [.. found.Where(s => s.Fd >= 0)];
        }

        descriptors.ForEach(ProcessControl.Close);
        return null;
    }
}
