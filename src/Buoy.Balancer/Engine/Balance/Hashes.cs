using System.Buffers.Binary;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Engine.Balance;

/// <summary>The 32-bit hashes of <c>hash-type</c> (configuration manual 4.2). Their definitions are published ones.</summary>
internal static class Hashes
{
    private static readonly uint[] CrcTable = BuildCrcTable();

    /// <summary>Hash of a key's bytes.</summary>
    public static uint Of(HashTypeConfig type, ReadOnlySpan<byte> key)
    {
        uint h = type.Function switch
        {
            HashFunction.Djb2 => Djb2(key),
            HashFunction.Crc32 => Crc32(key),
            _ => Sdbm(key),
        };
        return type.Avalanche ? Avalanche(h) : h;
    }

    /// <summary>Hash of a client's address: the number itself, IPv6 folded to 32 bits; no function is applied.</summary>
    public static uint OfAddress(HashTypeConfig type, ReadOnlySpan<byte> address)
    {
        uint h = 0;
        for (; address.Length >= 4; address = address[4..])
        {
            h ^= BinaryPrimitives.ReadUInt32BigEndian(address);
        }

        return type.Avalanche ? Avalanche(h) : h;
    }

    public static uint Sdbm(ReadOnlySpan<byte> key)
    {
        uint h = 0;
        foreach (byte b in key)
        {
            h = b + (h << 6) + (h << 16) - h;
        }

        return h;
    }

    /// <summary>Bernstein's, with addition.</summary>
    public static uint Djb2(ReadOnlySpan<byte> key)
    {
        uint h = 5381;
        foreach (byte b in key)
        {
            h = (h * 33) + b;
        }

        return h;
    }

    /// <summary>CRC-32 of IEEE 802.3.</summary>
    public static uint Crc32(ReadOnlySpan<byte> key)
    {
        uint h = uint.MaxValue;
        foreach (byte b in key)
        {
            h = CrcTable[(byte)(h ^ b)] ^ (h >> 8);
        }

        return ~h;
    }

    /// <summary>
    /// Jenkins' integer hash of six shifts with full avalanche, then the multiplication that the original's results
    /// show.
    /// </summary>
    public static uint Avalanche(uint a)
    {
        a = a + 0x7ed55d16 + (a << 12);
        a = a ^ 0xc761c23c ^ (a >> 19);
        a = a + 0x165667b1 + (a << 5);
        a = (a + 0xd3a2646c) ^ (a << 9);
        a = a + 0xfd7046c5 + (a << 3);
        a = a ^ 0xb55a4f09 ^ (a >> 16);
        return a * 0xC0000001;
    }

    private static uint[] BuildCrcTable()
    {
        var table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            uint c = i;
            for (int k = 0; k < 8; k++)
            {
                c = (c >> 1) ^ (0xEDB88320 & (0 - (c & 1)));
            }

            table[i] = c;
        }

        return table;
    }
}
