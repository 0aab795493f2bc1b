#!/bin/sh
# Querycop before the AlloyDB emulator, through the built-in connector (port 5433).
set -eu
. "${0%/*}/alloydb.sh"
case $1 in
version) querycop_version "connector" ;;
tls) ;;
run)
    querycop_environment
    export GATEKEEPER_BACKEND_INSTANCE="$BENCH_INSTANCE"
    export GATEKEEPER_BACKEND_ADMIN_ENDPOINT="$BENCH_ADMIN"
    export GOOGLE_APPLICATION_CREDENTIALS="$BENCH_CREDENTIALS"
    exec "$EXE"
    ;;
esac
