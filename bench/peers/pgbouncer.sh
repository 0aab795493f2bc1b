#!/bin/sh
# PgBouncer in session mode, SCRAM on both legs. It refuses to run as root and becomes BENCH_OSUSER.
set -eu
EXE=${PGBOUNCER:-pgbouncer}
case $1 in
version) command -v "$EXE" >/dev/null && "$EXE" --version | head -n 1 ;;
tls) ;;
run)
    echo "\"$BENCH_USER\" \"$BENCH_SCRAM\"" >users.txt
    if [ -n "$BENCH_TLS" ]; then leg=require; else leg=disable; fi
    cat >pgbouncer.ini <<EOF
[databases]
$BENCH_DATABASE = host=127.0.0.1 port=$BENCH_PGPORT
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $BENCH_PORT
unix_socket_dir =
auth_type = scram-sha-256
auth_file = users.txt
pool_mode = session
max_client_conn = 1500
default_pool_size = 1100
listen_backlog = 1024
log_connections = 0
log_disconnections = 0
client_tls_sslmode = $leg
server_tls_sslmode = $leg
EOF
    if [ -n "$BENCH_TLS" ]; then
        printf 'client_tls_cert_file = %s\nclient_tls_key_file = %s\n' \
            "$BENCH_TLS/server.crt" "$BENCH_TLS/server.key" >>pgbouncer.ini
    fi
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid="$(id -u "$BENCH_OSUSER")" --regid="$(id -g "$BENCH_OSUSER")" \
            --clear-groups --pdeathsig TERM -- "$EXE" pgbouncer.ini
    else
        exec "$EXE" pgbouncer.ini
    fi
    ;;
esac
