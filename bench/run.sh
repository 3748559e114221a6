#!/usr/bin/env bash
# Benchmarks, each against the original in one interleaved run where that is installed (bench/README.md tells how to read them).
#   run.sh [--workloads NAME,…] [--rounds N] [--seconds S] [--threads N] …   the balancer and HAProxy (which runs twice, for the noise)
#   run.sh ring [--nodes 2,3,5] [--sizes 100,1000,8000,64000] [--seconds 3] [--rounds 3]   process groups and Corosync's
#   run.sh ring-crash …                                                       from a crash to the new view
#   run.sh ring-loaded …                                                      no view may change while all processors are busy
# BUOY_BENCH=FILE runs a bench-lb.sh of one's own instead of the first, with the same two comparisons.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
case "${1:-}" in
ring-loaded) shift; exec bash "$root/bench/ring-loaded.sh" "$@" ;;
ring-crash) shift; exec bash "$root/bench/ring-crash.sh" "$@" ;;
ring)
  shift
  command -v corosync >/dev/null 2>&1 || { echo "buoy bench: corosync, which is compared with, is not installed" >&2; exit 1; }
  exec "$root/out/buoy" lab ringbench "$@" ;;
esac
[ -n "${BUOY_BENCH:-}" ] || exec "$root/out/buoy" lab bench "$@"
[ -r "$BUOY_BENCH" ] || { echo "buoy bench: cannot read $BUOY_BENCH" >&2; exit 1; }
[ $# -gt 0 ] || set -- -w crr,echo,bulk -r 5 -s 2
splice='option splice-request;option splice-response'
echo "== noise: haproxy against itself"
bash "$BUOY_BENCH" "$@" --defaults "$splice" 'haproxy -db -f {cfg}' 'haproxy -db -f {cfg}'
echo "== haproxy (A) against buoy (B)"
bash "$BUOY_BENCH" "$@" --defaults "$splice" 'haproxy -db -f {cfg}' "$root/out/buoy balancer -db -f {cfg}"
