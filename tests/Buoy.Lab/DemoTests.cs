using System.Diagnostics;
using System.Text;
using Buoy.Lab;

namespace Buoy.LabTests;

/// <summary>The main job as a user runs it: the demo plays to its end, stays, shows its pages, and leaves nothing behind.</summary>
public sealed class DemoTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    [Fact]
    public async Task Demo_KeptAndInterrupted_RecoversFromEveryEventAndCleansUp()
    {
        using var probe = LabCluster.Bare();
        string program = probe.Program;
        using var demo = new Process
        {
            StartInfo = new ProcessStartInfo(program, ["demo", "--keep"])
            {
                RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
            },
        };
        var said = new StringBuilder();
        using var kept = new ManualResetEventSlim();
        void Keep(string? line)
        {
            lock (said)
            {
                said.AppendLine(line);
            }
        }

        void Hear(object? sender, DataReceivedEventArgs e)
        {
            Keep(e.Data);

            // A null line: it ended.
            if (e.Data?.StartsWith("Ctrl-C ends it", StringComparison.Ordinal) ?? true)
            {
                kept.Set();
            }
        }

        demo.OutputDataReceived += Hear;
        demo.ErrorDataReceived += (_, e) => Keep(e.Data);
        demo.Start();
        demo.BeginOutputReadLine();
        demo.BeginErrorReadLine();
        try
        {
            Assert.True(kept.Wait(Patience), "it does not end:\n" + said);
            string text;
            lock (said)
            {
                text = said.ToString();
            }

            Assert.False(demo.HasExited, text);
            string page = text[text.IndexOf("http://", StringComparison.Ordinal)..];
            using var http = new HttpClient { Timeout = Patience };
            http.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String("admin:admin"u8));
            var address = new Uri(page[..page.IndexOf(' ', StringComparison.Ordinal)]);
            string html = await http.GetStringAsync(address, TestContext.Current.CancellationToken);
            Assert.Contains("kube-mast01", html);
            LabProcess.Run(["sh", "-c", $"kill -INT {demo.Id}"], null, 10_000).Require("interrupt");
            Assert.True(demo.WaitForExit(Patience), "it does not end");
            demo.WaitForExit();
            Assert.True(demo.ExitCode is 0 or 130, $"{demo.ExitCode}\n{said}");
            Assert.DoesNotContain("exception", said.ToString(), StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            if (!demo.HasExited)
            {
                demo.Kill(entireProcessTree: true);
            }
        }
    }
}
