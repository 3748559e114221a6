using System.Buffers.Text;
using System.Text;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>HTTP basic authentication and userlists (manual 7.3.6, 3.4).</summary>
internal static unsafe class AuthenticationFetches
{
    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("http_auth", "user list", SampleType.Bool, SampleSource.RequestHeaders, Authenticated),
        new("http_auth_group", "user list", SampleType.Str, SampleSource.RequestHeaders, Group),
        new("http_auth_user", "", SampleType.Str, SampleSource.RequestHeaders, User),
        new("http_auth_pass", "", SampleType.Str, SampleSource.RequestHeaders, Password),
        new("http_auth_type", "", SampleType.Str, SampleSource.RequestHeaders, Scheme),
        new("http_auth_bearer", "[string]", SampleType.Str, SampleSource.RequestHeaders, Bearer),
    ];

    /// <summary>The field with credentials, its scheme and what follows; false where there is none.</summary>
    private static bool Find(SampleScope scope, ReadOnlySpan<byte> name, out int line, out int scheme)
    {
        var m = scope.Request;
        line = m.Present ? m.Find(name) : -1;
        scheme = 0;
        if (line < 0)
        {
            return false;
        }

        scheme = m.Lines[line].ValueBytes.IndexOf((byte)' ');
        return scheme > 0;
    }

    /// <summary>Which field carries a client's credentials: a proxy's where the target is absolute.</summary>
    private static ReadOnlySpan<byte> FieldName(SampleScope scope) =>
        scope.Request.UriLength > 0 && scope.Request.Uri[0] != '/' && scope.Request.Uri[0] != '*'
            ? "proxy-authorization"u8 : "authorization"u8;

    /// <summary>Decoded <c>user:password</c> in the scope's memory.</summary>
    private static bool Basic(SampleScope scope, ref Sample sample, out int colon)
    {
        colon = -1;
        if (!HttpFetches.Ready(scope, scope.Request, ref sample)
            || !Find(scope, FieldName(scope), out int line, out int scheme))
        {
            return false;
        }

        var value = scope.Request.Lines[line].ValueBytes;
        if (!System.Text.Ascii.EqualsIgnoreCase(value[..scheme], "basic"u8))
        {
            return false;
        }

        var encoded = value[scheme..].Trim((byte)' ');
        byte* p = scope.Temporary.Take(Math.Max(4, encoded.Length));
        if (p == null || Base64.DecodeFromUtf8(encoded, new Span<byte>(p, encoded.Length), out _, out int n)
            != System.Buffers.OperationStatus.Done)
        {
            return false;
        }

        sample.SetText(p, n);
        colon = sample.Bytes.IndexOf((byte)':');
        return colon >= 0;
    }

    private static bool User(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!Basic(scope, ref sample, out int colon))
        {
            return false;
        }

        sample.Length = colon;
        return true;
    }

    private static bool Password(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!Basic(scope, ref sample, out int colon))
        {
            return false;
        }

        sample.SetText(sample.Data + colon + 1, sample.Length - colon - 1);
        return true;
    }

    private static bool Scheme(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!HttpFetches.Ready(scope, scope.Request, ref sample)
            || !Find(scope, FieldName(scope), out int line, out int scheme))
        {
            return false;
        }

        var value = scope.Request.Lines[line].ValueBytes[..scheme];
        return sample.SetCopy(scope, System.Text.Ascii.EqualsIgnoreCase(value, "basic"u8) ? "Basic"u8
            : System.Text.Ascii.EqualsIgnoreCase(value, "bearer"u8) ? "Bearer"u8 : value);
    }

    private static bool Bearer(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!HttpFetches.Ready(scope, scope.Request, ref sample))
        {
            return false;
        }

        var name = arguments[0] is { Length: > 0 } a ? Encoding.Latin1.GetBytes(a.Text.ToLowerInvariant()) : FieldName(scope);
        if (!Find(scope, name, out int line, out int scheme))
        {
            return false;
        }

        ref var field = ref scope.Request.Lines[line];
        if (!System.Text.Ascii.EqualsIgnoreCase(field.ValueBytes[..scheme], "bearer"u8))
        {
            return false;
        }

        int start = scheme;
        while (start < field.ValueLength && field.Value[start] == ' ')
        {
            start++;
        }

        sample.SetText(field.Value + start, field.ValueLength - start);
        return true;
    }

    private static bool Authenticated(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        bool known = Verified(scope, arguments, ref sample, out _, out _);
        sample.SetBool(known);
        return true;
    }

    /// <summary>The user's name; for an ACL, the groups the user belongs to, one after the other.</summary>
    private static bool Group(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        long at = sample.Cursor;
        if (!Verified(scope, arguments, ref sample, out var list, out string user))
        {
            return false;
        }

        if (!scope.Iterate)
        {
            return sample.SetCopy(scope, Encoding.Latin1.GetBytes(user));
        }

        if (!list.Groups.TryGetValue(user, out var groups) || at >= groups.Count)
        {
            return false;
        }

        sample.Cursor = at + 1;
        sample.Flags |= at + 1 < groups.Count ? SampleFlags.NotLast : SampleFlags.None;
        return sample.SetCopy(scope, Encoding.Latin1.GetBytes(groups[(int)at]));
    }

    private static bool Verified(
        SampleScope scope, SampleArguments arguments, ref Sample sample, out UserListConfig list, out string user)
    {
        list = (UserListConfig)arguments[0]!.Resolved!;
        user = "";
        if (!Basic(scope, ref sample, out int colon))
        {
            return false;
        }

        user = Encoding.Latin1.GetString(sample.Bytes[..colon]);
        string password = Encoding.Latin1.GetString(sample.Bytes[(colon + 1)..]);
        foreach (var (name, secret, insecure) in list.Users)
        {
            if (name == user)
            {
                return insecure ? secret == password
                    : Linux.PasswordHash.Crypt(password, secret) is { } hash && hash == secret;
            }
        }

        return false;
    }
}
