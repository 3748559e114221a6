using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Health;
using CsCheck;

namespace Buoy.Balancer.Tests.Health;

/// <summary>Servers and agents are not to be trusted: whatever they send, a check ends with a report, and the same bytes in
/// other pieces end the same.</summary>
public sealed class CheckPropertyTests
{
    private static readonly CheckKind[] Kinds = [.. Enum.GetValues<CheckKind>().Where(k => k != CheckKind.External)];

    private static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static readonly Gen<byte[]> Noise = Gen.OneOf(Gen.Byte.Array[0, 60], OneOf<byte[]>(
        [.. "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"u8], [.. "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc"u8],
        [.. "HTTP/1.0 404\r\n\r\n"u8], [0x30, 0x0C, 2, 1, 1, 0x61, 0x84], [.. "220 a\r\n"u8], [5, 0, 0, 0, 0xFF, 1, 2, 3],
        [.. "+PONG\r\n"u8], [.. "up 50% # x\n"u8]));

    private static ProxyConfig Proxy(CheckKind kind) => new()
    {
        Index = 0, Id = 2, Name = "b", Kind = ProxyKind.Backend, Mode = ProxyMode.Tcp, Place = default, Check = kind,
        TcpCheckOption = kind == CheckKind.Tcp, HttpCheck = kind == CheckKind.Http ? new HttpCheckConfig("GET", "/", "HTTP/1.1") : null,
        CheckRules = new CheckRulesConfig
        {
            User = "u", DisableOn404 = true,
            Tcp = [new CheckExpect(CheckMatch.Regex) { Regex = new Regex("^a+b"), Text = "^a+b" }],
            Http = [new CheckExpect(CheckMatch.String) { Pattern = [.. "abc"u8], Text = "abc" }],
        },
    };

    /// <summary>Plays the bytes, cut in pieces, then an orderly end.</summary>
    private static CheckReport Play(CheckScript script, byte[][] pieces)
    {
        var run = new CheckRun(script, stopped: false, () => "UP");
        var effect = run.Begin();
        int next = 0;
        for (int step = 0; step < 1000; step++)
        {
            switch (effect.Act)
            {
                case CheckAct.Connect:
                    effect = run.OnConnected();
                    break;
                case CheckAct.Send:
                    effect = run.OnSent();
                    break;
                case CheckAct.Read:
                    effect = next < pieces.Length ? run.OnData(pieces[next++]) : run.OnClosed(null);
                    break;
                default:
                    return effect.Report!;
            }
        }

        throw new InvalidOperationException("the check does not end");
    }

    [Fact]
    public void Run_OnAnyBytes_EndsWithAReport() =>
        Gen.Select(OneOf(Kinds), Noise.Array[0, 4]).Sample((kind, pieces) =>
        {
            var report = Play(CheckScript.Of(Proxy(kind), 256), pieces);
            return report.Status.Result() != CheckResult.Unknown && report.Info.Length <= CheckRun.MaxInfo;
        });

    [Fact]
    public void Run_OnTheSameBytesInOtherPieces_EndsTheSame() =>
        Gen.Select(OneOf(CheckKind.Http, CheckKind.Ldap, CheckKind.SslHello), Noise, Gen.Int[0, 60])
            .Sample((kind, bytes, cut) =>
            {
                int at = Math.Min(cut, bytes.Length);
                var script = CheckScript.Of(Proxy(kind), 4096);
                return Play(script, [bytes]) == Play(script, [bytes[..at], bytes[at..]]);
            });

    [Fact]
    public void Agent_OnAnyLine_NeverFailsAndIsBounded() =>
        Gen.OneOf(Gen.String, OneOf("up", "down", "50%", "maxconn:3", "#x", "drain", ",", "-1%", "maxconn:")
            .Array[0, 6].Select(w => string.Join(' ', w))).Sample(line =>
        {
            var reply = AgentReply.Read(line);
            return reply.Percent is null or >= 0 && reply.MaxConn is null or >= 0
                && reply.Status is CheckStatus.L7Ok or CheckStatus.L7Status or CheckStatus.Checked;
        });
}
