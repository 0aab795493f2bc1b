"""What is measured: a throw-away PostgreSQL server and the proxies before it.

Everything started here is a child of this process, dies with it (even by SIGKILL),
listens on free loopback ports and keeps its files in one temporary directory.
"""
import glob
import json
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pgwire

HERE = Path(__file__).resolve().parent
USER = DATABASE = PASSWORD = "bench"

SERVER_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 1300
shared_buffers = 256MB
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
max_parallel_workers_per_gather = 0
jit = off
ssl = on
password_encryption = scram-sha-256
"""


class Unusable(Exception):
    """The benchmark can't be run as asked; the message says what is missing."""


def server_programs():
    """The directory with initdb, postgres, pgbench and psql."""
    found = [os.environ["PGBIN"]] if "PGBIN" in os.environ else []
    if shutil.which("pg_config"):
        found.append(subprocess.check_output(["pg_config", "--bindir"], text=True).strip())
    packaged = glob.glob("/usr/lib/postgresql/*/bin")
    found += sorted(packaged, key=lambda p: [int(n) for n in re.findall(r"\d+", p)], reverse=True)
    for path in found:
        if all(os.access(f"{path}/{p}", os.X_OK) for p in ("initdb", "postgres", "pgbench", "psql")):
            return path
    raise Unusable("PostgreSQL's programs (initdb, postgres, pgbench, psql) were not found; "
                   "install the server or set PGBIN to their directory")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Endpoint:
    """An address to send load to; `process` is the proxy behind it, None for the server itself."""

    def __init__(self, name, port, tls, process=None, log=None):
        self.name, self.port, self.tls, self.process, self.log = name, port, tls, process, log

    def alive(self):
        return self.process is None or self.process.poll() is None

    def last_words(self):
        return " / ".join(self.log.read_text(errors="replace").splitlines()[-3:])[-500:]

    def connect(self):
        conn = pgwire.connect("127.0.0.1", self.port, USER, PASSWORD, DATABASE, tls=self.tls)
        try:
            conn.query("SELECT 1")
        except BaseException:
            conn.close()
            raise
        return conn

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return env | {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": USER,
                      "PGPASSWORD": PASSWORD, "PGDATABASE": DATABASE, "PGGSSENCMODE": "disable",
                      "PGSSLMODE": "require" if self.tls else "disable",
                      "PGCONNECT_TIMEOUT": "20", "LC_ALL": "C"}


class Stack:
    """Use as a context manager: leaving it ends every process and removes every file."""

    def __enter__(self):
        for tool in ("setpriv", "openssl"):
            if not shutil.which(tool):
                raise Unusable(f"{tool} is needed and was not found")
        self.bin = server_programs()
        try:
            self.osuser = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        except KeyError:
            raise Unusable("run as root, the benchmark needs the user postgres") from None
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        self.children = []
        self.pool, self.emulated = None, {}
        self.root = Path(tempfile.mkdtemp(prefix="querycop-bench-"))
        self.root.chmod(0o755)
        return self

    def __exit__(self, *_):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for process, _ in reversed(self.children):
            self.end(process)
        shutil.rmtree(self.root, ignore_errors=True)

    # -- processes

    def spawn(self, command, folder, env=None, as_server=False):
        stop = signal.SIGINT if as_server else signal.SIGTERM  # PostgreSQL: a fast shutdown
        command = ["setpriv", "--pdeathsig", stop.name.removeprefix("SIG"), *self.drop(as_server),
                   "--", *map(str, command)]
        log = folder.parent / f"{folder.name}.log"
        with open(log, "wb") as out:
            process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=out, start_new_session=True)
        self.children.append((process, stop))
        return process, log

    def drop(self, as_server):
        if not as_server or os.getuid() != 0:
            return []
        return [f"--reuid={self.osuser.pw_uid}", f"--regid={self.osuser.pw_gid}", "--clear-groups"]

    def end(self, process):
        stop = dict(self.children)[process]
        for number, wait in ((stop, 15), (signal.SIGKILL, 5)):
            if process.poll() is None:
                process.send_signal(number)
                try:
                    process.wait(wait)
                except subprocess.TimeoutExpired:
                    pass
        self.children = [c for c in self.children if c[0] is not process]

    def ready(self, endpoint):
        """Waits for a whole login and query, so that a wrong set-up shows here."""
        error, limit = None, time.time() + 20
        while time.time() < limit and endpoint.alive():
            try:
                endpoint.connect().close()
                return
            except (OSError, pgwire.ProtocolError) as e:
                error = e
                time.sleep(0.1)
        self.end(endpoint.process)
        raise Unusable(f"does not serve: {error or 'it ended'}; {endpoint.last_words()}")

    # -- the server

    def start_server(self):
        tls, data = self.root / "tls", self.root / "data"
        for folder in (tls, data):
            folder.mkdir()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", tls / "server.key", "-out", tls / "server.crt"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        secret = self.root / "password"
        secret.write_text(PASSWORD)
        for path in (tls / "server.key", secret, data):
            os.chown(path, self.osuser.pw_uid, self.osuser.pw_gid)
            path.chmod(0o700 if path.is_dir() else 0o600)
        subprocess.run(["setpriv", *self.drop(True), "--", f"{self.bin}/initdb", "-D", data, "-U", USER,
                        "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C"],
                       check=True, cwd=self.root, stdout=subprocess.DEVNULL)
        port = free_port()
        with open(data / "postgresql.conf", "a") as f:
            f.write(f"{SERVER_SETTINGS}port = {port}\nssl_cert_file = '{tls}/server.crt'\n"
                    f"ssl_key_file = '{tls}/server.key'\n")
        self.server, log = self.spawn([f"{self.bin}/postgres", "-D", data], data, as_server=True)
        self.direct = Endpoint("direct", port, False, log=log)
        self.prepare()

    def prepare(self):
        """The database, pgbench's tables at scale 10, and what PgBouncer has to know."""
        env = self.direct.environment()
        psql = [f"{self.bin}/psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1"]
        limit = time.time() + 20
        while subprocess.run([*psql, "-d", "postgres", "-c", f"CREATE DATABASE {DATABASE}"], env=env,
                             stderr=subprocess.DEVNULL).returncode:
            if time.time() > limit or self.server.poll() is not None:
                raise Unusable(f"the server did not start: {self.direct.last_words()}")
            time.sleep(0.1)
        subprocess.run([f"{self.bin}/pgbench", "-i", "-s", "10", "-q"], env=env, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.scram = subprocess.check_output(
            [*psql, "-c", "CREATE UNLOGGED TABLE copy_in (line text)", "-c", "VACUUM ANALYZE",
             "-c", f"SELECT rolpassword FROM pg_authid WHERE rolname = '{USER}'"],
            env=env, text=True).strip()

    def server_port(self, pooled):
        """The server's, or that of a pool before it which takes a login without a password: then the
        cost of a login is that of what is measured, and not the server's fork and the password's hash."""
        if not pooled:
            return self.direct.port
        if self.pool is None:
            program = shutil.which("pgbouncer")
            if not program:
                raise Unusable("login- needs PgBouncer, as the pool before the server")
            folder, port = self.root / "pool", free_port()
            folder.mkdir()
            (folder / "users.txt").write_text(f'"{USER}" "{PASSWORD}"\n')
            (folder / "pool.ini").write_text(
                f"[databases]\n{DATABASE} = host=127.0.0.1 port={self.direct.port}\n"
                f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
                "auth_type = trust\nauth_file = users.txt\nignore_startup_parameters = options\n"
                "pool_mode = session\nserver_reset_query =\n"
                "max_client_conn = 1500\ndefault_pool_size = 100\nlisten_backlog = 1024\n"
                "log_connections = 0\nlog_disconnections = 0\n")
            process, log = self.spawn([program, "pool.ini"], folder, as_server=True)
            self.pool = Endpoint("pool", port, False, process, log)
            self.ready(self.pool)
        return self.pool.port

    # -- AlloyDB

    def emulator(self, pooled):
        """What leads to an AlloyDB emulator before the server, which is started for the first who asks.

        It is no part of what is measured: the two ways to it are compared with each other."""
        if pooled not in self.emulated:
            folder = self.root / f"emulator-{'pool' if pooled else 'server'}"
            folder.mkdir()
            address = f"127.{os.getpid() % 200 + 50}.{os.getpid() // 200 % 250}.{1 + pooled}"
            cluster = "projects/bench/locations/local/clusters/main"
            principal = "bench@bench.iam.gserviceaccount.com"
            (folder / "state.toml").write_text(
                f'backend = "postgres://{USER}:{PASSWORD}@127.0.0.1:{self.server_port(pooled)}/{DATABASE}"\n'
                f'directory = "{folder}/files"\n'
                '[listen]\nhttps = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\n'
                f'[[clusters]]\nname = "{cluster}"\n'
                f'[[clusters.instances]]\nname = "primary"\nprivate_address = "{address}"\n'
                f'[[principals]]\nemail = "{principal}"\n')
            program = os.environ.get("QUERYCOP", HERE.parent / "target" / "release" / "querycop")
            process, log = self.spawn([program, "emulator", "--config", folder / "state.toml"], folder)
            summary, limit = folder / "files" / "emulator.json", time.time() + 20
            while not summary.exists() and time.time() < limit and process.poll() is None:
                time.sleep(0.1)
            if not summary.exists():
                raise Unusable(f"the emulator did not start: {log.read_text(errors='replace')[-500:]}")
            authorities = list((folder / "files").glob("cluster-ca-*.pem"))
            self.emulated[pooled] = {
                "BENCH_INSTANCE": f"{cluster}/instances/primary", "BENCH_INSTANCE_ADDRESS": address,
                "BENCH_ADMIN": json.loads(summary.read_text())["http"],
                "BENCH_CREDENTIALS": str(folder / "files" / f"credentials-{principal}.json"),
                "BENCH_CLUSTER_CA": str(authorities[0])}
        return self.emulated[pooled]

    # -- the proxies

    def peer(self, name, action):
        env = os.environ | {"BENCH_ROOT": str(HERE.parent)}
        return subprocess.run([HERE / "peers" / f"{name}.sh", action], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def version(self, name):
        """What the proxy calls itself, None when it is not installed."""
        if name == "direct":
            out = subprocess.check_output([f"{self.bin}/postgres", "--version"], text=True)
            return "PostgreSQL " + re.search(r"\d[\w.]*", out)[0]
        answer = self.peer(name, "version")
        return answer.stdout.strip() or None if answer.returncode == 0 else None

    def speaks_tls(self, name):
        return name == "direct" or self.peer(name, "tls").returncode == 0

    def start_peer(self, name, tls, pooled=False):
        if name == "direct":
            return Endpoint(name, self.server_port(pooled), tls, log=self.direct.log)
        process, log, port = self.launch(name, tls, pooled)
        endpoint = Endpoint(name, port, tls, process, log)
        self.ready(endpoint)
        return endpoint

    def launch(self, name, tls, pooled=False):
        """Its process, log and port; nobody waits until it serves."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.root))
        folder.chmod(0o755)
        port = free_port()
        env = os.environ | {
            "BENCH_ROOT": str(HERE.parent), "BENCH_PORT": str(port),
            "BENCH_PGPORT": str(self.server_port(pooled)), "BENCH_USER": USER, "BENCH_PASSWORD": PASSWORD,
            "BENCH_DATABASE": DATABASE, "BENCH_SCRAM": self.scram,
            "BENCH_TLS": str(self.root / "tls") if tls else "", "BENCH_OSUSER": self.osuser.pw_name}
        if name.startswith("alloydb-"):
            env |= self.emulator(pooled)
        return *self.spawn([HERE / "peers" / f"{name}.sh", "run"], folder, env), port
