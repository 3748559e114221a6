using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text.Json;
using Buoy.Cib;
using Buoy.Control;

namespace Buoy.Shell.Tests;

/// <summary>A daemon on a control socket that holds a CIB and does nothing else.</summary>
internal sealed class FakeDaemon : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("buoy-shell").FullName;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Thread _thread;

    public FakeDaemon(string cib)
    {
        Cib = CibDocument.Parse(cib);
        _listener.Bind(new UnixDomainSocketEndPoint(Socket));
        _listener.Listen();
        _thread = new Thread(Serve) { IsBackground = true };
        _thread.Start();
    }

    public CibDocument Cib { get; }

    public List<string> Commands { get; } = [];

    /// <summary>Called before each cib-apply: somebody else's change.</summary>
    public Action<CibDocument>? BeforeApply { get; set; }

    public string Socket => Path.Combine(_folder, "cluster.sock");

    public bool Quorate { get; init; } = true;

    public ShellServices Services => new()
    {
        CibFile = null, ControlSocket = Socket, IsTerminal = () => false,
        Now = () => new DateTimeOffset(2026, 11, 22, 14, 40, 25, TimeSpan.Zero),
    };

    public (int Status, string Output, string Error) Run(string tool, params string[] args)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int status = Tools.ToolTable.Create(Services)[tool](args, new StringReader(""), output, error);
        return (status, output.ToString(), error.ToString());
    }

    public void Dispose()
    {
        _listener.Dispose();
        _thread.Join();
        Directory.Delete(_folder, recursive: true);
    }

    private void Serve()
    {
        try
        {
            while (true)
            {
                using Socket s = _listener.Accept();
                byte[] head = new byte[4];
                while (Receive(s, head))
                {
                    byte[] body = new byte[BinaryPrimitives.ReadInt32BigEndian(head)];
                    Receive(s, body);
                    ControlResponse r = Answer(JsonSerializer.Deserialize(body, ControlJson.Default.ControlRequest)!);
                    byte[] answer = JsonSerializer.SerializeToUtf8Bytes(r, ControlJson.Default.ControlResponse);
                    BinaryPrimitives.WriteInt32BigEndian(head, answer.Length);
                    s.Send(head);
                    s.Send(answer);
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private static bool Receive(Socket s, Span<byte> into)
    {
        while (!into.IsEmpty)
        {
            int n = s.Receive(into);
            if (n == 0)
            {
                return false;
            }

            into = into[n..];
        }

        return true;
    }

    private ControlResponse Answer(ControlRequest r)
    {
        Commands.Add(r.Command);
        switch (r.Command)
        {
            case ControlCommand.CibQuery:
                return new ControlResponse(0, Cib.ToXml());
            case ControlCommand.CibApply:
                BeforeApply?.Invoke(Cib);
                if (r.Arguments.TryGetValue("expect", out string? expect) && expect != $"{Cib.Version.AdminEpoch}.{Cib.Version.Epoch}")
                {
                    return new ControlResponse(ControlStatus.OldData, "", "too old");
                }

                try
                {
                    Cib.Apply(JsonSerializer.Deserialize(r.Body!, CibJson.Default.ListCibOperation)!);
                }
                catch (CibException e)
                {
                    return new ControlResponse(e.Status, "", e.Message);
                }

                Cib.BumpEpoch("hapx-node01", r.Arguments["client"], "root", DateTimeOffset.UnixEpoch);
                return new ControlResponse(0);
            case ControlCommand.Membership:
                return new ControlResponse(0, JsonSerializer.Serialize(Report(), ControlJson.Default.MembershipReport));
            case ControlCommand.WaitIdle or ControlCommand.Cleanup or ControlCommand.Reload:
                return new ControlResponse(0);
            default:
                return new ControlResponse(ControlStatus.NotSupported, "", r.Command + " is not known");
        }
    }

    private MembershipReport Report() => new()
    {
        NodeId = 1, NodeName = "hapx-node01", ClusterName = "haproxy-cluster", Transport = "knet", RingSeq = 0x28, RingRep = 1,
        State = "operational", Quorate = Quorate, QuorumProvider = "corosync_votequorum", ExpectedVotes = 3, HighestExpected = 3,
        TotalVotes = 3, Quorum = 2, Flags = Quorate ? ["Quorate"] : [],
        Members =
        [
            new MemberReport(1, "hapx-node01", 1, true, true, ["10.41.0.11"]), new MemberReport(2, "hapx-node02", 1, true, false, ["10.41.0.12"]),
            new MemberReport(3, "hapx-node03", 1, true, false, ["10.41.0.13"]),
        ],
        Links =
        [
            new LinkReport(0, "udp", "10.41.0.11",
                [new LinkPeerReport(1, "localhost"), new LinkPeerReport(2, "connected"), new LinkPeerReport(3, "connected")]),
        ],
        Counters = new Dictionary<string, long> { ["mtu"] = 1397 },
    };
}
