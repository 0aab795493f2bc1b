#!/bin/sh
# Google's AlloyDB Auth Proxy before the same emulator, as tests/clients/google/setup builds it.
set -eu
. "${0%/*}/alloydb.sh"
ORIGINAL=${AUTH_PROXY:-$BENCH_ROOT/.cache/clients/google/alloydb-auth-proxy}
case $1 in
version) [ -x "$ORIGINAL" ] && "$ORIGINAL" --version | sed 's/^alloydb-auth-proxy version/AlloyDB Auth Proxy/;q' ;;
run) auth_proxy_run "$ORIGINAL" ;;
*) exit 1 ;;
esac
