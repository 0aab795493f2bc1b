"""The behaviours of tests/clients through psycopg 3, which is libpq underneath."""

import asyncio
import hashlib
import os
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
from psycopg.types.json import Jsonb

DEADLINE = 60  # seconds for each behaviour
COPIED_ROWS = 10_000
MANY_ROWS = 200_000
LARGE_VALUE_SIZE = 64 * 1024 * 1024


class Skip(Exception):
    """There is nothing to try this on."""


Behaviour = Callable[[], Awaitable[None]]
behaviours: list[Behaviour] = []


def behaviour(function: Behaviour) -> Behaviour:
    behaviours.append(function)
    return function


def expect(actual: object, expected: object) -> None:
    if actual != expected:
        raise AssertionError(f"expected {expected!r:.200}, got {actual!r:.200}")


async def connect() -> psycopg.AsyncConnection:
    """A new session; host, port, user, password and database are libpq's own PG* variables."""
    mode = os.environ.get("PGSSLMODE", "disable")
    tls = {"sslmode": mode}
    if mode == "direct":
        tls = {"sslmode": "verify-full", "sslnegotiation": "direct"}
    return await psycopg.AsyncConnection.connect(autocommit=True, **tls)


async def fetch_row(connection: psycopg.AsyncConnection, sql: str, parameters=None) -> tuple:
    cursor = await connection.execute(sql, parameters)
    return await cursor.fetchone()


async def sqlstate_of(query: Awaitable) -> str:
    try:
        await query
    except psycopg.Error as error:
        return error.sqlstate
    raise AssertionError("the query did not fail")


async def expect_denied(query: Awaitable) -> None:
    """The query fails as one that the policy rule no-deletes denies."""
    try:
        await query
    except psycopg.Error as error:
        expect(error.sqlstate, "42501")
        expect(error.diag.message_primary, 'denied by policy rule "no-deletes"')
        expect("Mark the rows instead" in (error.diag.message_hint or ""), True)
    else:
        raise AssertionError("the query was not denied")


async def until_sleeping(pid: int) -> None:
    """Returns once the backend is inside pg_sleep: a cancel before that could come too early."""
    sql = "select coalesce(wait_event, '') = 'PgSleep' from pg_stat_activity where pid = %s"
    async with await connect() as observer:
        while await fetch_row(observer, sql, [pid]) != (True,):
            pass


@behaviour
async def simple_query() -> None:
    async with await connect() as connection:
        cursor = await connection.execute(
            "create temp table simple (n int4);"
            "insert into simple values (1), (2), (3);"
            "select sum(n) from simple"
        )
        expect(cursor.statusmessage, "CREATE TABLE")
        expect((cursor.nextset(), cursor.statusmessage), (True, "INSERT 0 3"))
        expect((cursor.nextset(), await cursor.fetchone()), (True, (6,)))


@behaviour
async def extended_query() -> None:
    async with await connect() as connection:
        row = await fetch_row(connection, "select %s::int4 + 1, upper(%s)", [41, "it's"])
        expect(row, (42, "IT'S"))


@behaviour
async def prepared_statement() -> None:
    async with await connect() as connection:
        for n in range(10):
            cursor = await connection.execute("select %s::int8 * 2", [n], prepare=True)
            expect(await cursor.fetchone(), (n * 2,))
        # Prepared once, executed ten times, by the server's own count.
        executions = await connection.execute(
            "select generic_plans + custom_plans from pg_prepared_statements"
            " where statement = 'select $1::int8 * 2'"
        )
        expect(await executions.fetchall(), [(10,)])


@behaviour
async def pipeline() -> None:
    async with await connect() as connection, connection.pipeline():
        cursors = [await connection.execute("select %s::int4", [n]) for n in range(100)]
        expect([await cursor.fetchone() for cursor in cursors], [(n,) for n in range(100)])


@behaviour
async def copy_in() -> None:
    async with await connect() as connection:
        await connection.execute("create temp table copied (id int8, body text)")
        async with connection.cursor().copy("copy copied from stdin") as copy:
            for n in range(1, COPIED_ROWS + 1):
                await copy.write_row((n, f"row {n}"))
        sql = "select count(*), sum(id) from copied where body = 'row ' || id"
        expect(await fetch_row(connection, sql), (COPIED_ROWS, sum(range(COPIED_ROWS + 1))))


@behaviour
async def copy_out() -> None:
    sql = f"copy (select n, 'row ' || n from generate_series(1, {COPIED_ROWS}) as n) to stdout"
    async with await connect() as connection:
        async with connection.cursor().copy(sql) as copy:
            text = b"".join([bytes(chunk) async for chunk in copy])
        expect(text.decode(), "".join(f"{n}\trow {n}\n" for n in range(1, COPIED_ROWS + 1)))


@behaviour
async def cancel() -> None:
    async with await connect() as connection:
        (pid,) = await fetch_row(connection, "select pg_backend_pid()")
        sleeping = asyncio.create_task(connection.execute("select pg_sleep(600)"))
        await until_sleeping(pid)
        await connection.cancel_safe()
        expect(await sqlstate_of(sleeping), "57014")
        expect(await fetch_row(connection, "select pg_backend_pid()"), (pid,))


@behaviour
async def listen_notify() -> None:
    channel = f"clients_{uuid.uuid4().hex}"
    async with await connect() as listener, await connect() as notifier:
        await listener.execute(f"listen {channel}")
        await notifier.execute("select pg_notify(%s, 'hello')", [channel])
        received = [event async for event in listener.notifies(stop_after=1)]
        expect([(event.channel, event.payload) for event in received], [(channel, "hello")])


@behaviour
async def many_rows() -> None:
    source = f"from generate_series(1, {MANY_ROWS}) as n"
    async with await connect() as connection:
        count, digest = 0, hashlib.sha256()
        cursor = await connection.execute(f"select n, md5(n::text) {source}")
        async for n, body in cursor:
            count += 1
            expect(n, count)
            digest.update(body.encode())
        expect(count, MANY_ROWS)
        sql = f"select encode(sha256(string_agg(md5(n::text), '')::bytea), 'hex') {source}"
        expect(await fetch_row(connection, sql), (digest.hexdigest(),))


@behaviour
async def large_value() -> None:
    """One 64 MiB value to the client and back, the server's digest against the client's."""
    sql = f"""with large as materialized (
                select string_agg(md5(n::text), '')::bytea as value
                from generate_series(1, {LARGE_VALUE_SIZE // 32}) as n)
              select value, encode(sha256(value), 'hex') from large"""
    async with await connect() as connection:
        cursor = await connection.cursor(binary=True).execute(sql)
        value, digest = await cursor.fetchone()
        expect(len(value), LARGE_VALUE_SIZE)
        expect(hashlib.sha256(value).hexdigest(), digest)
        back = await fetch_row(connection, "select encode(sha256(%b::bytea), 'hex')", [value])
        expect(back, (digest,))


@behaviour
async def error_recovery() -> None:
    async with await connect() as connection:
        expect(await sqlstate_of(connection.execute("select 1 / %s::int4", [0])), "22012")
        expect(await fetch_row(connection, "select 'still here'"), ("still here",))


@behaviour
async def failed_transaction() -> None:
    async with await connect() as connection:
        await connection.execute("begin")
        expect(await sqlstate_of(connection.execute("select 1 / %s::int4", [0])), "22012")
        expect(await sqlstate_of(connection.execute("select 1")), "25P02")
        await connection.execute("rollback")
        expect(await fetch_row(connection, "select 'still here'"), ("still here",))


@behaviour
async def binary_types() -> None:
    document = {"a": [1, 2, None], "b": "ü"}
    values = (
        2**63 - 1,
        -0.1,
        Decimal("12345678901234567890.0123456789"),
        datetime(2026, 2, 3, 4, 5, 6, 789012, UTC),
        uuid.UUID("0191b2c3-d4e5-7f60-8a9b-0c1d2e3f4a5b"),
        b"\x00\x01\xfe\xff",
        document,
        [1, None, -3],
        ["a", None, 'b,"c'],
    )
    parameters = [Jsonb(value) if value is document else value for value in values]
    async with await connect() as connection:
        cursor = await connection.cursor(binary=True).execute(
            "select %b::int8, %b::float8, %b::numeric, %b::timestamptz, %b::uuid, %b::bytea,"
            " %b::jsonb, %b::int4[], %b::text[]",
            parameters,
        )
        expect(await cursor.fetchone(), values)


async def fail_in_batch(connection: psycopg.AsyncConnection, sql: str, parameter: int) -> None:
    """Three queries, one Sync: the first is answered, the second fails, the third is skipped."""
    before, after = connection.cursor(), connection.cursor()
    try:
        async with connection.pipeline():
            await before.execute("select %s::int4", [1])
            await connection.execute(sql, [parameter])
            await after.execute("select %s::int4", [2])
    finally:
        expect(await before.fetchone(), (1,))
        expect(after.statusmessage, None)


async def denied_in_pipeline(connection: psycopg.AsyncConnection, delete: str) -> None:
    await expect_denied(fail_in_batch(connection, f"{delete} where n = %s", 1))
    expect(await sqlstate_of(fail_in_batch(connection, "select 1 / %s::int4", 0)), "22012")

    async with connection.pipeline() as pipeline:

        async def delete_and_sync() -> None:
            try:
                await connection.execute(delete)
            finally:
                await pipeline.sync()

        before = await connection.execute("select %s::int4", [1])
        await pipeline.sync()
        await expect_denied(delete_and_sync())
        after = await connection.execute("select %s::int4", [2])
        expect((await before.fetchone(), await after.fetchone()), ((1,), (2,)))


async def denied_in_transaction(
    connection: psycopg.AsyncConnection, table: str, delete: str
) -> None:
    await connection.execute("begin")
    await connection.execute(f"insert into {table} values (0)")
    await expect_denied(connection.execute(delete))
    expect(await sqlstate_of(connection.execute("select 1")), "25P02")
    # In a transaction that has failed already, the denial is still the denial.
    await expect_denied(connection.execute(delete))
    await expect_denied(connection.execute(f"{delete} where n = %s", [1]))
    await connection.execute("rollback")
    expect(await fetch_row(connection, "select 'still here'"), ("still here",))


@behaviour
async def denied() -> None:
    table = os.environ.get("CLIENTS_DENIED_TABLE")
    if not table:
        raise Skip("no policy: CLIENTS_DENIED_TABLE is not set")
    delete = f"delete from {table}"
    state = f"select count(*), pg_backend_pid() from {table}"
    async with await connect() as connection:
        before = await fetch_row(connection, state)
        # Without parameters it is a simple query.
        await expect_denied(connection.execute(delete))
        # Had any of it run, a row would have come and stayed.
        several = f"insert into {table} values (0); commit; {delete}"
        await expect_denied(connection.execute(several))
        expect(await fetch_row(connection, "select 1"), (1,))
        await expect_denied(connection.execute(f"{delete} where n = %s", [1]))
        for _ in range(2):
            query = connection.execute(f"{delete} where n = %s", [1], prepare=True)
            await expect_denied(query)
        expect(await fetch_row(connection, "select %s::int4", [2]), (2,))
        await denied_in_pipeline(connection, delete)
        await denied_in_transaction(connection, table, delete)
        expect(await fetch_row(connection, state), before)


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
