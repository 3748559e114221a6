#!/bin/bash
# Buoy as a stack for the fault lab (verbs: CONTRACT.md of the lab, whose folder LAB names; default: shared/lab beside the repository).
# One daemon (membership, resources) and one balancer process a node. Settings: HL_TOKEN (ms, 3000), HL_MON (s, 20).
# lbkill ends the process that carries the traffic, the balancer.
set -eu
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
repo="$(cd "$here/../.." && pwd)"
: "${LAB:=$(dirname "$repo")/shared/lab}"
. "$LAB/lab/env.sh"
HL_ROOT="$LAB"
: "${HL_TOKEN:=3000}" "${HL_MON:=20}"
BUOY="$repo/out/buoy"
# Of the folders private to a node of this lab, one for our state.
STATE=/var/lib/pacemaker/buoy

corosync_conf() { # the seed's, with this lab's network
  cat <<END
totem {
  version: 2
  cluster_name: haproxy-cluster
  token: $HL_TOKEN
  token_retransmits_before_loss_const: 10
  clear_node_high_bit: yes
  crypto_cipher: aes256
  crypto_hash: sha256
  interface {
    ringnumber: 0
    bindnetaddr: $HL_NET.0
    mcastaddr: 239.255.1.1
    mcastport: 5405
    ttl: 1
  }
}
logging {
  fileline: off
  to_stderr: no
  to_logfile: yes
  logfile: /var/log/corosync/corosync.log
  to_syslog: yes
  syslog_facility: daemon
  debug: off
  timestamp: on
  logger_subsys {
    subsys: QUORUM
    debug: off
  }
}
quorum {
  provider: corosync_votequorum
$( [ "$HL_NODES" = 2 ] && echo "  two_node: 1" )
  expected_votes: $HL_NODES
}
END
}

crm_lines() { # the seed's lines
  cat <<END
property stonith-enabled=no
property no-quorum-policy=ignore
rsc_defaults resource-stickiness=100
primitive virtual-ip-resource ocf:heartbeat:IPaddr2 params ip="$HL_VIP" broadcast=$HL_BCAST nic=$HL_NIC cidr_netmask=$HL_CIDR meta migration-threshold=2 op monitor interval=$HL_MON timeout=60 on-fail=restart
primitive haproxy-resource ocf:heartbeat:haproxy op monitor interval=$HL_MON timeout=60 on-fail=restart
colocation loc inf: virtual-ip-resource haproxy-resource
order ord inf: virtual-ip-resource haproxy-resource
commit
quit
END
}

b() { local n="$1"; shift; node_exec "$n" env BUOY_STATE=$STATE "$BUOY" "$@"; }
any_up() { local n; for n in $(all_nodes); do node_alive "$n" && { echo "$n"; return; }; done; return 1; }

case "${1:-}" in
prepare)
  first="$(node_name 1)"
  for n in $(all_nodes); do
    d="$(node_dir "$n")/fs"
    corosync_conf > "$d/etc/corosync/corosync.conf"
    sed "s/@DNS@/$HL_DNS_IP/" "$LAB/stacks/haproxy.cfg" > "$d/etc/haproxy/haproxy.cfg"
    rm -rf "$d/var/lib/pacemaker/buoy" "$d/etc/corosync/authkey"
  done
  b "$first" corosync-keygen -l -k /etc/corosync/authkey >/dev/null
  for n in $(all_nodes); do [ "$n" = "$first" ] || cp -a "$(node_dir "$first")/fs/etc/corosync/authkey" "$(node_dir "$n")/fs/etc/corosync/"; done ;;
start) n="$2"
  node_exec "$n" env BUOY_STATE=$STATE setsid "$BUOY" cluster </dev/null >>"$(node_dir "$n")/buoy.out" 2>&1 & ;;
configure)
  for ((i = 0; i < 300; i++)); do
    [ "$(b "$(node_name 1)" crm_mon -1 2>/dev/null | grep -c "Online: \[.*$(node_name "$HL_NODES")")" = 1 ] && break; sleep 0.1
  done
  crm_lines | b "$(node_name 1)" crm configure ;;
active) "$LAB/lab/topo.sh" vip ;;
ready)
  up=0; for n in $(all_nodes); do node_alive "$n" && up=$((up + 1)); done
  out="$(b "$(any_up)" crm_mon -1 2>/dev/null)" || exit 1
  on="$(sed -n 's/.*Online: \[ \(.*\) \].*/\1/p' <<<"$out" | wc -w)"
  [ "$on" = "$up" ] && [ "$(grep -c 'Started hapx' <<<"$out")" = 2 ] && ! grep -q -e '(unclean)' -e pending -e Failed <<<"$out" &&
    [ "$("$LAB/lab/topo.sh" vip | wc -l)" = 1 ] ;;
standby) b "$2" crm node standby "$2" ;;
online)  b "$2" crm node online "$2" ;;
lbkill)  node_exec "$2" sh -c 'kill -9 $(cat /run/haproxy.pid)' ;;
cleanup) for r in virtual-ip-resource haproxy-resource; do b "$(any_up)" crm_resource --cleanup --resource "$r" >/dev/null 2>&1 || true; done ;;
stop) node_exec "$2" sh -c 'p=$(cat /run/buoy/cluster.pid) && { kill $p; while kill -0 $p 2>/dev/null; do sleep 0.05; done; }; true' ;;
versions) "$BUOY" --version ;;
sample) o="$2"; n="$(node_name 1)"; mkdir -p "$o"
  run() { local f="$1"; shift; b "$n" "$@" > "$o/$f" 2>&1 || echo "[exit $?]" >> "$o/$f"; }
  run crm-status.txt crm status
  run crm-configure-show.txt crm configure show
  run cibadmin-Q.xml cibadmin -Q
  run corosync-quorumtool-s.txt corosync-quorumtool -s
  run corosync-cfgtool-s.txt corosync-cfgtool -s ;;
*) echo "verbs: see CONTRACT.md of the lab" >&2; exit 2 ;;
esac
