namespace Buoy.Balancer.Rules.Patterns;

/// <summary>
/// Criteria of an <c>acl</c> that name a fetch and a matching method at once, such as <c>hdr_beg</c> (configuration
/// manual 7.1). Where a name is both such a criterion and a fetch, the criterion is meant.
/// </summary>
internal static class AclKeywords
{
    private static readonly Dictionary<string, (string Fetch, MatchMethod Method)> Table = Build();

    /// <summary>All names.</summary>
    public static IEnumerable<string> Names => Table.Keys;

    /// <summary>Fetch and method of a criterion; null = it is no such name, the fetch's type decides.</summary>
    public static (string Fetch, MatchMethod Method)? Find(string keyword) =>
        Table.TryGetValue(keyword, out var found) ? found : null;

    private static Dictionary<string, (string Fetch, MatchMethod Method)> Build()
    {
        var table = new Dictionary<string, (string Fetch, MatchMethod Method)>(StringComparer.Ordinal)
        {
            ["http_auth_group"] = ("http_auth_group", MatchMethod.Str),
            ["method"] = ("method", MatchMethod.Str),
            ["payload"] = ("req.payload", MatchMethod.Bin),
            ["payload_lv"] = ("req.payload_lv", MatchMethod.Bin),
            ["req_rdp_cookie"] = ("req.rdp_cookie", MatchMethod.Str),
            ["req_rdp_cookie_cnt"] = ("req.rdp_cookie_cnt", MatchMethod.Int),
            ["req_ssl_sni"] = ("req.ssl_sni", MatchMethod.Str),
            ["req_ssl_ver"] = ("req.ssl_ver", MatchMethod.Version),
            ["req.ssl_ver"] = ("req.ssl_ver", MatchMethod.Version),
            ["req_ver"] = ("req.ver", MatchMethod.Str),
            ["resp_ver"] = ("res.ver", MatchMethod.Str),
            ["ssl_fc_sni_end"] = ("ssl_fc_sni", MatchMethod.End),
            ["ssl_fc_sni_reg"] = ("ssl_fc_sni", MatchMethod.Reg),
        };
        (string Name, string Fetch)[] families =
        [
            ("base", "base"), ("cook", "req.cook"), ("hdr", "req.hdr"), ("path", "path"), ("scook", "res.cook"),
            ("shdr", "res.hdr"), ("url", "url"), ("urlp", "urlp"),
        ];
        MatchMethod[] methods =
        [
            MatchMethod.Beg, MatchMethod.Dir, MatchMethod.Dom, MatchMethod.End, MatchMethod.Len, MatchMethod.Reg,
            MatchMethod.Sub,
        ];
        foreach (var (name, fetch) in families)
        {
            table.Add(name, (fetch, MatchMethod.Str));
            foreach (var m in methods)
            {
                table.Add($"{name}_{m.Text()}", (fetch, m));
            }
        }

        return table;
    }
}
