using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text;
using Buoy.Balancer.Engine.Balance;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>Hashes, digests and comparisons (manual 7.3.1).</summary>
internal static class HashConverters
{
    private const string UnknownDigest = "algorithm must be a valid OpenSSL message digest name.";

    private delegate uint Hash32(ReadOnlySpan<byte> data);

    private delegate int Digest(ReadOnlySpan<byte> data, Span<byte> into);

    public static IEnumerable<ConverterEntry> Entries() =>
    [
        Short("crc32", Hashes.Crc32),
        Short("crc32c", Crc32C),
        Short("djb2", Hashes.Djb2),
        Short("sdbm", Hashes.Sdbm),
        new("xxh32", "[integer]", SampleType.Bin, SampleType.Sint, Xx32),
        new("xxh64", "[integer]", SampleType.Bin, SampleType.Sint, Xx64),
        new("xxh3", "[integer]", SampleType.Bin, SampleType.Sint, Xx3),
        new("sha1", "", SampleType.Bin, SampleType.Bin, Digests, (a, _) => Keep(a, SHA1.HashData)),
        new("sha2", "[integer]", SampleType.Bin, SampleType.Bin, Digests, CheckSha2),
        new("digest", "string", SampleType.Bin, SampleType.Bin, Digests, CheckDigest),
        new("hmac", "string,string", SampleType.Bin, SampleType.Bin, Hmac, CheckHmac),
        new("secure_memcmp", "string", SampleType.Bin, SampleType.Bool, SecureCompare, ValueOrVariable.CheckName),
        new("strcmp", "string", SampleType.Str, SampleType.Sint, Compare, ValueOrVariable.CheckName),
    ];

    /// <summary>A 32-bit hash, with a full avalanche where the argument is 1.</summary>
    private static ConverterEntry Short(string name, Hash32 hash) => new(
        name, "[integer]", SampleType.Bin, SampleType.Sint,
        (SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        {
            uint h = hash(sample.Bytes);
            sample.SetInteger(arguments.Integer(0, 0) != 0 ? Hashes.Avalanche(h) : h);
            return true;
        });

    private static uint Crc32C(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in data)
        {
            crc = System.Numerics.BitOperations.Crc32C(crc, b);
        }

        return ~crc;
    }

    private static bool Xx32(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetInteger(XxHash32.HashToUInt32(sample.Bytes, (int)arguments.Integer(0, 0)));
        return true;
    }

    private static bool Xx64(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetInteger((long)XxHash64.HashToUInt64(sample.Bytes, arguments.Integer(0, 0)));
        return true;
    }

    private static bool Xx3(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetInteger((long)XxHash3.HashToUInt64(sample.Bytes, arguments.Integer(0, 0)));
        return true;
    }

    private static string? Keep(SampleArguments arguments, Digest digest)
    {
        arguments.Data = digest;
        return null;
    }

    private static string? CheckSha2(SampleArguments arguments, SampleContext context)
    {
        string name = arguments[0]?.Text ?? "";
        return arguments.Integer(0, 256) switch
        {
            256 => Keep(arguments, SHA256.HashData),
            384 => Keep(arguments, SHA384.HashData),
            512 => Keep(arguments, SHA512.HashData),
            224 => "'sha2' of 224 bits is not supported yet",
            _ => $"Unsupported number of bits: '{name}'",
        };
    }

    private static string? CheckDigest(SampleArguments arguments, SampleContext context)
    {
        string name = arguments[0]?.Text ?? "";
        Digest? digest = Algorithm(name) is { } a ? (data, into) => CryptographicOperations.HashData(a, data, into)
            : null;
        return digest is null ? UnknownDigest : Keep(arguments, digest);
    }

    private static HashAlgorithmName? Algorithm(string name) => name.ToLowerInvariant() switch
    {
        "md5" => HashAlgorithmName.MD5,
        "sha1" or "sha-1" => HashAlgorithmName.SHA1,
        "sha256" or "sha2-256" or "sha-256" => HashAlgorithmName.SHA256,
        "sha384" or "sha2-384" or "sha-384" => HashAlgorithmName.SHA384,
        "sha512" or "sha2-512" or "sha-512" => HashAlgorithmName.SHA512,
        "sha3-256" when SHA3_256.IsSupported => HashAlgorithmName.SHA3_256,
        "sha3-384" when SHA3_384.IsSupported => HashAlgorithmName.SHA3_384,
        "sha3-512" when SHA3_512.IsSupported => HashAlgorithmName.SHA3_512,
        _ => null,
    };

    private static bool Digests(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        Span<byte> into = stackalloc byte[SHA512.HashSizeInBytes];
        int n = ((Digest)arguments.Data!)(sample.Bytes, into);
        return sample.SetCopy(scope, into[..n], SampleType.Bin);
    }

    /// <summary>An algorithm, and a key or the variable that has it in base64.</summary>
    private sealed record HmacKey(HashAlgorithmName Algorithm, byte[]? Key, VariableName Variable);

    private static string? CheckHmac(SampleArguments arguments, SampleContext context)
    {
        if (Algorithm(arguments[0]?.Text ?? "") is not { } algorithm)
        {
            return UnknownDigest;
        }

        string text = arguments[1]?.Text ?? "";
        if (VariableName.Parse(text, out _) is { } name)
        {
            arguments.Data = new HmacKey(algorithm, null, name);
            return null;
        }

        byte[] key = new byte[text.Length];
        int n = Base64Text.Decode(Encoding.Latin1.GetBytes(text), key, url: false);
        if (n < 0)
        {
            return "failed to parse key : argument needs to be base64 encoded, and can either be a string or a variable";
        }

        arguments.Data = new HmacKey(algorithm, key[..n], default);
        return null;
    }

    private static bool Hmac(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var key = (HmacKey)arguments.Data!;
        Span<byte> into = stackalloc byte[SHA512.HashSizeInBytes];
        scoped ReadOnlySpan<byte> secret = key.Key;
        if (key.Key is null)
        {
            var variable = default(Sample);
            if (!scope.TryGetVariable(key.Variable, ref variable)
                || !SampleCasts.Apply(scope, ref variable, SampleType.Str))
            {
                return false;
            }

            byte[] decoded = new byte[variable.Length];
            int length = Base64Text.Decode(variable.Bytes, decoded, url: false);
            if (length < 0)
            {
                return false;
            }

            secret = decoded.AsSpan(0, length);
        }

        int n = CryptographicOperations.HmacData(key.Algorithm, secret, sample.Bytes, into);
        return sample.SetCopy(scope, into[..n], SampleType.Bin);
    }

    private static bool SecureCompare(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var other = default(Sample);
        if (!scope.TryGetVariable((VariableName)arguments.Data!, ref other)
            || !SampleCasts.Apply(scope, ref other, SampleType.Bin))
        {
            return false;
        }

        sample.SetBool(CryptographicOperations.FixedTimeEquals(sample.Bytes, other.Bytes));
        return true;
    }

    private static bool Compare(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var other = default(Sample);
        if (!scope.TryGetVariable((VariableName)arguments.Data!, ref other)
            || !SampleCasts.Apply(scope, ref other, SampleType.Str))
        {
            return false;
        }

        int common = Math.Min(sample.Length, other.Length);
        int at = sample.Bytes[..common].CommonPrefixLength(other.Bytes);
        sample.SetInteger(at < common ? sample.Bytes[at] - other.Bytes[at] : sample.Length - other.Length);
        return true;
    }
}
