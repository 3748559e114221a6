using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>An IPv4 address of an interface that is up, in host byte order.</summary>
public readonly record struct UdpInterface(string Name, uint Address, uint Netmask);

/// <summary>The host's IPv4 addresses, by getifaddrs(3).</summary>
public static unsafe partial class UdpInterfaces
{
    /// <summary>All of interfaces that are up, in the kernel's order. Throws <see cref="LinuxException"/>.</summary>
    public static IReadOnlyList<UdpInterface> List()
    {
        IfAddrs* first;
        if (getifaddrs(&first) != 0)
        {
            throw new LinuxException("getifaddrs", Marshal.GetLastPInvokeError());
        }

        var found = new List<UdpInterface>();
        for (var i = first; i != null; i = i->Next)
        {
            if (i->Address != null && i->Netmask != null && *(ushort*)i->Address == 2 && (i->Flags & 1) != 0)
            {
                found.Add(new UdpInterface(Marshal.PtrToStringUTF8((nint)i->Name) ?? "", Read(i->Address),
                    Read(i->Netmask)));
            }
        }

        freeifaddrs(first);
        return found;
    }

    private static uint Read(byte* sockaddr) =>
        System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(new ReadOnlySpan<byte>(sockaddr + 4, 4));

    [StructLayout(LayoutKind.Sequential)]
    private struct IfAddrs
    {
        public IfAddrs* Next;
        public byte* Name;
        public uint Flags;
        public byte* Address;
        public byte* Netmask;
        public byte* Destination;
        public void* Data;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getifaddrs(IfAddrs** first);

    [LibraryImport("libc")]
    private static partial void freeifaddrs(IfAddrs* first);
}
