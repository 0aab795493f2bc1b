#!/bin/sh
# The auth-proxy before the AlloyDB emulator.
set -eu
. "${0%/*}/alloydb.sh"
case $1 in
version) querycop_version "auth-proxy" ;;
run) auth_proxy_run "$EXE" auth-proxy ;;
*) exit 1 ;;
esac
