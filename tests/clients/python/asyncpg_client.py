"""The behaviours of tests/clients through asyncpg, which speaks the protocol itself."""

import asyncio
import hashlib
import io
import os
import ssl
import uuid
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg

DEADLINE = 60  # seconds for each behaviour
COPIED_ROWS = 10_000
MANY_ROWS = 200_000
LARGE_VALUE_SIZE = 64 * 1024 * 1024


class Skip(Exception):
    """The driver can't do this, or there is nothing to try it on."""


Behaviour = Callable[[], Awaitable[None]]
behaviours: list[Behaviour] = []


def behaviour(function: Behaviour) -> Behaviour:
    behaviours.append(function)
    return function


def expect(actual: object, expected: object) -> None:
    if actual != expected:
        raise AssertionError(f"expected {expected!r:.200}, got {actual!r:.200}")


def tls_options() -> dict:
    mode = os.environ.get("PGSSLMODE", "disable")
    if mode in ("disable", "require"):
        return {"ssl": mode}
    context = ssl.create_default_context(cafile=os.environ.get("PGSSLROOTCERT"))
    context.set_alpn_protocols(["postgresql"])
    return {"ssl": context, "direct_tls": mode == "direct"}


@asynccontextmanager
async def connect():
    """A new session; host, port, user, password and database are asyncpg's own PG* variables."""
    connection = await asyncpg.connect(**tls_options())
    try:
        yield connection
    finally:
        await connection.close()


async def sqlstate_of(query: Awaitable) -> str:
    try:
        await query
    except asyncpg.PostgresError as error:
        return error.sqlstate
    raise AssertionError("the query did not fail")


async def expect_denied(query: Awaitable) -> None:
    """The query fails as one that the policy rule no-deletes denies."""
    try:
        await query
    except asyncpg.PostgresError as error:
        expect(error.sqlstate, "42501")
        expect(error.message, 'denied by policy rule "no-deletes"')
        expect("Mark the rows instead" in (error.hint or ""), True)
    else:
        raise AssertionError("the query was not denied")


async def until_sleeping(pid: int) -> None:
    """Returns once the backend is inside pg_sleep: a cancel before that could come too early."""
    sql = "select coalesce(wait_event, '') = 'PgSleep' from pg_stat_activity where pid = $1"
    async with connect() as observer:
        while await observer.fetchval(sql, pid) is not True:
            pass


@behaviour
async def simple_query() -> None:
    async with connect() as connection:
        # Without parameters, execute() is a simple query; it gives the last statement's tag only.
        tag = await connection.execute(
            "create temp table simple (n int4);"
            "insert into simple values (1), (2), (3);"
            "select n from simple"
        )
        expect(tag, "SELECT 3")


@behaviour
async def extended_query() -> None:
    async with connect() as connection:
        row = await connection.fetchrow("select $1::int4 + 1, upper($2)", 41, "it's")
        expect(tuple(row), (42, "IT'S"))


@behaviour
async def prepared_statement() -> None:
    sql = "select $1::int8 * 2"
    async with connect() as connection:
        statement = await connection.prepare(sql)
        for n in range(10):
            expect(await statement.fetchval(n), n * 2)
        # Prepared once, executed ten times, by the server's own count.
        executions = await connection.fetch(
            "select generic_plans + custom_plans from pg_prepared_statements where statement = $1",
            sql,
        )
        expect([tuple(row) for row in executions], [(10,)])


@behaviour
async def pipeline() -> None:
    raise Skip("driver has no pipeline")


@behaviour
async def copy_in() -> None:
    async with connect() as connection:
        await connection.execute("create temp table copied (id int8, body text)")
        rows = [(n, f"row {n}") for n in range(1, COPIED_ROWS + 1)]
        await connection.copy_records_to_table("copied", records=rows)  # binary format
        sql = "select count(*), sum(id) from copied where body = 'row ' || id"
        row = await connection.fetchrow(sql)
        expect(tuple(row), (COPIED_ROWS, sum(range(COPIED_ROWS + 1))))


@behaviour
async def copy_out() -> None:
    sql = f"select n, 'row ' || n from generate_series(1, {COPIED_ROWS}) as n"
    async with connect() as connection:
        output = io.BytesIO()
        expect(await connection.copy_from_query(sql, output=output), f"COPY {COPIED_ROWS}")
        expected = "".join(f"{n}\trow {n}\n" for n in range(1, COPIED_ROWS + 1))
        expect(output.getvalue().decode(), expected)


@behaviour
async def cancel() -> None:
    async with connect() as connection:
        pid = await connection.fetchval("select pg_backend_pid()")
        sleeping = asyncio.create_task(connection.execute("select pg_sleep(600)"))
        await until_sleeping(pid)
        # The driver cancels a query whose task is cancelled, and keeps the 57014 to itself. That the
        # query ended shows in the session going on, ten minutes early.
        sleeping.cancel()
        await asyncio.wait({sleeping})
        expect(sleeping.cancelled(), True)
        expect(await connection.fetchval("select pg_backend_pid()"), pid)


@behaviour
async def listen_notify() -> None:
    channel = f"clients_{uuid.uuid4().hex}"
    async with connect() as listener, connect() as notifier:
        received = asyncio.get_running_loop().create_future()
        await listener.add_listener(
            channel, lambda _connection, _pid, *event: received.set_result(event)
        )
        await notifier.execute("select pg_notify($1, 'hello')", channel)
        expect(await received, (channel, "hello"))


@behaviour
async def many_rows() -> None:
    source = f"from generate_series(1, {MANY_ROWS}) as n"
    async with connect() as connection:
        rows = await connection.fetch(f"select n, md5(n::text) {source}")
        expect([n for n, _ in rows], list(range(1, MANY_ROWS + 1)))
        digest = hashlib.sha256("".join(body for _, body in rows).encode())
        sql = f"select encode(sha256(string_agg(md5(n::text), '')::bytea), 'hex') {source}"
        expect(await connection.fetchval(sql), digest.hexdigest())


@behaviour
async def large_value() -> None:
    """One 64 MiB value to the client and back, the server's digest against the client's."""
    sql = f"""with large as materialized (
                select string_agg(md5(n::text), '')::bytea as value
                from generate_series(1, {LARGE_VALUE_SIZE // 32}) as n)
              select value, encode(sha256(value), 'hex') from large"""
    async with connect() as connection:
        value, digest = await connection.fetchrow(sql)
        expect(len(value), LARGE_VALUE_SIZE)
        expect(hashlib.sha256(value).hexdigest(), digest)
        back = await connection.fetchval("select encode(sha256($1), 'hex')", value)
        expect(back, digest)


@behaviour
async def error_recovery() -> None:
    async with connect() as connection:
        expect(await sqlstate_of(connection.fetchval("select 1 / $1::int4", 0)), "22012")
        expect(await connection.fetchval("select 'still here'"), "still here")


@behaviour
async def failed_transaction() -> None:
    async with connect() as connection:
        await connection.execute("begin")
        expect(await sqlstate_of(connection.fetchval("select 1 / $1::int4", 0)), "22012")
        expect(await sqlstate_of(connection.fetchval("select 1")), "25P02")
        await connection.execute("rollback")
        expect(await connection.fetchval("select 'still here'"), "still here")


@behaviour
async def binary_types() -> None:
    values = (
        2**63 - 1,
        -0.1,
        Decimal("12345678901234567890.0123456789"),
        datetime(2026, 2, 3, 4, 5, 6, 789012, UTC),
        uuid.UUID("0191b2c3-d4e5-7f60-8a9b-0c1d2e3f4a5b"),
        b"\x00\x01\xfe\xff",
        '{"a": [1, 2, null], "b": "ü"}',  # jsonb is text to asyncpg, sent and received as binary
        [1, None, -3],
        ["a", None, 'b,"c'],
    )
    async with connect() as connection:
        row = await connection.fetchrow(
            "select $1::int8, $2::float8, $3::numeric, $4::timestamptz, $5::uuid, $6::bytea,"
            " $7::jsonb, $8::int4[], $9::text[]",
            *values,
        )
        expect(tuple(row), values)


async def denied_in_transaction(
    connection: asyncpg.Connection, table: str, delete: str
) -> None:
    await connection.execute("begin")
    await connection.execute(f"insert into {table} values (0)")
    await expect_denied(connection.execute(delete))
    expect(await sqlstate_of(connection.fetchval("select 1")), "25P02")
    # In a transaction that has failed already, the denial is still the denial.
    await expect_denied(connection.execute(delete))
    await expect_denied(connection.execute(f"{delete} where n = $1", 1))
    await connection.execute("rollback")
    expect(await connection.fetchval("select 'still here'"), "still here")


@behaviour
async def denied() -> None:
    table = os.environ.get("CLIENTS_DENIED_TABLE")
    if not table:
        raise Skip("no policy: CLIENTS_DENIED_TABLE is not set")
    delete = f"delete from {table}"
    state = f"select count(*), pg_backend_pid() from {table}"
    async with connect() as connection:
        before = await connection.fetchrow(state)
        # Without parameters, execute() is a simple query.
        await expect_denied(connection.execute(delete))
        # Had any of it run, a row would have come and stayed.
        several = f"insert into {table} values (0); commit; {delete}"
        await expect_denied(connection.execute(several))
        expect(await connection.execute("select 1"), "SELECT 1")
        await expect_denied(connection.execute(f"{delete} where n = $1", 1))
        for _ in range(2):
            await expect_denied(connection.prepare(f"{delete} where n = $1"))
        # What the driver has that comes nearest to a pipeline: one statement, many parameters.
        await expect_denied(connection.executemany(f"{delete} where n = $1", [(1,), (2,)]))
        expect(await connection.fetchval("select $1::int4", 2), 2)
        await denied_in_transaction(connection, table, delete)
        expect(await connection.fetchrow(state), before)


async def failure_of(check: Behaviour) -> BaseException | None:
    """Runs one behaviour. A task past its deadline is left alone: ending it could hang as well."""
    task = asyncio.create_task(check())
    await asyncio.wait({task}, timeout=DEADLINE)
    return task.exception() if task.done() else TimeoutError(f"not finished within {DEADLINE} s")


async def main() -> None:
    passed = failed = skipped = 0
    for check in behaviours:
        match await failure_of(check):
            case None:
                passed += 1
                print(f"ok {check.__name__}", flush=True)
            case Skip() as reason:
                skipped += 1
                print(f"skip {check.__name__}: {reason}", flush=True)
            case error:
                failed += 1
                reason = " ".join(str(error).split())
                print(f"not ok {check.__name__}: {type(error).__name__}: {reason}", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    os._exit(1 if failed else 0)


asyncio.run(main())
