#!/usr/bin/env bash
# No false view change under load: daemons in namespaces of their own while every processor is kept busy by spinning
# processes at the usual priority. Counts the views before and after. Exit status 0: no view changed; 1: one did; 2: no ring,
# or a wrong command line. Needs root.
#   ring-loaded.sh [-m MINUTES] [-t TOKEN] [-n NODES] [-p SPINNERS] [-s buoy|corosync]
# Defaults: 30 minutes, token 1000 ms, 2 nodes, two spinners on each processor.
set -uo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
buoy="${BUOY_BIN:-$root/out/buoy}"
minutes=30; token=1000; nodes=2; spinners=$((2 * $(nproc))); stack=buoy
while getopts m:t:n:p:s: o; do case $o in m) minutes=$OPTARG ;; t) token=$OPTARG ;; n) nodes=$OPTARG ;; p) spinners=$OPTARG ;;
  s) stack=$OPTARG ;; *) exit 2 ;; esac; done
[ "$(id -u)" = 0 ] || { echo "ring-loaded: needs root (network namespaces)" >&2; exit 2; }
[ "$stack" != buoy ] || [ -x "$buoy" ] || { echo "ring-loaded: $buoy is missing; ./buoy build makes it" >&2; exit 2; }
[ "$stack" != corosync ] || command -v corosync >/dev/null || { echo "ring-loaded: corosync is not installed" >&2; exit 2; }
work="$(mktemp -d)"; tag="rl$$"; spinning=()
cleanup() {
  [ ${#spinning[@]} -gt 0 ] && kill "${spinning[@]}" 2>/dev/null
  for p in "$work"/pid.*; do [ -s "$p" ] && kill -9 "$(cat "$p")" 2>/dev/null; done
  for ((i = 0; i <= nodes; i++)); do ip netns del "$tag-$i" 2>/dev/null; done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 2' INT TERM

ip netns add "$tag-0"; ip -n "$tag-0" link add br0 type bridge mcast_snooping 0; ip -n "$tag-0" link set br0 up
for ((i = 1; i <= nodes; i++)); do
  ip netns add "$tag-$i"; ip -n "$tag-$i" link set lo up
  ip link add "v$i" netns "$tag-0" type veth peer name eth0 netns "$tag-$i"
  ip -n "$tag-$i" addr add "10.78.0.$i/24" dev eth0; ip -n "$tag-$i" link set eth0 up
  ip -n "$tag-0" link set "v$i" master br0 up
done
{
  printf 'totem {\n  version: 2\n  cluster_name: loaded\n  transport: knet\n  token: %s\n  token_coefficient: 0\n}\nnodelist {\n' "$token"
  for ((i = 1; i <= nodes; i++)); do printf '  node {\n    ring0_addr: 10.78.0.%s\n    nodeid: %s\n    name: n%s\n  }\n' "$i" "$i" "$i"; done
  printf '}\nquorum {\n  provider: corosync_votequorum\n}\nlogging {\n  to_stderr: yes\n  to_syslog: no\n  to_logfile: no\n}\n'
} >"$work/conf"

start() { # start NODE: leaves the daemon's pid in $work/pid.NODE, its lines in $work/log.NODE
  local run='mount -t tmpfs t /run; mount -t tmpfs t /dev/shm; mount -t tmpfs t /var/lib/corosync 2>/dev/null; echo $$ >'"$work/pid.$1; "
  if [ "$stack" = buoy ]; then run+="export BUOY_RUN=$work/run.$1 BUOY_STATE=$work/state.$1; mkdir -p \$BUOY_RUN \$BUOY_STATE; exec '$buoy' cluster -c $work/conf"
  else run+="mkdir -p /run/corosync; exec corosync -f -c $work/conf"; fi
  ip netns exec "$tag-$1" unshare -m bash -c "hostname=n$1; $run" >"$work/log.$1" 2>&1 </dev/null &
  disown
}
views() { # views NODE: how many were given so far
  if [ "$stack" = buoy ]; then grep -c 'ring [0-9a-f.]*: ' "$work/log.$1"; else grep -c 'Completed service synchronization' "$work/log.$1"; fi
}
whole() { # the newest membership of every node has all
  for ((i = 1; i <= nodes; i++)); do
    if [ "$stack" = buoy ]; then grep 'ring [0-9a-f.]*:' "$work/log.$i" 2>/dev/null | tail -1 | grep -q "$(seq -f n%g -s ' ' "$nodes")" || return 1
    else grep -o 'QUORUM\] Members\[[0-9]*\]' "$work/log.$i" 2>/dev/null | tail -1 | grep -q "\[$nodes\]" || return 1; fi
  done
}

for ((i = 1; i <= nodes; i++)); do start "$i"; done
end=$((SECONDS + 60))
until whole; do
  [ $SECONDS -lt $end ] || { echo "ring-loaded: no ring of $nodes nodes within a minute" >&2; tail -n 3 "$work"/log.* >&2; exit 2; }
  sleep 0.1
done
sleep 2 # what joining leaves behind
before=(); lines=()
for ((i = 1; i <= nodes; i++)); do before[i]=$(views "$i"); lines[i]=$(wc -l <"$work/log.$i"); done
for ((k = 0; k < spinners; k++)); do
  timeout $((minutes * 60 + 60)) bash -c 'while :; do :; done' &
  spinning+=($!)
done
read -r _ user nice system idle _ </proc/stat; busy=$((user + nice + system)); rest=$idle
echo "$stack, $nodes nodes, token $token ms: $minutes minutes with $spinners spinners on $(nproc) processors, from $(date -u +%T)"
end=$((SECONDS + minutes * 60)); status=0
while [ $SECONDS -lt $end ]; do
  sleep 5
  for ((i = 1; i <= nodes; i++)); do
    kill -0 "$(cat "$work/pid.$i")" 2>/dev/null || { echo "node $i ended"; tail -n 5 "$work/log.$i"; exit 1; }
  done
done
read -r _ user nice system idle _ </proc/stat; busy=$((user + nice + system - busy)); rest=$((idle - rest))
for ((i = 1; i <= nodes; i++)); do
  changes=$(($(views "$i") - before[i])); [ "$changes" = 0 ] || status=1
  tail -n "+$((lines[i] + 1))" "$work/log.$i" >"$work/later.$i"
  printf 'node %s: %s view changes, %s late tokens, did not run for long %s times\n' "$i" "$changes" \
    "$(grep -c 'token late' "$work/later.$i")" "$(grep -c 'did not run for' "$work/later.$i")"
  [ "$changes" = 0 ] || head -n 40 "$work/later.$i"
done
echo "processors busy $((100 * busy / (busy + rest + 1))) % of the time"
exit $status
