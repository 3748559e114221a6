using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>An address of an interface that is up.</summary>
/// <param name="Index">The interface's number.</param>
/// <param name="Mtu">The interface's MTU, bytes.</param>
public readonly record struct UdpInterface(string Name, uint Index, UdpAddress Address, UdpAddress Netmask, int Mtu);

/// <summary>The host's IPv4 and IPv6 addresses, by getifaddrs(3).</summary>
public static unsafe partial class UdpInterfaces
{
    private const int DefaultMtu = 1500;

    /// <summary>All of interfaces that are up, in the kernel's order. Throws <see cref="LinuxException"/>.</summary>
    public static IReadOnlyList<UdpInterface> List()
    {
        IfAddrs* first;
        if (getifaddrs(&first) != 0)
        {
            throw new LinuxException("getifaddrs", Marshal.GetLastPInvokeError());
        }

        var found = new List<UdpInterface>();
        int fd = socket_(2, 2 | 0x80000, 0);
        for (var i = first; i != null; i = i->Next)
        {
            if (i->Address != null && i->Netmask != null && *(ushort*)i->Address is 2 or 10 && (i->Flags & 1) != 0)
            {
                string name = Marshal.PtrToStringUTF8((nint)i->Name) ?? "";
                uint index = if_nametoindex(i->Name);
                found.Add(new UdpInterface(name, index, Read(i->Address), Read(i->Netmask), MtuOf(fd, i->Name)));
            }
        }

        if (fd >= 0)
        {
            _ = close(fd);
        }

        freeifaddrs(first);
        return found;
    }

    /// <summary>SIOCGIFMTU of netdevice(7).</summary>
    private static int MtuOf(int fd, byte* name)
    {
        byte* request = stackalloc byte[40];
        new Span<byte>(request, 40).Clear();
        for (int i = 0; i < 15 && name[i] != 0; i++)
        {
            request[i] = name[i];
        }

        return fd >= 0 && ioctl(fd, 0x8921, request) == 0 ? *(int*)(request + 16) : DefaultMtu;
    }

    private static UdpAddress Read(byte* sockaddr) => *(ushort*)sockaddr == 10
        ? new UdpAddress(BinaryPrimitives.ReadUInt128BigEndian(new ReadOnlySpan<byte>(sockaddr + 8, 16)), true,
            *(uint*)(sockaddr + 24))
        : UdpAddress.V4(BinaryPrimitives.ReadUInt32BigEndian(new ReadOnlySpan<byte>(sockaddr + 4, 4)));

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

    [LibraryImport("libc")]
    private static partial uint if_nametoindex(byte* name);

    [LibraryImport("libc", EntryPoint = "socket")]
    private static partial int socket_(int domain, int type, int protocol);

    [LibraryImport("libc")]
    private static partial int ioctl(int fd, ulong request, void* argument);

    [LibraryImport("libc")]
    private static partial int close(int fd);
}
