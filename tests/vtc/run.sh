#!/usr/bin/env bash
# Runs programs of this folder under varnishtest (Debian's package varnish).
#   tests/vtc/run.sh [-o] [-v] [FILE.vtc …]     all of them without FILE; -o: with the original haproxy; -v: always the log
# The program is BUOY_PROGRAM, else out/buoy, else the one that `dotnet build` made.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
original='' verbose=''
while getopts ov option; do
  case $option in o) original=1 ;; v) verbose=-v ;; *) exit 64 ;; esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- "$here"/*.vtc

# Paths of sockets end at 107 bytes, so the folder's own path is short.
TMPDIR="$(mktemp -d /tmp/vtc.XXXXXX)"; export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
if [ -n "$original" ]; then
  HAPROXY_PROGRAM="$(PATH="$PATH:/usr/sbin" command -v haproxy)"
else
  program="${BUOY_PROGRAM:-$root/out/buoy}"
  [ -x "$program" ] || program="$root/src/Buoy/bin/Debug/net10.0/buoy"
  ln -s "$program" "$TMPDIR/haproxy"
  HAPROXY_PROGRAM="$TMPDIR/haproxy"
fi
export HAPROXY_PROGRAM HAPROXY_ARGS="${HAPROXY_ARGS--dM}"
# The driver ends programs by SIGINT: it must not be inherited as ignored.
env --default-signal=INT,TERM varnishtest -k -j 2 -t 20 ${verbose:+"$verbose"} "$@"
