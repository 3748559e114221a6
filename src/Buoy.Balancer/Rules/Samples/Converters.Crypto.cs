using System.Security.Cryptography;
using System.Text;

namespace Buoy.Balancer.Rules.Samples;

/// <summary><c>jwt_verify</c> and <c>aes_gcm_dec</c> (manual 7.3.1).</summary>
internal static unsafe class CryptoConverters
{
    private const int NonceSize = 12;
    private const int TagSize = 16;

    /// <summary>What jwt_verify answers.</summary>
    private enum Verdict { Wrong = 0, Good = 1, UnknownAlgorithm = -1, Unmanaged = -2, Invalid = -3, UnknownKey = -5 }

    private static readonly string[] Algorithms =
        ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
            "none"];

    public static IEnumerable<ConverterEntry> Entries() =>
    [
        new("jwt_verify", "string,string", SampleType.Bin, SampleType.Sint, Verify, CheckVerify),
        new("aes_gcm_dec", "integer,string,string,string", SampleType.Bin, SampleType.Bin, Decrypt, CheckDecrypt),
    ];

    /// <summary>Text of the configuration, or a variable.</summary>
    private sealed record Source(byte[]? Text, VariableName Variable)
    {
        public static Source Of(string text) => VariableName.Parse(text, out _) is { } name
            ? new Source(null, name) : new Source(Encoding.Latin1.GetBytes(text), default);

        public bool Read(SampleScope scope, SampleType type, out ReadOnlySpan<byte> value)
        {
            value = Text;
            var sample = default(Sample);
            if (Text is null)
            {
                bool good = scope.TryGetVariable(Variable, ref sample) && SampleCasts.Apply(scope, ref sample, type);
                value = good ? sample.Bytes : default;
                return good;
            }

            return true;
        }
    }

    private sealed record Verification(Source Algorithm, Source Key, AsymmetricAlgorithm? Public);

    private static string? CheckVerify(SampleArguments arguments, SampleContext context)
    {
        var algorithm = Source.Of(arguments[0]?.Text ?? "");
        if (algorithm.Text is not null && Array.IndexOf(Algorithms, arguments[0]!.Text) < 0)
        {
            return $"unknown JWT algorithm: {arguments[0]!.Text}";
        }

        if (algorithm.Text is not null && arguments[0]!.Text[0] == 'P')
        {
            return "RSASSA-PSS JWS signing not managed yet";
        }

        string key = arguments[1]?.Text ?? "";
        arguments.Data = new Verification(algorithm, Source.Of(key), LoadKey(key));
        return null;
    }

    /// <summary>The public key of a PEM file; null where it is none: the text may be a secret.</summary>
    private static AsymmetricAlgorithm? LoadKey(string path)
    {
        try
        {
            if (path.Length == 0 || !File.Exists(path))
            {
                return null;
            }

            string pem = File.ReadAllText(path);
            if (!pem.Contains("BEGIN PUBLIC KEY", StringComparison.Ordinal))
            {
                return null; // the original takes no certificate either, whatever the manual says
            }

            var rsa = RSA.Create();
            try
            {
                rsa.ImportFromPem(pem);
                return rsa;
            }
            catch (CryptographicException)
            {
                rsa.Dispose();
                var ec = ECDsa.Create();
                ec.ImportFromPem(pem);
                return ec;
            }
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    private static bool Verify(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var v = (Verification)arguments.Data!;
        if (!v.Algorithm.Read(scope, SampleType.Str, out var algorithm))
        {
            return false;
        }

        sample.SetInteger((long)Judge(scope, v, algorithm, sample.Bytes));
        return true;
    }

    private static Verdict Judge(SampleScope scope, Verification v, ReadOnlySpan<byte> algorithm,
        ReadOnlySpan<byte> token)
    {
        string name = Encoding.Latin1.GetString(algorithm);
        if (Array.IndexOf(Algorithms, name) < 0)
        {
            return Verdict.UnknownAlgorithm;
        }

        if (name[0] == 'P')
        {
            return Verdict.Unmanaged;
        }

        int last = token.LastIndexOf((byte)'.');
        if (last < 0 || token.Count((byte)'.') != 2)
        {
            return Verdict.Invalid;
        }

        var signed = token[..last];
        byte[] signature = new byte[token.Length - last];
        int length = Base64Text.Decode(token[(last + 1)..], signature, url: true);
        if (name == "none")
        {
            return length == 0 ? Verdict.Good : Verdict.Wrong;
        }

        if (length < 0)
        {
            return Verdict.Invalid;
        }

        var hash = name[2..] switch
        {
            "256" => HashAlgorithmName.SHA256, "384" => HashAlgorithmName.SHA384, _ => HashAlgorithmName.SHA512,
        };
        bool good = false;
        switch (name[0])
        {
            case 'H':
                Span<byte> mac = stackalloc byte[SHA512.HashSizeInBytes];
                if (!v.Key.Read(scope, SampleType.Bin, out var secret))
                {
                    return Verdict.UnknownKey;
                }

                int n = CryptographicOperations.HmacData(hash, secret, signed, mac);
                good = CryptographicOperations.FixedTimeEquals(mac[..n], signature.AsSpan(0, length));
                break;
            case 'R' when v.Public is RSA rsa:
                good = rsa.VerifyData(signed, signature.AsSpan(0, length), hash, RSASignaturePadding.Pkcs1);
                break;
            case 'E' when v.Public is ECDsa ec:
                good = ec.VerifyData(signed, signature.AsSpan(0, length), hash);
                break;
            default:
                return Verdict.UnknownKey;
        }

        return good ? Verdict.Good : Verdict.Wrong;
    }

    private sealed record Decryption(int KeySize, Source Nonce, Source Key, Source Tag);

    private static string? CheckDecrypt(SampleArguments arguments, SampleContext context)
    {
        long bits = arguments.Integer(0, 0);
        if (bits is not (128 or 192 or 256))
        {
            return "key size must be 128, 192 or 256 (bits).";
        }

        var parts = new Source[3];
        for (int i = 0; i < parts.Length; i++)
        {
            var source = Source.Of(arguments[i + 1]!.Text);
            if (source.Text is { } text)
            {
                byte[] decoded = new byte[text.Length];
                int n = Base64Text.Decode(text, decoded, url: false);
                if (n < 0)
                {
                    return $"failed to parse {i switch { 0 => "nonce", 1 => "key", _ => "aead_tag" }} : argument needs to be "
                        + "base64 encoded, and can either be a string or a variable";
                }

                source = source with { Text = decoded[..n] };
            }

            parts[i] = source;
        }

        arguments.Data = new Decryption((int)bits / 8, parts[0], parts[1], parts[2]);
        return null;
    }

    private static bool Decrypt(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var d = (Decryption)arguments.Data!;
        if (!Plain(scope, d.Nonce, out var nonce) || !Plain(scope, d.Key, out var key)
            || !Plain(scope, d.Tag, out var tag)
            || nonce.Length != NonceSize || key.Length != d.KeySize || tag.Length != TagSize)
        {
            return false;
        }

        byte* p = scope.Temporary.Take(sample.Length);
        if (p == null)
        {
            return false;
        }

        try
        {
            using var aes = new AesGcm(key, TagSize);
            aes.Decrypt(nonce, sample.Bytes, tag, new Span<byte>(p, sample.Length));
        }
        catch (CryptographicException)
        {
            return false; // the tag does not fit
        }

        sample.SetText(p, sample.Length, SampleType.Bin);
        return true;
    }

    /// <summary>Bytes of the configuration, decoded there, or of a variable in base64.</summary>
    private static bool Plain(SampleScope scope, Source source, out ReadOnlySpan<byte> value)
    {
        if (!source.Read(scope, SampleType.Str, out value) || source.Text is not null)
        {
            return source.Text is not null;
        }

        byte[] decoded = new byte[value.Length];
        int n = Base64Text.Decode(value, decoded, url: false);
        value = decoded.AsSpan(0, Math.Max(0, n));
        return n >= 0;
    }
}
