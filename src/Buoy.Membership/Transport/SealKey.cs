using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Buoy.Membership.Configuration;

namespace Buoy.Membership.Transport;

/// <summary>
/// A key with its algorithms: encrypt-then-MAC, AES-CBC with a random IV, HMAC over everything before the tag, compared in
/// constant time; both keys derived from the secret and the cluster's name (HKDF). Corosync's crypto_cipher names no
/// other mode; the configuration refuses what it refuses (aes256-gcm, for one).
/// <para>A cipher is set up once, not for each datagram: that would cost more than encrypting it does. Its chain runs
/// on from datagram to datagram, and 16 random bytes in front of a message make the first block sent, which is the IV
/// of the message proper: unpredictable, as CBC demands (NIST SP 800-38A, appendix C). What the receiver's chain makes
/// of that block means nothing and is passed over.</para>
/// </summary>
public sealed class SealKey : IDisposable
{
    private const int IvSize = 16, BlockSize = 16;

    /// <summary>Bytes drawn from the system's source at once.</summary>
    private const int RandomSize = 4096;

    private readonly Aes? _aes;
    private readonly ICryptoTransform? _encrypt;
    private readonly ICryptoTransform? _decrypt;
    private readonly byte[] _random = [];
    private byte[] _work = [];
    private int _drawn = RandomSize;
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
            _aes.Mode = CipherMode.CBC;
            _aes.Padding = PaddingMode.None;
            _aes.Key = HKDF.DeriveKey(HashAlgorithmName.SHA256, key, crypto.KeyBits / 8, salt,
                "buoy ring encryption"u8.ToArray());
            _aes.GenerateIV();
            _encrypt = _aes.CreateEncryptor();
            _decrypt = _aes.CreateDecryptor();
            _random = new byte[RandomSize];
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
    public int Overhead => TagSize + (_aes is null ? 0 : IvSize + BlockSize);

    /// <summary>Bytes that cannot be missing.</summary>
    internal int LeastOverhead => Overhead;

    internal int Seal(ReadOnlySpan<byte> message, Span<byte> to, int header)
    {
        int length = header;
        if (_encrypt is not null)
        {
            length += Encrypt(message, to[length..]);
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
        if (_decrypt is null)
        {
            body.CopyTo(plain);
            length = body.Length;
            return true;
        }

        length = 0;
        if (body.Length % BlockSize != 0 || body.Length < IvSize + BlockSize)
        {
            return false;
        }

        byte[] work = Work(body.Length);
        body.CopyTo(work);
        _decrypt.TransformBlock(work, 0, body.Length, work, 0);

        // PKCS #7. The datagram is authentic: that the padding is wrong tells nobody anything.
        int padding = work[body.Length - 1];
        if (padding is < 1 or > BlockSize
            || work.AsSpan(body.Length - padding, padding).ContainsAnyExcept((byte)padding))
        {
            return false;
        }

        length = body.Length - IvSize - padding;
        work.AsSpan(IvSize, length).CopyTo(plain);
        return true;
    }

    /// <summary>Frees the keys.</summary>
    public void Dispose()
    {
        _encrypt?.Dispose();
        _decrypt?.Dispose();
        _aes?.Dispose();
        _mac?.Dispose();
    }

    /// <summary>IV and ciphertext; returns their length.</summary>
    private int Encrypt(ReadOnlySpan<byte> message, Span<byte> to)
    {
        if (_drawn == RandomSize)
        {
            RandomNumberGenerator.Fill(_random);
            _drawn = 0;
        }

        int padding = BlockSize - (message.Length % BlockSize);
        int length = IvSize + message.Length + padding;
        byte[] work = Work(length);
        _random.AsSpan(_drawn, IvSize).CopyTo(work);
        _drawn += IvSize;
        message.CopyTo(work.AsSpan(IvSize));
        work.AsSpan(IvSize + message.Length, padding).Fill((byte)padding);
        _encrypt!.TransformBlock(work, 0, length, work, 0);
        work.AsSpan(0, length).CopyTo(to);
        return length;
    }

    private byte[] Work(int length)
    {
        if (_work.Length < length)
        {
            _work = new byte[Math.Max(length, 2 * _work.Length)];
        }

        return _work;
    }
}
