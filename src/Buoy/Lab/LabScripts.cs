namespace Buoy.Lab;

/// <summary>
/// The shell scripts that make the lab's hosts. They are scripts because they are what an operator would type: <c>ip</c>,
/// <c>mount</c>, <c>unshare</c>. Arguments arrive as $1, $2 …
/// </summary>
internal static class LabScripts
{
    /// <summary>
    /// Process 1 of the whole lab, in network, mount and process namespaces of its own: everything the lab makes lives inside
    /// them and ends with them. It ends when its standard input does, and so with the program that made it, however that ended.
    /// </summary>
    public const string Init = """
        set -e
        export PATH=/usr/sbin:/usr/bin:/sbin:/bin
        mount --make-rprivate /
        mount -t tmpfs -o mode=0755 lab-run /run
        mkdir -p /run/netns /run/lab/nodes
        mount -t tmpfs -o mode=0755 lab-disk /run/lab/nodes
        ip link set lo up
        echo ready
        exec <&0
        cat >/dev/null
        """;

    /// <summary>The segment: a bridge in its own namespace. $1 = name of that namespace.</summary>
    public const string Lan = """
        set -e
        ip netns add "$1"
        ip netns exec "$1" sh -c 'for c in all default; do echo 1 >/proc/sys/net/ipv6/conf/$c/disable_ipv6; done' || true
        ip -n "$1" link add br0 type bridge mcast_snooping 0
        ip -n "$1" link set br0 up
        """;

    /// <summary>A host on the segment: $1 = LAN namespace, $2 = host namespace, $3 = interface, $4 = port, $5 = broadcast, $6… = addresses.</summary>
    public const string Host = """
        set -e
        lan="$1" ns="$2" nic="$3" port="$4" brd="$5"; shift 5
        ip netns add "$ns"
        ip netns exec "$ns" sh -c 'for c in all default; do echo 1 >/proc/sys/net/ipv6/conf/$c/disable_ipv6; done' || true
        ip link add "$port" netns "$lan" type veth peer name "$nic" netns "$ns"
        ip -n "$lan" link set "$port" master br0 up
        ip -n "$ns" link set lo up
        ip -n "$ns" link set "$nic" up
        for a in "$@"; do ip -n "$ns" addr add "$a" broadcast "$brd" dev "$nic"; done
        """;

    /// <summary>
    /// Boots a cluster node: $1 = name, $2 = LAN namespace, $3 = interface, $4 = port, $5 = broadcast, $6 = address/prefix. Network
    /// as after a cold start (no floating address left over), link up; the caller starts <see cref="NodeInit"/> in it.
    /// </summary>
    public const string NodeNetwork = """
        set -e
        ip -n "$1" addr flush dev "$3" scope global
        ip -n "$1" link set "$3" up
        ip -n "$1" addr add "$6" broadcast "$5" dev "$3"
        ip -n "$2" link set "$4" up
        """;

    /// <summary>
    /// Process 1 of a node, in namespaces of its own: /etc and /var are overlays whose upper layer is the node's disk (kept over a
    /// crash), /run and /dev are its own. $1 = name, $2 = program, $3 = folder with the files to lay under /etc (first boot).
    /// </summary>
    public const string NodeInit = """
        set -e
        export PATH=/usr/sbin:/usr/bin:/sbin:/bin
        mount --make-rprivate /
        hostname "$1"
        d=/run/lab/nodes/$1
        if [ -n "${LAB_ONE_USER:-}" ]; then
          # One user only: what belongs to others cannot be written, not even in an overlay. The node gets copies.
          if [ ! -e "$d/etc" ]; then
            mkdir -p "$d/etc" "$d/var/lib" "$d/var/log" "$d/var/tmp" "$d/var/cache"
            cp -r /etc/. "$d/etc/" 2>/dev/null || true
            rm -rf "$d/etc/haproxy" "$d/etc/corosync"
            ln -s /run "$d/var/run"
          fi
          for t in etc var; do mount --bind "$d/$t" "/$t"; done
        else
          for t in etc var; do
            mkdir -p "$d/$t" "$d/$t.work"
            mount -t overlay -o "lowerdir=/$t,upperdir=$d/$t,workdir=$d/$t.work" "lab-$t" "/$t"
          done
        fi
        dev="$d/dev"; mkdir -p "$dev"; mount -t tmpfs -o mode=0755 lab-dev "$dev"
        for f in null zero full random urandom tty; do touch "$dev/$f"; mount --bind "/dev/$f" "$dev/$f"; done
        mkdir -p "$dev/shm" "$dev/pts"; mount -t tmpfs -o mode=1777 lab-shm "$dev/shm"
        [ -e /dev/net/tun ] && mkdir -p "$dev/net" && touch "$dev/net/tun" && mount --bind /dev/net/tun "$dev/net/tun"
        ln -s /proc/self/fd "$dev/fd"; ln -s /proc/self/fd/0 "$dev/stdin"; ln -s /proc/self/fd/1 "$dev/stdout"; ln -s /proc/self/fd/2 "$dev/stderr"
        mount --move "$dev" /dev
        if [ ! -e "$d/installed" ]; then
          cp -r "$3"/. /etc/; chown -R 0:0 /etc/haproxy /etc/corosync; chmod 0400 /etc/corosync/authkey
          grep -q ^haproxy: /etc/group || echo 'haproxy:x:989:' >> /etc/group
          grep -q ^haproxy: /etc/passwd || echo 'haproxy:x:989:989::/var/lib/haproxy:/usr/sbin/nologin' >> /etc/passwd
          if [ -n "${LAB_ONE_USER:-}" ]; then
            sed -i 's/^\(haproxy:[^:]*\):[0-9]*:[0-9]*/\1:0:0/' /etc/passwd; sed -i 's/^\(haproxy:[^:]*\):[0-9]*/\1:0/' /etc/group
          fi
          echo "$1" > /etc/hostname
          rm -rf /var/lib/corosync /var/lib/buoy /var/lib/pacemaker/cib
          mkdir -p /var/lib/haproxy /var/lib/corosync /var/lib/buoy /var/log/corosync
          : > "$d/installed"
        fi
        mount -t tmpfs -o mode=0755 lab-run /run
        mkdir -p /run/haproxy /run/lock
        "$2" lab syslog /dev/log /var/log/syslog </dev/null >/dev/null 2>&1 &
        echo ready
        while :; do sleep 86400 & wait $!; done
        """;
}
