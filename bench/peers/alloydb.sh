# What the two ways to the AlloyDB emulator share; read by their scripts.
EXE=${QUERYCOP:-$BENCH_ROOT/target/release/querycop}

querycop_version() {
    [ -x "$EXE" ] && "$EXE" --version | sed "1s/^querycop \(.*\)/Querycop \1, $1 to the emulator/;q"
}

querycop_environment() {
    for name in $(env | sed -n 's/^\(GATEKEEPER_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
    export GATEKEEPER_LISTEN_PORT="$BENCH_PORT" GATEKEEPER_API_PORT=0
    if [ -n "$BENCH_TLS" ]; then
        export GATEKEEPER_PROXY_TLS_CERT="$BENCH_TLS/server.crt"
        export GATEKEEPER_PROXY_TLS_KEY="$BENCH_TLS/server.key"
    fi
}

# The auth-proxies: plain to the client, TLS to the instance. The same words for both.
auth_proxy_run() {
    for name in $(env | sed -n 's/^\(ALLOYDB_PROXY_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
    export GOOGLE_APPLICATION_CREDENTIALS="$BENCH_CREDENTIALS"
    exec "$@" --port "$BENCH_PORT" --alloydbadmin-api-endpoint "$BENCH_ADMIN" \
        --disable-built-in-telemetry "$BENCH_INSTANCE"
}
