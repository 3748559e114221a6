#!/usr/bin/env bash
# The balancer against HAProxy in one interleaved run, as CPU per unit of work (B/A columns; lower is better for cpu).
# Uses the benchmark named by BUOY_BENCH, or bench-lb.sh of the folder "shared" beside the repository. Options are passed on.
#   run.sh ring [--nodes 2,3,5] [--sizes 100,1000,8000,64000] [--seconds 3] [--rounds 3]: process groups against Corosync's.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
if [ "${1:-}" = ring-loaded ]; then shift; exec bash "$root/bench/ring-loaded.sh" "$@"; fi
if [ "${1:-}" = ring-crash ]; then shift; exec bash "$root/bench/ring-crash.sh" "$@"; fi
if [ "${1:-}" = ring ]; then
  shift
  command -v corosync >/dev/null 2>&1 || { echo "buoy bench: corosync, which is compared with, is not installed" >&2; exit 1; }
  exec "$root/out/buoy" lab ringbench "$@"
fi
bench="${BUOY_BENCH:-$(dirname "$root")/shared/bench-lb.sh}"
[ -r "$bench" ] || { echo "buoy bench: no bench-lb.sh beside the repository; name one with BUOY_BENCH" >&2; exit 1; }
command -v haproxy >/dev/null 2>&1 || { echo "buoy bench: haproxy, which is compared with, is not installed" >&2; exit 1; }
[ $# -gt 0 ] || set -- -w crr,echo,bulk -r 5 -s 2
splice='option splice-request;option splice-response'
echo "== noise: haproxy against itself"
bash "$bench" "$@" --defaults "$splice" 'haproxy -db -f {cfg}' 'haproxy -db -f {cfg}'
echo "== haproxy (A) against buoy (B)"
bash "$bench" "$@" --defaults "$splice" 'haproxy -db -f {cfg}' "$root/out/buoy balancer -db -f {cfg}"
