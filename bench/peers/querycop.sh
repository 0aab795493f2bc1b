#!/bin/sh
# Querycop as it comes: nothing set but its two legs.
set -eu
EXE=${QUERYCOP:-$BENCH_ROOT/target/release/querycop}
case $1 in
version) [ -x "$EXE" ] && "$EXE" --version | sed '1s/^querycop/Querycop/;q' ;;
tls) ;;
run)
    # Unless another peer's script has chosen them.
    if [ -z "${BENCH_KEEP-}" ]; then
        for name in $(env | sed -n 's/^\(GATEKEEPER_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
    fi
    export GATEKEEPER_LISTEN_PORT="$BENCH_PORT" GATEKEEPER_API_PORT=0
    export GATEKEEPER_BACKEND_HOST=127.0.0.1 GATEKEEPER_BACKEND_PORT="$BENCH_PGPORT"
    if [ -n "$BENCH_TLS" ]; then
        export GATEKEEPER_BACKEND_TLS_MODE=require
        export GATEKEEPER_PROXY_TLS_CERT="$BENCH_TLS/server.crt"
        export GATEKEEPER_PROXY_TLS_KEY="$BENCH_TLS/server.key"
    else
        export GATEKEEPER_BACKEND_TLS_MODE=disable
    fi
    exec "$EXE"
    ;;
esac
