using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Buoy.Membership.Configuration;

namespace Buoy.Membership.Transport;

/// <summary>
/// A key with its algorithms: encrypt-then-MAC, AES-CBC with a random IV, HMAC over everything before the tag, compared in
/// constant time; both keys derived from the secret and the cluster's name (HKDF). Corosync's crypto_cipher names no
/// other mode; the configuration refuses what it refuses (aes256-gcm, for one).
/// </summary>
public sealed class SealKey : IDisposable
{
    private const int IvSize = 16;
    private readonly Aes? _aes;
    private readonly IncrementalHash? _mac;

    /// <summary>Derives the keys. Throws <see cref="ArgumentException"/> for a secret that is too short.</summary>
    /// <param name="secret">Contents of the key file; empty without crypto.</param>
    public SealKey(CryptoSettings crypto, ReadOnlySpan<byte> secret, string cluster)
    {
        if (!crypto.Enabled)
        {
            return;
        }

        if (secret.Length < DatagramSeal.MinKeySize)
        {
            throw new ArgumentException(
                $"the key has {secret.Length} bytes; {DatagramSeal.MinKeySize} or more are needed", nameof(secret));
        }

        (HashAlgorithmName hash, TagSize, int code) = crypto.Hash switch
        {
            "md5" => (HashAlgorithmName.MD5, 16, 1),
            "sha1" => (HashAlgorithmName.SHA1, 20, 2),
            "sha384" => (HashAlgorithmName.SHA384, 48, 4),
            "sha512" => (HashAlgorithmName.SHA512, 64, 5),
            _ => (HashAlgorithmName.SHA256, 32, 3),
        };
        Protection = (byte)((code << 4) | (crypto.KeyBits / 64));
        byte[] key = secret.ToArray();
        byte[] salt = Encoding.UTF8.GetBytes(cluster);
        _mac = IncrementalHash.CreateHMAC(
            hash, HKDF.DeriveKey(HashAlgorithmName.SHA256, key, TagSize, salt, "buoy ring authentication"u8.ToArray()));
        Id = BinaryPrimitives.ReadUInt64LittleEndian(
            HKDF.DeriveKey(HashAlgorithmName.SHA256, key, 8, salt, "buoy ring key id"u8.ToArray())) ^ Protection;
        if (crypto.KeyBits > 0)
        {
            _aes = Aes.Create();
            _aes.Key = HKDF.DeriveKey(HashAlgorithmName.SHA256, key, crypto.KeyBits / 8, salt,
                "buoy ring encryption"u8.ToArray());
        }

        CryptographicOperations.ZeroMemory(key);
    }

    /// <summary>Names key and algorithms without telling anything of them; 0 without crypto.</summary>
    public ulong Id { get; }

    /// <summary>Code of the algorithms in the envelope; 0 without crypto.</summary>
    public byte Protection { get; }

    /// <summary>Bytes of the tag; 0 without crypto.</summary>
    public int TagSize { get; }

    /// <summary>Bytes added to a message at most, the envelope's header not counted.</summary>
    public int Overhead => TagSize + (_aes is null ? 0 : IvSize + 16);

    /// <summary>Bytes that cannot be missing.</summary>
    internal int LeastOverhead => Overhead;

    internal int Seal(ReadOnlySpan<byte> message, Span<byte> to, int header)
    {
        int length = header;
        if (_aes is not null)
        {
            var iv = to.Slice(length, IvSize);
            RandomNumberGenerator.Fill(iv);
            length += IvSize;
            length += _aes.EncryptCbc(message, iv, to[length..]);
        }
        else
        {
            message.CopyTo(to[length..]);
            length += message.Length;
        }

        if (_mac is not null)
        {
            _mac.AppendData(to[..length]);
            length += _mac.GetHashAndReset(to[length..]);
        }

        return length;
    }

    internal bool IsAuthentic(ReadOnlySpan<byte> datagram)
    {
        if (_mac is null)
        {
            return true;
        }

        Span<byte> tag = stackalloc byte[64];
        _mac.AppendData(datagram[..^TagSize]);
        int n = _mac.GetHashAndReset(tag);
        return CryptographicOperations.FixedTimeEquals(tag[..n], datagram[^TagSize..]);
    }

    internal bool TryOpen(ReadOnlySpan<byte> body, Span<byte> plain, out int length)
    {
        if (_aes is null)
        {
            body.CopyTo(plain);
            length = body.Length;
            return true;
        }

        length = 0;
        return body.Length % 16 == 0 && _aes.TryDecryptCbc(body[IvSize..], body[..IvSize], plain, out length);
    }

    /// <summary>Frees the keys.</summary>
    public void Dispose()
    {
        _aes?.Dispose();
        _mac?.Dispose();
    }
}
