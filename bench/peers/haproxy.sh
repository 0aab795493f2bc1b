#!/bin/sh
# HAProxy in TCP mode with its default buffers. It would pass TLS through, so it has no TLS legs.
set -eu
case $1 in
version) command -v haproxy >/dev/null && haproxy -v | awk 'NR == 1 {print "HAProxy", $3}' ;;
tls) exit 1 ;;
run)
    cat >haproxy.cfg <<EOF
global
  nbthread 2
  maxconn 1500
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen postgresql
  bind 127.0.0.1:$BENCH_PORT
  server one 127.0.0.1:$BENCH_PGPORT
EOF
    exec haproxy -db -f haproxy.cfg
    ;;
esac
