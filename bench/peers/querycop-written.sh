#!/bin/sh
# Querycop with a policy of 50 rules and an audit log, the default durability: with the operating system before the client goes on.
set -eu
. "${0%/*}/overseen.sh"
case $1 in
version) "${0%/*}/querycop.sh" version | sed 's/$/ with policy and audit (written)/' ;;
tls) ;;
run)
    overseen_environment
    export GATEKEEPER_AUDIT_DURABILITY=written
    BENCH_KEEP=1 exec "${0%/*}/querycop.sh" run
    ;;
esac
