using System.Runtime.InteropServices;
using Buoy.Linux;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <summary>
/// io_uring behind the same readiness that shards know from epoll. Bytes are received by the kernel into provided
/// buffers before anyone asks (one multishot receive per connection), and <see cref="Receive"/> hands them out, so that
/// a message costs no system call of its own; registering and closing cost none either, they ride on the next wait.
/// Sending and splicing stay plain calls: they succeed at once nearly always, and keep errors where they happen.
///
/// What keeps the rules of the shard true: (1) a connection that is not armed for receiving is watched for hang-up;
/// (2) <see cref="Receive"/> returns less than asked only where a receive is armed, so no edge is lost; (3) a receiver
/// that takes nothing (back-pressure) loses its armed receive as soon as <see cref="HeldLimit"/> buffers wait for it;
/// (4) where all buffers are in use the kernel says so, and the connection is read directly.
/// </summary>
internal unsafe struct UringPoller : IPoller
{
    private const int Entries = 1024;
    private const int BufferCount = 128;
    private const int BufferSize = 8192;

    /// <summary>Buffers one connection may hold before its receive is taken back.</summary>
    private const int HeldLimit = 4;

    private const ulong KindReceive = 1;
    private const ulong KindIn = 2;
    private const ulong KindOut = 3;
    private const ulong KindHangUp = 4;
    private const uint HangUp = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

    private IoUring? _ring;
    private int* _errno;
    private Entry* _entries;
    private int _capacity;

    /// <summary>Filled buffers that wait to be taken: chain by buffer id, and the bytes in each.</summary>
    private short* _nextHeld;
    private int* _heldLength;

    /// <summary>Descriptors whose receive ended or holds data since the last wait.</summary>
    private int* _loose;
    private int _looseCount;

    /// <summary>What is armed for a descriptor, and what it is doing.</summary>
    [Flags]
    private enum Armed : ushort
    {
        None = 0,
        Receive = 1,
        In = 2,
        Out = 4,
        HangUp = 8,

        /// <summary>A cancel of the receive is on its way.</summary>
        Cancelling = 16,

        /// <summary>The peer ended its side; everything before is in the held buffers.</summary>
        End = 32,

        /// <summary>In the list of loose descriptors.</summary>
        Loose = 64,

        /// <summary>It is spliced from: readiness only, its bytes stay in the socket.</summary>
        Spliced = 128,
    }

    private struct Entry
    {
        public nint Key;
        public uint Generation;
        public int Error;
        public Armed Armed;
        public short First;
        public short Last;
        public short Held;
        public int Offset;
    }

    public readonly int Errno => *_errno;

    public void Open()
    {
        _errno = ErrnoLocation();
        _ring = new IoUring(Entries, BufferCount, BufferSize);
        _nextHeld = (short*)NativeMemory.Alloc(BufferCount, sizeof(short));
        _heldLength = (int*)NativeMemory.Alloc(BufferCount, sizeof(int));
        _loose = (int*)NativeMemory.Alloc(LooseSize, sizeof(int));
        Grow(1024);
    }

    public void Close()
    {
        // Once to hand over what is queued, once for what that ends: only then are the sockets closed.
        _ = _ring!.Wait(0);
        _ = _ring.Wait(0);
        _ring.Dispose();
        NativeMemory.Free(_entries);
        NativeMemory.Free(_nextHeld);
        NativeMemory.Free(_heldLength);
        NativeMemory.Free(_loose);
        _entries = null;
    }

    public int Watch(int fd, nint key, bool connecting)
    {
        var e = Take(fd, key);
        ArmReceive(fd, e, pollFirst: connecting);
        if (connecting)
        {
            ArmPoll(fd, e, Armed.Out, KindOut, EPOLLOUT);
        }

        return 0;
    }

    public int WatchReadable(int fd, nint key, bool exclusive)
    {
        // Exclusive wake-ups are for one-shot polls only: of shards that share a listener all wake, one accepts.
        ArmPoll(fd, Take(fd, key), Armed.In, KindIn, EPOLLIN, multi: true);
        return 0;
    }

    public void Unwatch(int fd) => Forget(fd);

    public void CloseDescriptor(int fd)
    {
        if (fd < _capacity && _entries[fd].Key != 0)
        {
            Forget(fd);
            var sqe = _ring!.Next();
            sqe->Opcode = IoUring.CloseFd;
            sqe->Flags = IoUring.SkipSuccess;
            sqe->Fd = fd;
            return;
        }

        _ = close(fd);
    }

    public int Wait(Readiness* into, int max, int timeoutMs)
    {
        WatchLoose();
        _ = _ring!.Wait(timeoutMs);
        int n = 0;
        while (n < max && _looseCount < LooseSize && _ring.TryTake(out var cqe))
        {
            uint events = Completed(cqe, out nint key);
            if (events != 0)
            {
                into[n].Key = key;
                into[n++].Events = events;
            }
        }

        return n;
    }

    public nint Receive(int fd, byte* buffer, nint length)
    {
        var e = _entries + fd;
        nint taken = 0;
        while (e->First >= 0 && taken < length)
        {
            taken += TakeHeld(e, buffer + taken, (int)Math.Min(length - taken, int.MaxValue));
        }

        if (taken == length)
        {
            return taken;
        }

        e->Armed &= ~Armed.Spliced;
        if ((e->Armed & Armed.Receive) != 0)
        {
            return taken > 0 ? taken : -EAGAIN;
        }

        if (e->Error != 0 || (e->Armed & Armed.End) != 0)
        {
            return taken > 0 ? taken : -e->Error;
        }

        nint r = recv(fd, buffer + taken, length - taken, 0);
        int errno = r < 0 ? *_errno : 0;
        if (r == length - taken)
        {
            return length;
        }

        if (r > 0 || errno == EAGAIN)
        {
            if ((e->Armed & Armed.In) == 0)
            {
                ArmReceive(fd, e, pollFirst: true);
            }

            taken += Math.Max(0, r);
            return taken > 0 ? taken : -EAGAIN;
        }

        if (taken == 0)
        {
            return r == 0 ? 0 : -errno;
        }

        // Bytes first, their end at the next call.
        if (r == 0)
        {
            e->Armed |= Armed.End;
        }
        else
        {
            e->Error = errno;
        }

        return taken;
    }

    public nint Send(int fd, byte* buffer, nint length)
    {
        nint r = send(fd, buffer, length, MSG_NOSIGNAL);
        if (r == length)
        {
            return r;
        }

        int errno = r < 0 ? *_errno : EAGAIN;
        if (errno == EAGAIN)
        {
            ArmPoll(fd, _entries + fd, Armed.Out, KindOut, EPOLLOUT);
        }

        return r >= 0 ? r : -errno;
    }

    public nint Splice(int from, int to, nint length)
    {
        bool reading = from < _capacity && _entries[from].Key != 0;
        if (reading && BeforeSplice(from, to, length, out nint done))
        {
            return done;
        }

        nint r = splice(from, null, to, null, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        int errno = r < 0 ? *_errno : 0;
        if (errno == EAGAIN)
        {
            if (reading)
            {
                ArmPoll(from, _entries + from, Armed.In, KindIn, EPOLLIN | EPOLLRDHUP);
            }
            else
            {
                ArmPoll(to, _entries + to, Armed.Out, KindOut, EPOLLOUT);
            }
        }

        return r >= 0 ? r : -errno;
    }

    /// <summary>What was received already goes first, and the armed receive must be gone, before bytes may be spliced.</summary>
    private bool BeforeSplice(int from, int to, nint length, out nint done)
    {
        var e = _entries + from;
        e->Armed |= Armed.Spliced;
        if (e->First >= 0)
        {
            int id = e->First;
            int want = (int)Math.Min(_heldLength[id] - e->Offset, length);
            nint w = write(to, _ring!.Buffer(id) + e->Offset, want);
            done = w > 0 ? w : -EAGAIN;
            if (w > 0)
            {
                Advance(e, (int)w);
            }

            return true;
        }

        if ((e->Armed & Armed.Receive) != 0)
        {
            CancelReceive(from, e);
            done = -EAGAIN;
            return true;
        }

        done = -e->Error;
        return e->Error != 0 || (e->Armed & Armed.End) != 0;
    }

    private const int LooseSize = 1024;

    private static ulong Name(ulong kind, uint generation, int fd) =>
        (kind << 60) | ((ulong)(generation & 0xFFFFFFF) << 32) | (uint)fd;

    private Entry* Take(int fd, nint key)
    {
        if (fd >= _capacity)
        {
            Grow(Math.Max(fd + 1, _capacity * 2));
        }

        var e = _entries + fd;
        uint generation = e->Generation + 1;
        *e = new Entry { Key = key, Generation = generation, First = -1, Last = -1 };
        return e;
    }

    private void Grow(int capacity)
    {
        _entries = (Entry*)NativeMemory.Realloc(_entries, (nuint)(capacity * sizeof(Entry)));
        NativeMemory.Clear(_entries + _capacity, (nuint)((capacity - _capacity) * sizeof(Entry)));
        for (int i = _capacity; i < capacity; i++)
        {
            _entries[i].First = _entries[i].Last = -1;
        }

        _capacity = capacity;
    }

    /// <summary>Takes back whatever is armed; completions that are on their way no longer find their generation.</summary>
    private void Forget(int fd)
    {
        if (fd >= _capacity || _entries[fd].Key == 0)
        {
            return;
        }

        var e = _entries + fd;
        if ((e->Armed & Armed.Receive) != 0 && (e->Armed & Armed.Cancelling) == 0)
        {
            Cancel(Name(KindReceive, e->Generation, fd));
        }

        if ((e->Armed & Armed.In) != 0)
        {
            Cancel(Name(KindIn, e->Generation, fd));
        }

        if ((e->Armed & Armed.Out) != 0)
        {
            Cancel(Name(KindOut, e->Generation, fd));
        }

        if ((e->Armed & Armed.HangUp) != 0)
        {
            Cancel(Name(KindHangUp, e->Generation, fd));
        }

        while (e->First >= 0)
        {
            Advance(e, _heldLength[e->First] - e->Offset);
        }

        e->Key = 0;
        e->Generation++;
        e->Armed = Armed.None;
    }

    private readonly void Cancel(ulong name)
    {
        var sqe = _ring!.Next();
        sqe->Opcode = IoUring.AsyncCancel;
        sqe->Flags = IoUring.SkipSuccess;
        sqe->Fd = -1;
        sqe->Address = name;
    }

    private readonly void CancelReceive(int fd, Entry* e)
    {
        if ((e->Armed & Armed.Cancelling) == 0)
        {
            e->Armed |= Armed.Cancelling;
            Cancel(Name(KindReceive, e->Generation, fd));
        }
    }

    private readonly void ArmReceive(int fd, Entry* e, bool pollFirst)
    {
        e->Armed |= Armed.Receive;
        var sqe = _ring!.Next();
        sqe->Opcode = IoUring.Recv;
        sqe->Flags = IoUring.BufferSelect;
        sqe->IoPriority = (ushort)(IoUring.RecvMulti | (pollFirst ? IoUring.RecvPollFirst : 0));
        sqe->Fd = fd;
        sqe->UserData = Name(KindReceive, e->Generation, fd);
    }

    private readonly void ArmPoll(int fd, Entry* e, Armed what, ulong kind, uint events, bool multi = false)
    {
        if ((e->Armed & what) != 0)
        {
            return;
        }

        e->Armed |= what;
        var sqe = _ring!.Next();
        sqe->Opcode = IoUring.PollAdd;
        sqe->Fd = fd;
        sqe->OpFlags = events;
        sqe->Length = multi ? IoUring.PollMulti : 0;
        sqe->UserData = Name(kind, e->Generation, fd);
    }

    /// <summary>
    /// Before waiting: whoever took nothing of what came is no longer received from, and who is not received from is
    /// watched for hang-up.
    /// </summary>
    private void WatchLoose()
    {
        for (int i = 0; i < _looseCount; i++)
        {
            int fd = _loose[i];
            var e = _entries + fd;
            e->Armed &= ~Armed.Loose;
            if (e->Key == 0)
            {
                continue;
            }

            if ((e->Armed & Armed.Receive) != 0)
            {
                if (e->Held >= HeldLimit)
                {
                    CancelReceive(fd, e);
                }
            }
            else if ((e->Armed & (Armed.In | Armed.End)) == 0 && e->Error == 0)
            {
                ArmPoll(fd, e, Armed.HangUp, KindHangUp, EPOLLRDHUP);
            }
        }

        _looseCount = 0;
    }

    private uint Completed(in IoUring.Cqe cqe, out nint key)
    {
        int fd = (int)(uint)cqe.UserData;
        ulong kind = cqe.UserData >> 60;
        key = 0;
        if (kind == 0)
        {
            return 0;
        }

        var e = _entries + fd;
        if (((cqe.UserData >> 32) & 0xFFFFFFF) != (e->Generation & 0xFFFFFFF) || e->Key == 0)
        {
            if ((cqe.Flags & IoUring.CqeBuffer) != 0)
            {
                _ring!.ReturnBuffer((int)(cqe.Flags >> 16));
            }

            return 0;
        }

        key = e->Key;
        return kind switch
        {
            KindReceive => Received(fd, e, cqe),
            KindIn => Polled(fd, e, cqe, Armed.In, EPOLLIN),
            KindOut => Polled(fd, e, cqe, Armed.Out, EPOLLOUT),
            _ => Polled(fd, e, cqe, Armed.HangUp, 0),
        };
    }

    private uint Received(int fd, Entry* e, in IoUring.Cqe cqe)
    {
        if ((cqe.Flags & IoUring.CqeMore) == 0)
        {
            e->Armed &= ~(Armed.Receive | Armed.Cancelling);
        }

        if ((e->Armed & Armed.Loose) == 0)
        {
            e->Armed |= Armed.Loose;
            _loose[_looseCount++] = fd;
        }

        if (cqe.Result > 0)
        {
            Hold(e, (int)(cqe.Flags >> 16), cqe.Result);
            return EPOLLIN;
        }

        if ((cqe.Flags & IoUring.CqeBuffer) != 0)
        {
            _ring!.ReturnBuffer((int)(cqe.Flags >> 16));
        }

        switch (-cqe.Result)
        {
            case 0:
                e->Armed |= Armed.End;
                return EPOLLIN | EPOLLRDHUP;
            case ENOBUFS or ECANCELED or EINTR or EAGAIN:
                // Not the connection's doing: whoever wants bytes reads directly, and is armed again by that.
                return EPOLLIN;
            default:
                e->Error = -cqe.Result;
                return EPOLLIN | HangUp;
        }
    }

    private readonly uint Polled(int fd, Entry* e, in IoUring.Cqe cqe, Armed what, uint assumed)
    {
        if ((cqe.Flags & IoUring.CqeMore) == 0)
        {
            e->Armed &= ~what;
            if (what == Armed.In && (e->Armed & Armed.Spliced) == 0 && cqe.Result >= 0)
            {
                // A listener's or mailbox' poll that the kernel ended.
                ArmPoll(fd, e, Armed.In, KindIn, EPOLLIN, multi: true);
            }
        }

        return cqe.Result >= 0 ? (uint)cqe.Result & (EPOLLIN | EPOLLOUT | HangUp) : assumed | HangUp;
    }

    private readonly void Hold(Entry* e, int id, int length)
    {
        _nextHeld[id] = -1;
        _heldLength[id] = length;
        if (e->First < 0)
        {
            e->First = (short)id;
            e->Offset = 0;
        }
        else
        {
            _nextHeld[e->Last] = (short)id;
        }

        e->Last = (short)id;
        e->Held++;
    }

    private readonly int TakeHeld(Entry* e, byte* into, int room)
    {
        int n = Math.Min(room, _heldLength[e->First] - e->Offset);
        Buffer.MemoryCopy(_ring!.Buffer(e->First) + e->Offset, into, room, n);
        Advance(e, n);
        return n;
    }

    private readonly void Advance(Entry* e, int n)
    {
        e->Offset += n;
        int id = e->First;
        if (e->Offset < _heldLength[id])
        {
            return;
        }

        e->First = _nextHeld[id];
        e->Offset = 0;
        e->Held--;
        _ring!.ReturnBuffer(id);
    }
}
