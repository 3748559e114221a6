using System.Globalization;
using System.Text.RegularExpressions;
using Buoy.Linux;

namespace Buoy.Balancer.Tests.RealProcess;

/// <summary>Streams and limits on the runtime API of a whole balancer, beside the original.</summary>
public sealed partial class SessionTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void Sessions_ListedAndShutDown_AsTheOriginal() => MasterStage.Compare(stage =>
    {
        var p = stage.StartMaster();
        using var one = stage.Connect();
        using var two = stage.ConnectUnix(isAbstract: false);
        string told = MasterStage.Talk(one) + MasterStage.Talk(two);
        string list = stage.Stats("show sess");
        string[] lines = [.. list.Split('\n').Where(l => l.Contains("srv=s1")).Order(StringComparer.Ordinal)];
        told += string.Concat(lines.Select(l => "\n" + Moving().Replace(l, "").Trim()).Order(StringComparer.Ordinal));
        string id = lines.First(l => l.Contains("tcpv4")).Split(':')[0];
        told += "\n" + string.Join('\n', stage.Stats($"show sess {id}").Split('\n').Where(l => Stable().IsMatch(l))
            .Select(l => Numbers().Replace(l, "N")));
        told += stage.Stats("show sess 0x77") + stage.Stats("shutdown session") + stage.Stats("shutdown session 0x77");
        told += stage.Stats($"shutdown session {id}");
        Assert.Equal(0, one.Receive(new byte[10]));
        told += MasterStage.Talk(two);
        ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
        stage.End(p);
        return told;
    });

    [Fact]
    public void MaxConn_LoweredAndRaised_HoldsBackAndLetsIn()
    {
        using var stage = MasterStage.Ours();
        var p = stage.StartMaster();
        using var one = stage.Connect();
        Assert.Equal("echo:x", MasterStage.Talk(one));
        Assert.Equal("\n", stage.Stats("set maxconn frontend fa 1"));
        using var two = stage.Connect();
        two.Send("x"u8);
        Assert.Contains(" 1\n", Current(stage));
        Assert.Equal("\n", stage.Stats("set maxconn frontend fa 9"));
        two.ReceiveTimeout = 20_000;
        Assert.Equal(6, two.Receive(new byte[16]));
        Assert.Equal("\n", stage.Stats("set maxconn global 2"));
        using var three = stage.Connect();
        three.Send("x"u8);
        Assert.Contains(" 2\n", Current(stage));
        one.Dispose();
        three.ReceiveTimeout = 20_000;
        Assert.Equal(6, three.Receive(new byte[16]));
        Assert.True(SpinWait.SpinUntil(() => Current(stage) == "CurrConns: 2\n", Patience));
        ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
        stage.End(p);
    }

    [Fact]
    public void RateLimit_OnConnections_SpreadsThemOverSeconds()
    {
        const int Rate = 5;
        using var stage = MasterStage.Ours();
        var p = stage.StartMaster();
        Assert.Equal("\n", stage.Stats($"set rate-limit connections global {Rate}"));
        long begin = Environment.TickCount64;
        for (int i = 0; i < (2 * Rate) + 1; i++)
        {
            using var socket = stage.Connect();
            Assert.Equal("echo:x", MasterStage.Talk(socket));
        }

        // Eleven do not fit into two seconds of the clock: at least one whole second lies between first and last.
        Assert.True(Environment.TickCount64 - begin >= 1000);
        ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
        stage.End(p);
    }

    private static string Current(MasterStage stage) =>
        stage.Stats("show info").Split('\n').First(l => l.StartsWith("CurrConns")) + "\n";

    /// <summary>What differs by machine, moment or program in a line of the list.</summary>
    [GeneratedRegex(@"^0x\w+: |src=\S+|(calls|rate|cpu|lat|age|exp|epoch)=\S*|r[qp]\[.*?\]|sc[fb]=\[.*?\]")]
    private static partial Regex Moving();

    [GeneratedRegex(@"^  (frontend|server)=")]
    private static partial Regex Stable();

    [GeneratedRegex(@"(?<=:)\d+")]
    private static partial Regex Numbers();
}
