#!/bin/sh
# Querycop with a policy of 50 rules and an audit log, on disk before the client goes on.
set -eu
. "${0%/*}/overseen.sh"
case $1 in
version) "${0%/*}/querycop.sh" version | sed 's/$/ with policy and audit (synced)/' ;;
tls) ;;
run)
    overseen_environment
    export GATEKEEPER_AUDIT_DURABILITY=synced
    BENCH_KEEP=1 exec "${0%/*}/querycop.sh" run
    ;;
esac
