#!/usr/bin/env bash
# From a crash to the new view: kills one of 2 or 3 daemons without a word and takes the time until every survivor has the
# new membership, ours and the installed corosync measured the same way (its log line, stamped as it is read). Needs root.
#   ring-crash.sh [-r REPETITIONS] [-t "3000 1000 300 100"] [-n "2 3"] [-s "buoy corosync"] [-l LINKS]
# corosync's own figure is token + consensus (1.2 times token) + about 50 ms; the aim is token + 20 ms.
set -uo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
buoy="${BUOY_BIN:-$root/out/buoy}"
repetitions=3; tokens="3000 1000 300 100"; counts="2 3"; stacks="buoy corosync"; links=1
while getopts r:t:n:s:l: o; do case $o in r) repetitions=$OPTARG ;; t) tokens=$OPTARG ;; n) counts=$OPTARG ;; s) stacks=$OPTARG ;;
  l) links=$OPTARG ;; *) exit 2 ;; esac; done
[ "$(id -u)" = 0 ] || { echo "ring-crash: needs root (network namespaces)" >&2; exit 1; }
[ -x "$buoy" ] || { echo "ring-crash: $buoy is missing; ./buoy build makes it" >&2; exit 1; }
command -v corosync >/dev/null || { stacks="${stacks//corosync/}"; echo "corosync is not installed: only buoy is measured" >&2; }
work="$(mktemp -d)"; tag="rc$$"
cleanup() {
  for p in "$work"/pid.*; do [ -s "$p" ] && kill -9 "$(cat "$p")" 2>/dev/null; done
  for i in 0 1 2 3; do ip netns del "$tag-$i" 2>/dev/null; done
  rm -rf "$work"
}
trap cleanup EXIT INT TERM

ip netns add "$tag-0"; ip -n "$tag-0" link add br0 type bridge mcast_snooping 0; ip -n "$tag-0" link set br0 up
for i in 1 2 3; do
  ip netns add "$tag-$i"; ip -n "$tag-$i" link set lo up
  ip link add "v$i" netns "$tag-0" type veth peer name eth0 netns "$tag-$i"
  ip -n "$tag-$i" addr add "10.77.0.$i/24" dev eth0; ip -n "$tag-$i" addr add "10.77.1.$i/24" dev eth0
  ip -n "$tag-$i" link set eth0 up; ip -n "$tag-0" link set "v$i" master br0 up
done

conf() { # conf NODES TOKEN
  local loss=4; [ "$2" -lt 130 ] && loss=2 # corosync refuses a token_retransmit below 30 ms
  printf 'totem {\n  version: 2\n  cluster_name: crash\n  transport: knet\n  token: %s\n  token_coefficient: 0\n' "$2"
  printf '  token_retransmits_before_loss_const: %s\n}\nnodelist {\n' "$loss"
  for ((i = 1; i <= $1; i++)); do
    printf '  node {\n'; for ((l = 0; l < links; l++)); do printf '    ring%s_addr: 10.77.%s.%s\n' "$l" "$l" "$i"; done
    printf '    nodeid: %s\n    name: n%s\n  }\n' "$i" "$i"
  done
  printf '}\nquorum {\n  provider: corosync_votequorum\n}\nlogging {\n  to_stderr: yes\n  to_syslog: no\n  to_logfile: no\n}\n'
}

start() { # start STACK NODE: leaves the daemon's pid in $work/pid.NODE, stamped lines in $work/log.NODE
  local run='mount -t tmpfs t /run; mount -t tmpfs t /dev/shm; mount -t tmpfs t /var/lib/corosync 2>/dev/null; echo $$ >'"$work/pid.$2; "
  if [ "$1" = buoy ]; then run+="export BUOY_RUN=$work/run.$2 BUOY_STATE=$work/state.$2; mkdir -p \$BUOY_RUN \$BUOY_STATE; exec '$buoy' cluster -c $work/conf"
  else run+="mkdir -p /run/corosync; exec corosync -f -c $work/conf"; fi
  rm -f "$work/pid.$2" "$work/log.$2"
  ip netns exec "$tag-$2" unshare -m bash -c "hostname=n$2; $run" 2>&1 </dev/null |
    while IFS= read -r line; do printf '%s %s\n' "${EPOCHREALTIME/./}" "$line"; done >"$work/log.$2" &
  disown
}

await() { # await SECONDS COMMAND…
  local end=$((SECONDS + $1)); shift
  until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.05; done
}
mark() { [ "$1" = buoy ] && echo 'ring [0-9a-f.]*:' || echo 'Completed service synchronization'; }
whole() { # whole STACK NODES: every log's newest membership has all nodes
  for ((i = 1; i <= $2; i++)); do
    if [ "$1" = buoy ]; then grep 'ring [0-9a-f.]*:' "$work/log.$i" 2>/dev/null | tail -1 | grep -q "$(seq -f n%g -s ' ' "$2")" || return 1
    else grep -o 'QUORUM\] Members\[[0-9]*\]' "$work/log.$i" 2>/dev/null | tail -1 | grep -q "\[$2\]" || return 1; fi
  done
}
after() { # after STACK NODE LINES: the first mark among later lines, its stamp
  tail -n "+$(($3 + 1))" "$work/log.$2" | grep -m1 "$(mark "$1")" | cut -d' ' -f1
}
seen() { for i in $3; do [ -n "$(after "$1" "$i" "${before[$i]}")" ] || return 1; done; }

once() { # once STACK NODES TOKEN: milliseconds, or nothing
  local i pid killed last=0 t
  conf "$2" "$3" >"$work/conf"; rm -rf "$work"/state.* "$work"/run.*
  for ((i = 1; i <= $2; i++)); do start "$1" "$i"; done
  for ((i = 1; i <= $2; i++)); do await 5 test -s "$work/pid.$i"; done
  if await 60 whole "$1" "$2"; then
    sleep "2.$((RANDOM % 900 + 100))" # at any moment of the token's hold
    before=(); for ((i = 1; i < $2; i++)); do before[i]=$(wc -l <"$work/log.$i"); done
    pid="$(cat "$work/pid.$2")"; killed="${EPOCHREALTIME/./}"; kill -9 "$pid"
    if await 30 seen "$1" "$2" "$(seq -s ' ' 1 $(($2 - 1)))"; then
      for ((i = 1; i < $2; i++)); do t=$(after "$1" "$i" "${before[$i]}"); [ "$t" -gt "$last" ] && last=$t; done
      echo $(((last - killed) / 1000))
    fi
  else echo "ring-crash: $1 with $2 nodes, token $3: no first ring" >&2; tail -n 3 "$work"/log.* >&2; fi
  for ((i = 1; i <= $2; i++)); do kill -9 "$(cat "$work/pid.$i")" 2>/dev/null; done
  sleep 0.3
}

printf '%-9s %5s %6s   %s\n' stack nodes token "crash to new view on every survivor, ms (median; all)"
for n in $counts; do for token in $tokens; do for stack in $stacks; do
  all=(); for ((k = 0; k < repetitions; k++)); do v="$(once "$stack" "$n" "$token")"; [ -n "$v" ] && all+=("$v"); done
  mapfile -t all < <(printf '%s\n' "${all[@]}" | sort -n)
  printf '%-9s %5s %6s   %6s   %s\n' "$stack" "$n" "$token" "${all[$((${#all[@]} / 2))]:-none}" "${all[*]}"
done; done; done
