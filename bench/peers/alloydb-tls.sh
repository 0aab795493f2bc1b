#!/bin/sh
# Querycop before the same emulator, with its own TLS (port 5432): what the connector is compared with.
set -eu
. "${0%/*}/alloydb.sh"
case $1 in
version) querycop_version "TLS" ;;
tls) ;;
run)
    querycop_environment
    export GATEKEEPER_BACKEND_HOST="$BENCH_INSTANCE_ADDRESS" GATEKEEPER_BACKEND_PORT=5432
    export GATEKEEPER_BACKEND_TLS_MODE=verify-ca GATEKEEPER_BACKEND_TLS_CA_FILE="$BENCH_CLUSTER_CA"
    exec "$EXE"
    ;;
esac
