using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>crypt(3): one-way encryption of passwords.</summary>
public static unsafe partial class PasswordHash
{
    private static readonly Lock Gate = new();

    /// <summary>The hash of a password by a setting (an earlier hash serves); null where it is not supported.</summary>
    public static string? Crypt(string password, string setting)
    {
        try
        {
            lock (Gate)
            {
                return Marshal.PtrToStringUTF8(crypt(password, setting));
            }
        }
        catch (DllNotFoundException)
        {
            return null;
        }
    }

    [LibraryImport("libcrypt.so.1", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint crypt(string password, string setting);
}
