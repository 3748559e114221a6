using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>Users and groups by name, through the C library's name services.</summary>
public static unsafe partial class ProcessAccounts
{
    /// <summary>struct passwd and struct group begin with two pointers (name, password), then the number.</summary>
    private const int IdOffset = 16;
    private static readonly Lock Gate = new();

    /// <summary>getpwnam(3): the number of a user, null = there is none of that name.</summary>
    public static int? FindUser(string name)
    {
        lock (Gate)
        {
            byte* entry = getpwnam(name);
            return entry is null ? null : *(int*)(entry + IdOffset);
        }
    }

    /// <summary>getgrnam(3): the number of a group, null = there is none of that name.</summary>
    public static int? FindGroup(string name)
    {
        lock (Gate)
        {
            byte* entry = getgrnam(name);
            return entry is null ? null : *(int*)(entry + IdOffset);
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial byte* getpwnam(string name);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial byte* getgrnam(string name);
}
