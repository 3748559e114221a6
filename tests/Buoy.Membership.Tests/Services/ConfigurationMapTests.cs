using Buoy.Membership.Services;

namespace Buoy.Tests.Services;

/// <summary>cmap: types, names, read-only keys, tracking.</summary>
public sealed class ConfigurationMapTests
{
    [Theory]
    [InlineData("test.a", "u32", "5", MapStatus.Ok)]
    [InlineData("test.a", "u8", "300", MapStatus.Value)]
    [InlineData("test.a", "i16", "-7", MapStatus.Ok)]
    [InlineData("test.a", "i16", "abc", MapStatus.Value)]
    [InlineData("test.a", "xx", "1", MapStatus.Value)]
    [InlineData("test.a", "dbl", "1.25", MapStatus.Ok)]
    [InlineData("test.a", "bin", "6102FF", MapStatus.Ok)]
    [InlineData("test.a", "bin", "6102F", MapStatus.Value)]
    [InlineData("ab", "u32", "1", MapStatus.Name)]
    [InlineData("bad key!", "u32", "1", MapStatus.Name)]
    [InlineData("totem.token", "u32", "1", MapStatus.Access)]
    public void Set_ByNameTypeAndValue_AsCorosyncJudges(string key, string type, string value, MapStatus expected)
    {
        var map = new ConfigurationMap();
        map.Refresh([new("totem.token", new MapValue("u32", "3000"))]);
        Assert.Equal(expected, map.Set(key, new MapValue(type, value)));
        Assert.Equal(expected == MapStatus.Ok, map.Values.ContainsKey("test.a"));
        Assert.Equal("3000", map.Values["totem.token"].Text);
    }

    [Fact]
    public void Track_KeyAndPrefix_OnlyRealChangesAreTold()
    {
        var map = new ConfigurationMap();
        var told = new List<string>();
        void Tell(string who, MapEvent what, string key, MapValue v) => told.Add($"{who} {what} {key} {v.Type} {v.Text}");
        map.Add(new MapTracker("tr.", true, (e, k, v) => Tell("prefix", e, k, v)));
        var one = new MapTracker("tr.a", false, (e, k, v) => Tell("key", e, k, v));
        map.Add(one);
        map.Set("tr.a", new MapValue("u32", "1"));
        map.Set("tr.a", new MapValue("u32", "1"));
        map.Set("tr.a", new MapValue("str", "1"));
        map.Set("tr.ab", new MapValue("u32", "2"));
        map.Remove(one);
        map.Delete("tr.a");
        Assert.Equal(
            [
                "prefix Create tr.a u32 1", "key Create tr.a u32 1", "prefix Modify tr.a str 1", "key Modify tr.a str 1",
                "prefix Create tr.ab u32 2", "prefix Delete tr.a str 1",
            ],
            told);
        Assert.Equal(MapStatus.NotExist, map.Delete("tr.a"));
    }

    [Fact]
    public void Refresh_OwnKeys_ChangeAndVanish_UsersKeysStay()
    {
        var map = new ConfigurationMap();
        map.Set("user.key", new MapValue("str", "mine"));
        map.Refresh([new("runtime.a", new MapValue("u32", "1")), new("runtime.b", new MapValue("u32", "2"))]);
        map.Refresh([new("runtime.b", new MapValue("u32", "3"))]);
        Assert.Equal(["runtime.b", "user.key"], map.Values.Keys);
        Assert.Equal(MapStatus.Access, map.Delete("runtime.b"));
        Assert.Equal(MapStatus.Ok, map.Set("runtime.a", new MapValue("u32", "9")));
    }

    [Fact]
    public void OfFile_CorosyncConf_KeysAndTypesAsTheOriginals()
    {
        var keys = ConfigurationKeys.OfFile(
            """
            totem {
              version: 2
              cluster_name: haproxy-cluster
              token: 3000
              interface {
                linknumber: 0
                mcastport: 5405
              }
            }
            logging {
              debug: off
              logger_subsys {
                subsys: QUORUM
                debug: off
              }
            }
            nodelist {
              node {
                ring0_addr: 10.41.0.11
                name: hapx-node01
                nodeid: 1
              }
            }
            """);
        Assert.Equal(
            [
                "logging.debug str off", "logging.logger_subsys.QUORUM.debug str off", "logging.logger_subsys.QUORUM.subsys str QUORUM",
                "nodelist.node.0.name str hapx-node01", "nodelist.node.0.nodeid u32 1", "nodelist.node.0.ring0_addr str 10.41.0.11",
                "totem.cluster_name str haproxy-cluster", "totem.interface.0.mcastport u16 5405", "totem.token u32 3000",
                "totem.version u32 2",
            ],
            keys.OrderBy(k => k.Key, StringComparer.Ordinal).Select(k => $"{k.Key} {k.Value.Type} {k.Value.Text}"));
    }
}
