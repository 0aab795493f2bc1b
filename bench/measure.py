"""One run of one scenario against one endpoint, as a dictionary of figures.

Scenarios by name, each with "-tls" behind it for TLS on every leg:
  simple-cN, prepared-cN   pgbench -S, N clients
  connect-cN               the same with a new connection for each transaction
  login-cN                 the same before a pool that asks for no password, in the server's place
  copyout-M, copyin-M      COPY (binary) of M MiB in rows of 1 KiB
  idle-N+N                 so many sessions held open, each having run one query
  start-N                  N starts, from the process to "ready for new connections" (auth-proxies)
"""
import os
import re
import struct
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pgwire

HZ = os.sysconf("SC_CLK_TCK")
TEXT = "x" * 1018  # a row of 1 KiB in COPY's binary format, which costs the server least


class Failed(Exception):
    """A run that gives no figures; the report names it."""


class Scenario:
    def __init__(self, name):
        match = re.fullmatch(r"(simple|prepared|connect|login)-c(\d+)(-tls)?|"
                             r"(copyout|copyin)-(\d+)(-tls)?|(idle)-(\d+(?:\+\d+)*)(-tls)?|(start)-(\d+)()", name)
        if not match:
            raise ValueError(name)
        self.name = name
        self.kind, size, tls = [g for g in match.groups() if g][:2] + [name.endswith("-tls")]
        self.sizes = sorted(int(n) for n in size.split("+"))
        self.tls = tls
        self.pooled = self.kind == "login"


# ---------------------------------------------------------------- accounting

def processes():
    """Every process as pid: (parent, ticks of its own, ticks of the children it has reaped)."""
    out = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            out[int(entry)] = int(fields[1]), sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    return out


def family(root, known):
    """The process and all its descendants."""
    members, grown = {root}, True
    while grown:
        more = {pid for pid, (parent, *_) in known.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return members


def cpu_clock(pids):
    """CPU seconds used by these processes with all their threads, and the time of the reading."""
    for _ in range(100):
        start = time.time()
        used = sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)
        if time.time() - start < 0.001:
            return used, start
    raise Failed("no quiet moment to read the processor clock")


class Foreign:
    """How many cores other processes on the machine kept busy."""

    def __enter__(self):
        self.start = self.read()
        return self

    def __exit__(self, *_):
        end = self.read()
        self.cores = max(0.0, end[0] - self.start[0]) / HZ / (end[1] - self.start[1])

    @staticmethod
    def read():
        known = processes()
        ours = sum(sum(known[pid][1:]) for pid in family(os.getpid(), known) if pid in known)
        with open("/proc/stat") as f:
            ticks = [int(t) for t in f.readline().split()[1:9]]
        return sum(ticks) - ticks[3] - ticks[4] - ours, time.time()


def rss(endpoint):
    """KiB of resident memory."""
    total = 0
    for pid in family(endpoint.process.pid, processes()):
        with open(f"/proc/{pid}/smaps_rollup") as f:
            total += int(re.search(r"^Rss:\s+(\d+)", f.read(), re.M)[1])
    return total


def proxy_pids(endpoint):
    return family(endpoint.process.pid, processes()) if endpoint.process else ()


# ----------------------------------------------------------------- scenarios

def pgbench(stack, endpoint, scenario, duration):
    """Transactions and proxy CPU between two readings inside the run, so start-up is left out."""
    clients = scenario.sizes[0]
    connects = scenario.kind in ("connect", "login")
    mode = ["-C", "-M", "simple"] if connects else ["-M", scenario.kind]
    pids = proxy_pids(endpoint)
    with tempfile.TemporaryDirectory(dir=stack.root) as folder:
        command = [f"{stack.bin}/pgbench", "-n", "-S", *mode, "-c", str(clients),
                   "-j", str(min(2, clients)), "-T", str(duration), "-l", "--log-prefix", f"{folder}/log"]
        start = time.time()
        with subprocess.Popen(command, env=endpoint.environment(), cwd=folder, text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as load:
            try:
                time.sleep(min(0.5, 0.3 * duration))
                cpu_start, opened = cpu_clock(pids)
                time.sleep(max(0.0, start + duration - 0.1 - time.time()))
                cpu_end, closed = cpu_clock(pids)
                errors = load.communicate(timeout=duration + 60)[1]
            except subprocess.TimeoutExpired:
                raise Failed("pgbench did not end") from None
            finally:
                load.kill()
        if load.returncode:
            raise Failed(first_error(errors))
        latencies, last = [], 0.0
        for name in os.listdir(folder):
            with open(f"{folder}/{name}") as f:
                for line in f:
                    column = line.split()
                    when = int(column[4]) + int(column[5]) / 1e6
                    last = max(last, when)
                    if opened <= when < closed:
                        latencies.append(int(column[2]))
    window = closed - opened
    if not latencies or last < closed - 0.05 * window:
        raise Failed("the load did not fill the window")
    latencies.sort()
    figures = {"tps": len(latencies) / window}
    if not connects:  # pgbench leaves connecting out of it
        figures["p50_us"] = latencies[len(latencies) // 2]
    if pids:
        figures["cpu_us"] = (cpu_end - cpu_start) * 1e6 / len(latencies)
    return figures


def copy(stack, endpoint, scenario, _duration):
    """Throughput by psql's own timing of the COPY, proxy CPU over the whole connection."""
    mib = scenario.sizes[0]
    if scenario.kind == "copyout":
        source = os.devnull
        statement = (f"COPY (SELECT '{TEXT}' FROM generate_series(1, {mib * 1024})) "
                     "TO STDOUT (FORMAT binary)")
    else:
        source = copy_file(stack.root / f"copy-{mib}", mib)
        # the server reads the rows and drops them
        statement = "COPY copy_in FROM STDIN (FORMAT binary) WHERE false"
    command = [f"{stack.bin}/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", r"\o /dev/null",
               "-c", r"\timing on", "-c", statement]
    pids = proxy_pids(endpoint)
    cpu_start, _ = cpu_clock(pids)
    with open(source, "rb") as data:
        try:
            done = subprocess.run(command, env=endpoint.environment(), stdin=data, text=True,
                                  capture_output=True, timeout=120)
        except subprocess.TimeoutExpired:
            raise Failed("psql did not end") from None
    if done.returncode:
        raise Failed(first_error(done.stderr))
    time.sleep(0.1)
    cpu_end, _ = cpu_clock(pids)
    took = float(re.search(r"^Time: ([\d.]+) ms", done.stdout, re.M)[1]) / 1e3
    figures = {"mib_s": mib / took}
    if pids:
        figures["cpu_ms_gib"] = (cpu_end - cpu_start) * 1e3 / (mib / 1024)
    return figures


def copy_file(path, mib):
    if not path.exists():
        row = struct.pack("!hi", 1, len(TEXT)) + TEXT.encode()
        with open(path, "wb") as f:
            f.write(b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0))
            for _ in range(mib):
                f.write(row * 1024)
            f.write(struct.pack("!h", -1))
    return path


def idle(stack, endpoint, scenario, _duration):
    """Resident memory of a freshly started proxy that has served one session, then with N of them."""
    figures, held = {"kib_0": settled(endpoint)}, []
    try:
        for size in scenario.sizes:
            with ThreadPoolExecutor(16) as pool:
                opening = [pool.submit(endpoint.connect) for _ in range(size - len(held))]
            errors = [o.exception() for o in opening if o.exception()]
            held += [o.result() for o in opening if not o.exception()]
            if errors:
                raise Failed(f"{len(errors)} of {size} sessions did not open: {errors[0]}")
            figures[f"kib_{size}"] = settled(endpoint)
        figures["kib_session"] = (figures[f"kib_{size}"] - figures["kib_0"]) / size
    finally:
        for connection in held:
            connection.close()
        # the next run needs the server's slots
        limit = time.time() + 30
        while time.time() < limit and len(family(stack.server.pid, processes())) > 100:
            time.sleep(0.2)
    return figures


def start(stack, endpoint, scenario, _duration):
    """Milliseconds from the start of the process to its word that it is ready, in the median."""
    took = []
    for _ in range(scenario.sizes[0]):
        before = time.time()
        process, log = stack.launch(endpoint.name, False)[:2]
        while b"ready for new connections" not in log.read_bytes():
            if process.poll() is not None or time.time() > before + 20:
                stack.end(process)
                raise Failed(f"it does not get ready: {log.read_text(errors='replace')[-200:]}")
            time.sleep(0.0005)
        took.append((time.time() - before) * 1e3)
        stack.end(process)
    took.sort()
    return {"start_ms": took[len(took) // 2]}


def settled(endpoint):
    """Memory after two seconds and once it has stopped changing, so that buffers can be given back."""
    time.sleep(2)
    now = rss(endpoint)
    for _ in range(10):
        before = now
        time.sleep(1)
        now = rss(endpoint)
        if abs(now - before) <= 0.005 * before:
            break
    return now


def first_error(text):
    lines = [line for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search("error|fatal", line, re.I)] or lines or ["failed"]
    return telling[0][:200]


RUN = {"simple": pgbench, "prepared": pgbench, "connect": pgbench, "login": pgbench,
       "copyout": copy, "copyin": copy, "idle": idle, "start": start}


def run(stack, endpoint, scenario, duration):
    """The figures, or {"error": why}; with the cores that other processes kept busy meanwhile."""
    try:
        with Foreign() as foreign:
            figures = RUN[scenario.kind](stack, endpoint, scenario, duration)
        return figures | {"foreign_cores": foreign.cores}
    except (Failed, OSError, pgwire.ProtocolError) as e:
        return {"error": str(e) if endpoint.alive() else f"it ended; {e}; {endpoint.last_words()}"}
