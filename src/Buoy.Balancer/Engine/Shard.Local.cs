using System.Text;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.State;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <content>
/// Requests that the balancer answers itself: body collected, answered off the shard, reply by mailbox.
/// </content>
internal sealed unsafe partial class Shard<TPoller>
{
    private readonly Dictionary<int, PendingLocal> _pending = [];

    private sealed record PendingLocal(LocalRequest Request)
    {
        public int Filled { get; set; }
    }

    private void StartLocal(Conn* c, int have, string? service = null)
    {
        var headers = new List<KeyValuePair<string, string>>(_head.Count);
        for (int i = 0; i < _head.Count; i++)
        {
            headers.Add(new(
                Encoding.Latin1.GetString(HttpHead.Name(_scratch, _head.Fields[i])),
                Encoding.Latin1.GetString(HttpHead.Value(_scratch, _head.Fields[i]))));
        }

        c->FrontendCounters[(int)Counter.Intercepted]++;
        c->State = StreamState.Local;
        if (_head.Chunked || _head.ContentLength > _headLimit)
        {
            Fail(c, 413, 'P', 'R');
            return;
        }

        int length = (int)Math.Max(0, _head.ContentLength);
        var request = new LocalRequest(
            c->Frontend,
            Encoding.Latin1.GetString(_scratch + _head.Method, _head.MethodLength),
            Encoding.Latin1.GetString(_scratch + _head.Target, _head.TargetLength),
            headers,
            new byte[length],
            Sockets.Read(&c->Address))
        {
            Service = service,
        };
        var pending = new PendingLocal(request);
        int behind = have - _head.Length;
        int body = Math.Min(length, behind);
        new ReadOnlySpan<byte>(_scratch + _head.Length, body).CopyTo(request.Body);
        pending.Filled = body;
        if (behind > body)
        {
            KeepBeyond(c, _scratch + _head.Length + body, behind - body);
        }

        _pending[c->Index] = pending;
        c->Mode = body < length ? InMode.Collect : InMode.Done;
        OnLocalClient(c);
        if (c->State == StreamState.Local && body == length)
        {
            Ask(c, request);
        }
    }

    /// <summary>A client whose request is answered here is readable or writable.</summary>
    private void OnLocalClient(Conn* c)
    {
        if (c->OutLength > 0)
        {
            if (Flush(c))
            {
                LocalDone(c);
            }

            return;
        }

        if (c->Has(ConnFlags.Error))
        {
            AbortedByClient(c, 'D');
            return;
        }

        while (c->Mode == InMode.Collect && c->Has(ConnFlags.ReadReady))
        {
            var pending = _pending[c->Index];
            int left = pending.Request.Body.Length - pending.Filled;
            nint r = _poller.Receive(c->Fd, _scratch, left);
            if (r == -EAGAIN)
            {
                c->Flags &= ~ConnFlags.ReadReady;
                break;
            }

            if (r <= 0)
            {
                AbortedByClient(c, 'R');
                return;
            }

            c->LastActivity = _now;
            CountIn(c, r);
            new ReadOnlySpan<byte>(_scratch, (int)r).CopyTo(pending.Request.Body.AsSpan(pending.Filled));
            pending.Filled += (int)r;
            if (pending.Filled == pending.Request.Body.Length)
            {
                c->Mode = InMode.Done;
                Ask(c, pending.Request);
                return;
            }
        }

        Arm(c);
    }

    private void Ask(Conn* c, LocalRequest request)
    {
        int index = c->Index;
        int generation = c->Generation;
        var local = _plane.Local!;
        ThreadPool.UnsafeQueueUserWorkItem(
            _ => local.Answer(
                request, (bytes, close) => Post(new Command(CommandKind.Reply, index, generation, close, bytes))),
            null);
    }

    private void OnLocalReply(int index, int generation, byte[] reply, bool close)
    {
        var c = _slab[index];
        if (c->Kind != ConnKind.Client || c->Generation != generation || c->Has(ConnFlags.Dead)
            || c->State != StreamState.Local || c->Has(ConnFlags.Answered) || c->Mode == InMode.Collect)
        {
            return;
        }

        _pending.Remove(index);
        if (reply.Length > 12 && int.TryParse(reply.AsSpan(9, 3), out int status))
        {
            c->Status = (short)status;
            CountStatus(c, status);
        }

        c->Flags |= ConnFlags.Answered;
        if (close)
        {
            c->Flags |= ConnFlags.CloseAfter;
        }

        c->QueueAt = c->ConnectAt = c->RequestAt;
        c->ResponseAt = _now;
        CountOut(c, reply.Length);
        fixed (byte* p = reply)
        {
            if (!SendTo(c, p, reply.Length))
            {
                return;
            }
        }

        if (c->OutLength == 0)
        {
            LocalDone(c);
        }
        else
        {
            Arm(c);
        }
    }

    private void LocalDone(Conn* c)
    {
        if (c->EndCause == 0)
        {
            c->EndCause = (byte)'L';
            c->EndPhase = (byte)'R';
        }

        EndTransaction(c);
        if (c->Has(ConnFlags.CloseAfter))
        {
            CloseGracefully(c);
        }
        else
        {
            NextRequest(c);
        }
    }
}
