using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>
/// One io_uring with a ring of provided buffers, for one thread: it must be opened, used and closed by the same thread
/// (SINGLE_ISSUER, DEFER_TASKRUN; Linux 6.1). io_uring(7), io_uring_setup(2), io_uring_enter(2), io_uring_register(2).
/// </summary>
public sealed unsafe partial class IoUring : IDisposable
{
    public const byte PollAdd = 6;
    public const byte AsyncCancel = 14;
    public const byte CloseFd = 19;
    public const byte Recv = 27;

    public const byte BufferSelect = 1 << 5;
    public const byte SkipSuccess = 1 << 6;

    /// <summary>poll_add: stay armed after an event.</summary>
    public const uint PollMulti = 1;

    /// <summary>recv, in ioprio: wait for readiness first, there is nothing yet.</summary>
    public const ushort RecvPollFirst = 1;

    /// <summary>recv, in ioprio: stay armed after a completion.</summary>
    public const ushort RecvMulti = 2;

    public const uint CqeBuffer = 1;
    public const uint CqeMore = 2;

    private const int SetupCall = 425;
    private const int EnterCall = 426;
    private const int RegisterCall = 427;
    private const uint SetupCqSize = 1 << 3;
    private const uint SetupClamp = 1 << 4;
    private const uint SetupSubmitAll = 1 << 7;
    private const uint SetupSingleIssuer = 1 << 12;
    private const uint SetupDeferTaskRun = 1 << 13;
    private const uint FeatureSingleMmap = 1;
    private const uint FeatureExtArg = 1 << 8;
    private const uint EnterGetEvents = 1;
    private const uint EnterExtArg = 8;
    private const long OffsetSqes = 0x10000000;
    private const int RegisterBufferRing = 22;
    private const int ReadWrite = 3;
    private const int SharedPopulate = 0x8001;

    private readonly int _fd;
    private readonly byte* _rings;
    private readonly nint _ringsSize;
    private readonly Sqe* _sqes;
    private readonly nint _sqesSize;
    private readonly uint* _sqHead;
    private readonly uint* _sqTail;
    private readonly uint* _sqArray;
    private readonly uint _sqMask;
    private readonly uint _sqEntries;
    private readonly uint* _cqHead;
    private readonly uint* _cqTail;
    private readonly uint _cqMask;
    private readonly Cqe* _cqes;
    private readonly ProvidedBuffer* _bufferRing;
    private readonly byte* _buffers;
    private readonly uint _bufferMask;
    private uint _tail;
    private uint _submitted;
    private ushort _bufferTail;

    /// <summary>Opens a ring. Throws <see cref="LinuxException"/> where the kernel has none or forbids it.</summary>
    /// <param name="entries">Submissions that fit between two calls; a power of two.</param>
    /// <param name="bufferCount">Provided buffers of group 0; a power of two.</param>
    /// <param name="bufferSize">Bytes of each.</param>
    public IoUring(int entries, int bufferCount, int bufferSize)
    {
        BufferSize = bufferSize;
        Parameters p = default;
        p.Flags = SetupCqSize | SetupClamp | SetupSubmitAll | SetupSingleIssuer | SetupDeferTaskRun;
        p.CqEntries = (uint)entries * 4;
        _fd = (int)syscall2(SetupCall, entries, (nint)(&p));
        if (_fd < 0)
        {
            throw new LinuxException("io_uring_setup", *DataSyscalls.ErrnoLocation());
        }

        const uint Needed = FeatureSingleMmap | FeatureExtArg;
        if ((p.Features & Needed) != Needed)
        {
            _ = DataSyscalls.close(_fd);
            throw new LinuxException("io_uring_setup", DataSyscalls.EINVAL);
        }

        _ringsSize = (nint)Math.Max(p.SqArray + (p.SqEntries * sizeof(uint)), p.CqCqes + (p.CqEntries * (uint)sizeof(Cqe)));
        _rings = Map(_ringsSize, 0);
        _sqesSize = (nint)(p.SqEntries * (uint)sizeof(Sqe));
        _sqes = (Sqe*)Map(_sqesSize, OffsetSqes);
        _sqHead = (uint*)(_rings + p.SqHead);
        _sqTail = (uint*)(_rings + p.SqTail);
        _sqArray = (uint*)(_rings + p.SqArray);
        _sqEntries = p.SqEntries;
        _sqMask = p.SqEntries - 1;
        _cqHead = (uint*)(_rings + p.CqHead);
        _cqTail = (uint*)(_rings + p.CqTail);
        _cqMask = p.CqEntries - 1;
        _cqes = (Cqe*)(_rings + p.CqCqes);
        for (uint i = 0; i < _sqEntries; i++)
        {
            _sqArray[i] = i;
        }

        _bufferMask = (uint)bufferCount - 1;
        _bufferRing = (ProvidedBuffer*)NativeMemory.AlignedAlloc((nuint)(bufferCount * sizeof(ProvidedBuffer)), 4096);
        NativeMemory.Clear(_bufferRing, (nuint)(bufferCount * sizeof(ProvidedBuffer)));
        _buffers = (byte*)NativeMemory.AlignedAlloc((nuint)(bufferCount * bufferSize), 4096);
        var registration = new BufferRegistration { Address = (ulong)_bufferRing, Entries = (uint)bufferCount };
        if (syscall4(RegisterCall, _fd, RegisterBufferRing, (nint)(&registration), 1) < 0)
        {
            int errno = *DataSyscalls.ErrnoLocation();
            Dispose();
            throw new LinuxException("io_uring_register", errno);
        }

        for (int i = 0; i < bufferCount; i++)
        {
            ReturnBuffer(i);
        }
    }

    /// <summary>Bytes of a provided buffer.</summary>
    public int BufferSize { get; }

    /// <summary>May this process use such a ring? Opens and closes one.</summary>
    public static bool IsAllowed()
    {
        try
        {
            using var ring = new IoUring(8, 8, 4096);
            return true;
        }
        catch (LinuxException)
        {
            return false;
        }
    }

    public byte* Buffer(int id) => _buffers + ((nint)id * BufferSize);

    /// <summary>Gives a provided buffer back to the kernel.</summary>
    public void ReturnBuffer(int id)
    {
        var slot = _bufferRing + (_bufferTail & _bufferMask);
        slot->Address = (ulong)Buffer(id);
        slot->Length = (uint)BufferSize;
        slot->Id = (ushort)id;
        _bufferTail++;
        Volatile.Write(ref _bufferRing->Tail, _bufferTail);
    }

    /// <summary>The next submission, cleared. Submits first where the queue is full.</summary>
    public Sqe* Next()
    {
        if (_tail - Volatile.Read(ref *_sqHead) == _sqEntries)
        {
            Submit();
        }

        var sqe = _sqes + (_tail++ & _sqMask);
        *sqe = default;
        return sqe;
    }

    /// <summary>Hands over what is queued without waiting.</summary>
    public void Submit()
    {
        Volatile.Write(ref *_sqTail, _tail);
        while (_submitted != _tail)
        {
            nint n = syscall6(EnterCall, _fd, (nint)(_tail - _submitted), 0, 0, 0, 0);
            if (n > 0)
            {
                _submitted += (uint)n;
            }
            else if (n < 0 && *DataSyscalls.ErrnoLocation() is not (DataSyscalls.EINTR or DataSyscalls.EAGAIN or 16))
            {
                throw new LinuxException("io_uring_enter", *DataSyscalls.ErrnoLocation());
            }
        }
    }

    /// <summary>
    /// Hands over what is queued and waits at most that long (ms; 0 = not, -1 = without limit) for completions. 0 or -errno.
    /// </summary>
    public int Wait(int timeoutMs)
    {
        Volatile.Write(ref *_sqTail, _tail);
        nint queued = (nint)(_tail - _submitted);
        nint n;
        int errno = 0;
        if (timeoutMs == 0 || HasCompletions)
        {
            n = syscall6(EnterCall, _fd, queued, 0, (nint)EnterGetEvents, 0, 0);
            errno = n < 0 ? *DataSyscalls.ErrnoLocation() : 0;
        }
        else
        {
            DataSyscalls.Timespec time = new() { Seconds = timeoutMs / 1000, Nanos = timeoutMs % 1000 * 1_000_000L };
            GetEventsArgument argument = new() { Time = timeoutMs < 0 ? 0 : (ulong)&time };
            n = syscall_waiting(
                EnterCall, _fd, queued, 1, (nint)(EnterGetEvents | EnterExtArg), (nint)(&argument), sizeof(GetEventsArgument));
            errno = n < 0 ? Marshal.GetLastPInvokeError() : 0;
        }

        if (n >= 0)
        {
            _submitted += (uint)n;
            return 0;
        }

        // Time-outs and signals where something was submitted report the count instead.
        return -errno;
    }

    private bool HasCompletions => Volatile.Read(ref *_cqTail) != *_cqHead;

    /// <summary>Takes the next completion; false when there is none.</summary>
    public bool TryTake(out Cqe cqe)
    {
        uint head = *_cqHead;
        if (head == Volatile.Read(ref *_cqTail))
        {
            cqe = default;
            return false;
        }

        cqe = _cqes[head & _cqMask];
        Volatile.Write(ref *_cqHead, head + 1);
        return true;
    }

    public void Dispose()
    {
        _ = DataSyscalls.close(_fd);
        _ = munmap(_sqes, _sqesSize);
        _ = munmap(_rings, _ringsSize);
        NativeMemory.AlignedFree(_bufferRing);
        NativeMemory.AlignedFree(_buffers);
    }

    private byte* Map(nint size, long offset)
    {
        void* p = mmap(null, size, ReadWrite, SharedPopulate, _fd, offset);
        return p != (void*)-1 ? (byte*)p : throw new LinuxException("mmap of io_uring", *DataSyscalls.ErrnoLocation());
    }

    [LibraryImport("libc", EntryPoint = "syscall"), SuppressGCTransition]
    private static partial nint syscall2(nint number, nint a, nint b);

    [LibraryImport("libc", EntryPoint = "syscall"), SuppressGCTransition]
    private static partial nint syscall4(nint number, nint a, nint b, nint c, nint d);

    [LibraryImport("libc", EntryPoint = "syscall"), SuppressGCTransition]
    private static partial nint syscall6(nint number, nint a, nint b, nint c, nint d, nint e, nint f);

    /// <summary>The one that waits, hence with a normal GC transition.</summary>
    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint syscall_waiting(nint number, nint a, nint b, nint c, nint d, nint e, nint f);

    [LibraryImport("libc")]
    private static partial void* mmap(void* address, nint length, int protection, int flags, int fd, long offset);

    [LibraryImport("libc")]
    private static partial int munmap(void* address, nint length);

    /// <summary>struct io_uring_sqe.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 64)]
    public struct Sqe
    {
        public byte Opcode;
        public byte Flags;
        public ushort IoPriority;
        public int Fd;
        public ulong Offset;
        public ulong Address;
        public uint Length;
        public uint OpFlags;
        public ulong UserData;
        public ushort BufferGroup;
    }

    /// <summary>struct io_uring_cqe.</summary>
    public struct Cqe
    {
        public ulong UserData;
        public int Result;
        public uint Flags;
    }

    /// <summary>struct io_uring_buf; the ring's tail lies in the last field of the first.</summary>
    private struct ProvidedBuffer
    {
        public ulong Address;
        public uint Length;
        public ushort Id;
        public ushort Tail;
    }

    private struct BufferRegistration
    {
        public ulong Address;
        public uint Entries;
        public ushort Group;
        public ushort Flags;
        public fixed ulong Reserved[3];
    }

    private struct GetEventsArgument
    {
        public ulong SignalMask;
        public uint SignalMaskSize;
        public uint MinWaitMicroseconds;
        public ulong Time;
    }

    /// <summary>struct io_uring_params.</summary>
    private struct Parameters
    {
        public uint SqEntries;
        public uint CqEntries;
        public uint Flags;
        public uint SqThreadCpu;
        public uint SqThreadIdle;
        public uint Features;
        public uint WqFd;
        public fixed uint Reserved[3];
        public uint SqHead;
        public uint SqTail;
        public uint SqRingMask;
        public uint SqRingEntries;
        public uint SqFlags;
        public uint SqDropped;
        public uint SqArray;
        public uint SqReserved;
        public ulong SqUserAddress;
        public uint CqHead;
        public uint CqTail;
        public uint CqRingMask;
        public uint CqRingEntries;
        public uint CqOverflow;
        public uint CqCqes;
        public uint CqFlags;
        public uint CqReserved;
        public ulong CqUserAddress;
    }
}
