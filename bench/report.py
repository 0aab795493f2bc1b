#!/usr/bin/env python3
"""Turns the results of bench/run into the tables of docs/performance.md.

report.py [results.json] prints them again from the file that bench/run left.
"""
import json
import statistics
import sys
from collections import Counter
from pathlib import Path

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
LABELS = {"direct": "direct", "haproxy": "HAProxy", "pgbouncer": "PgBouncer", "querycop": "Querycop",
          "querycop-written": "with policy and audit", "querycop-synced": "the same, synced",
          "alloydb-tls": "own TLS", "alloydb-connector": "connector",
          "alloydb-proxy": "auth-proxy", "alloydb-proxy-original": "the original"}
# Who is held against a limit, where it is not Querycop as it comes.
SUBJECTS = {"Policy and audit": "querycop-written", "Audit on disk": "querycop-synced",
            "Connector": "alloydb-connector", "Auth-proxy": "alloydb-proxy"}

# what, kind of scenario, TLS, figure, beside whom, most or least, limit
GOALS = [
    ("CPU per transaction, prepared, 16 clients", "prepared-c16", False, "cpu_us", "pgbouncer", "≤", 1.15),
    ("CPU per transaction, prepared, 16 clients", "prepared-c16", False, "cpu_us", "haproxy", "≤", 1.00),
    ("COPY out, CPU per GiB", "copyout-", False, "cpu_ms_gib", "haproxy", "≤", 1.10),
    ("COPY out, throughput", "copyout-", False, "mib_s", "haproxy", "≥", 0.95),
    ("COPY in, CPU per GiB", "copyin-", False, "cpu_ms_gib", "haproxy", "≤", 1.10),
    ("COPY in, throughput", "copyin-", False, "mib_s", "haproxy", "≥", 0.95),
    ("Connector, CPU per transaction, 16 clients", "prepared-c16", True, "cpu_us", "alloydb-tls", "≤", 1.10),
    ("Connector, COPY out, CPU per GiB", "copyout-", True, "cpu_ms_gib", "alloydb-tls", "≤", 1.10),
    ("Connector, COPY in, CPU per GiB", "copyin-", True, "cpu_ms_gib", "alloydb-tls", "≤", 1.10),
    ("Policy and audit, CPU per transaction, prepared, 16 clients", "prepared-c16", False, "cpu_us", "querycop", "≤", 1.25),
    ("Policy and audit, CPU per transaction, simple, 16 clients", "simple-c16", False, "cpu_us", "querycop", "≤", 1.25),
    ("Policy and audit, CPU per transaction, prepared, 16 clients", "prepared-c16", False, "cpu_us", "pgbouncer", "≤", 1.30),
    ("Policy and audit, CPU per transaction, simple, 16 clients", "simple-c16", False, "cpu_us", "pgbouncer", "≤", 1.30),
    ("Audit on disk, throughput, prepared, 64 clients", "prepared-c64", False, "tps", "querycop-written", "≥", 0.60),
    ("Auth-proxy, CPU per transaction, prepared, 16 clients", "prepared-c16", False, "cpu_us", "alloydb-proxy-original", "≤", 0.60),
    ("Auth-proxy, COPY out, throughput", "copyout-", False, "mib_s", "alloydb-proxy-original", "≥", 1.30),
    ("Auth-proxy, COPY in, throughput", "copyin-", False, "mib_s", "alloydb-proxy-original", "≥", 1.30),
    ("Auth-proxy, connections per second, 8 clients", "connect-c8", False, "tps", "alloydb-proxy-original", "≥", 1.20),
    ("Auth-proxy, logins per second before a pool, 8 clients", "login-c8", False, "tps", "alloydb-proxy-original", "≥", 1.20),
    ("Auth-proxy, memory of an idle connection", "idle-", False, "kib_session", "alloydb-proxy-original", "≤", 0.50),
    ("Auth-proxy, start to ready", "start-", False, "start_ms", "alloydb-proxy-original", "≤", 0.30),
    ("Idle session, plain", "idle-", False, "kib_session", None, "≤", 12),
    ("Idle session, TLS on both legs", "idle-", True, "kib_session", None, "≤", 40),
]


class NoPlace(Exception):
    """The document has no place for the tables."""


def good(runs):
    """Round: figures, of the runs that gave some."""
    return {run["round"]: run for run in runs if "error" not in run}


def spread(values, digits):
    """median [least–most]"""
    if not values:
        return "–"
    low, mid, high = (f"{v:.{digits}f}" for v in (min(values), statistics.median(values), max(values)))
    return f"{mid} [{low}–{high}]"


def figures(runs, key):
    return [run[key] for run in good(runs).values() if key in run]


def paired(mine, theirs, key):
    """My figure over theirs, round by round."""
    mine, theirs = good(mine), good(theirs)
    return [mine[n][key] / theirs[n][key] for n in mine if n in theirs and theirs[n].get(key)]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def in_order(targets, versions):
    return [(name, targets[name]) for name in versions if name in targets]


def loads(outcome):
    """pgbench and COPY: rate, its ratio to the server alone, CPU of the proxy."""
    transactions, bulk = [], []
    for scenario, targets in outcome["results"].items():
        copy = scenario.startswith("copy")
        rate = "mib_s" if copy else "tps"
        for name, runs in in_order(targets, outcome["versions"]):
            ratio = paired(runs, targets.get("direct", []), rate)
            row = [scenario, LABELS.get(name, name), spread(figures(runs, rate), 0),
                   "–" if name == "direct" else spread(ratio, 2)]
            if copy:
                bulk.append(row + [spread(figures(runs, "cpu_ms_gib"), 0)])
            elif not scenario.startswith(("idle", "start")):
                transactions.append(row + [spread(figures(runs, "cpu_us"), 1),
                                           spread(figures(runs, "p50_us"), 0)])
    parts = []
    if transactions:
        parts += ["### Transactions\n", table(
            ["scenario", "target", "per second", "ratio to direct", "proxy CPU µs each", "p50 µs"],
            transactions)]
    if bulk:
        parts += ["### COPY\n", table(
            ["scenario", "target", "MiB/s", "ratio to direct", "proxy CPU ms per GiB"], bulk)]
    return parts


def memory(outcome):
    parts = []
    for scenario, targets in outcome["results"].items():
        if scenario.startswith("idle"):
            sizes = scenario.split("-")[1].split("+")
            legs = "TLS on both legs" if scenario.endswith("-tls") else "plain"
            rows = [[LABELS.get(name, name), *(spread([v / 1024 for v in figures(runs, f"kib_{n}")], 1)
                                               for n in ["0", *sizes]),
                     spread(figures(runs, "kib_session"), 1)]
                    for name, runs in in_order(targets, outcome["versions"])]
            parts += [f"### Idle sessions, {legs}\n", table(
                ["target", *(f"MiB at {n}" for n in ["0", *sizes]), f"KiB per session at {sizes[-1]}"], rows)]
    return parts


def goal(outcome, what, scenario, tls, figure, beside, side, limit):
    subject = SUBJECTS.get(what.split(",")[0], "querycop")
    mine, theirs = [], []
    for name, targets in outcome["results"].items():
        if name.startswith(scenario) and name.endswith("-tls") == tls:
            mine, theirs = targets.get(subject, []), targets.get(beside, [])
    values = paired(mine, theirs, figure) if beside else figures(mine, figure)
    bound = f"{side} {limit:.2f} × {LABELS[beside]}" if beside else f"{side} {limit} KiB"
    if not values:
        return None
    miss = "over" if side == "≤" else "short"
    margin = (limit - statistics.median(values)) / limit * (1 if side == "≤" else -1)
    met = sum((v <= limit) if side == "≤" else (v >= limit) for v in values)
    verdict = f"**yes**, {margin:.1%} to spare" if margin >= 0 else f"**no**, {-margin:.1%} {miss}"
    return [what, bound, spread(values, 2 if beside else 1), verdict, f"{met} of {len(values)}"]


def remarks(outcome):
    runs = [(s, n, r) for s, targets in outcome["results"].items() for n, rs in targets.items() for r in rs]
    foreign = [r["foreign_cores"] for _, _, r in runs if "error" not in r]
    lines = []
    if foreign:
        usual = statistics.median(foreign)
        lines.append(f"Other processes kept {usual:.2f} cores busy during a run (median; at most "
                     f"{max(foreign):.2f})" + (": too much to tell small differences." if usual > 0.2 else "."))
    failed = Counter(f"{s}, {LABELS.get(n, n)}: {r['error']}" for s, n, r in runs if "error" in r)
    lines.append(f"{failed.total()} of {len(runs)} runs gave no figures (each was tried once more):\n"
                 + "\n".join(f"- {line} ({count} times)" for line, count in failed.items()) + "\n"
                 if failed else "Every run gave its figures.")
    if outcome["missing"]:
        lines.append("Not installed or not built: " + ", ".join(
            LABELS.get(name, name) for name in outcome["missing"]) + ".")
    return "\n".join(lines)


def markdown(outcome):
    box = outcome["machine"]
    about = table(["", ""], [
        ["measured", f"{outcome['at']}, {outcome['rounds']} interleaved rounds, {outcome['duration']} s a "
         "pgbench run" + (" (quick: indicative only)" if outcome["quick"] else "")],
        ["machine", f"{box['cores']} cores, {box['cpu']}, {box['memory_gib']} GiB, {box['kernel']}; "
         "server, proxy and load share it"],
        ["versions", ", ".join(outcome["versions"].values())]])
    goals = table(["target", "limit", "Querycop: median [min–max]", "reached", "rounds that met it"],
                  [row for row in (goal(outcome, *g) for g in GOALS) if row])
    legend = ("Figures are median [min–max] over the rounds. Ratios are taken within each round, "
              "between runs that follow each other.")
    return "\n\n".join([about, legend + "\n" + remarks(outcome), "### Targets\n", goals,
                        *loads(outcome), *memory(outcome)]).replace("\n\n\n", "\n\n")


def write(text, path):
    """Replaces what is between the two markers, and nothing else."""
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"# Performance\n\n{BEGIN}\n{END}\n")
    document = path.read_text()
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise NoPlace(f"{path.name} needs the lines {BEGIN} and {END}")
    path.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}")


if __name__ == "__main__":
    source = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "out" / "results.json"
    print(markdown(json.loads(Path(source).read_text())))
