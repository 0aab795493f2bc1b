"""The behaviours of tests/clients/google through Google's Python connector and the driver named."""

import asyncio
import hashlib
import os
import ssl
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from google.cloud.alloydbconnector import AsyncConnector, Connector
from google.oauth2.credentials import Credentials

DEADLINE = 60  # seconds for each behaviour
MANY_ROWS = 50_000

URI = os.environ["ALLOYDB_INSTANCE_URI"]
LOGIN = {"user": os.environ["ALLOYDB_USER"], "db": os.environ["ALLOYDB_DATABASE"]}
PASSWORD = os.environ.get("ALLOYDB_PASSWORD")


class Skipped(Exception):
    """The driver can't do it; says why."""


def expect(actual: object, expected: object) -> None:
    if actual != expected:
        raise AssertionError(f"expected {expected!r:.200}, got {actual!r:.200}")


def options() -> dict:
    """What both of Google's connector classes are made with."""
    made = {
        "alloydb_api_endpoint": os.environ["ALLOYDB_ADMIN_GRPC"],
        "ip_type": os.environ["ALLOYDB_IP_TYPE"],
        "enable_iam_auth": os.environ["ALLOYDB_LOGIN"] == "iam",
    }
    if token := os.environ.get("ALLOYDB_TOKEN"):
        # The connector fails on a token that has no end.
        end = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
        made["credentials"] = Credentials(token, expiry=end)
    return made


class Session:
    """A session through pg8000 or psycopg, which share the database API."""

    connector: Connector

    def __init__(self, driver: str) -> None:
        password = {} if PASSWORD is None else {"password": PASSWORD}
        self.connection = self.connector.connect(URI, driver, **LOGIN, **password)
        self.connection.autocommit = True

    @classmethod
    def open_connector(cls) -> None:
        cls.connector = Connector(**options())

    @classmethod
    def close_connector(cls) -> None:
        cls.connector.close()

    def rows(self, sql: str, *parameters: object) -> list[tuple]:
        cursor = self.connection.cursor()
        cursor.execute(sql.replace("$1", "%s").replace("$2", "%s"), parameters)
        return [tuple(row) for row in cursor.fetchall()]

    def sqlstate(self, sql: str) -> str:
        try:
            self.rows(sql)
        except Exception as error:
            # psycopg has an attribute for it, pg8000 gives the fields of the message.
            return getattr(error, "sqlstate", None) or error.args[0]["C"]
        raise AssertionError("the query did not fail")

    def cancel(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.connection.close()


class Pg8000(Session):
    def __init__(self) -> None:
        super().__init__("pg8000")

    def cancel(self) -> None:
        raise Skipped("pg8000 has no cancel")


class Psycopg(Session):
    """psycopg, whose sessions are closed when all have been opened.

    The connector closes their sockets from two threads at once, and a session that is opened
    meanwhile may get the descriptor of one: its TLS then fails with a bad record or a sudden end.
    That is rare even so, and the connector's own affair, so such a connection is tried again, and
    said. What the emulator refuses is no such error and fails at once.
    """

    over: list = []

    def __init__(self) -> None:
        for attempt in range(1, 4):
            try:
                super().__init__("psycopg")
            except ssl.SSLError as error:
                if attempt == 3:
                    raise
                print(f"psycopg: connecting again after {error!r}", file=sys.stderr)
            else:
                return

    def close(self) -> None:
        self.over.append(self.connection)

    @classmethod
    def close_connector(cls) -> None:
        for connection in cls.over:
            connection.close()
        super().close_connector()

    def cancel(self) -> None:
        raise Skipped("the connector removes the Unix socket that libpq would send its cancel to")


class Asyncpg(Session):
    """asyncpg, with a loop on a thread of its own underneath the same calls."""

    loop = asyncio.new_event_loop()

    def __init__(self) -> None:
        connect = self.connector.connect(URI, "asyncpg", **LOGIN, password=PASSWORD)
        self.connection = self.wait(connect)

    @classmethod
    def wait(cls, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, cls.loop).result()

    @classmethod
    def open_connector(cls) -> None:
        threading.Thread(target=cls.loop.run_forever, daemon=True).start()

        async def make() -> AsyncConnector:
            return AsyncConnector(**options())

        cls.connector = cls.wait(make())

    @classmethod
    def close_connector(cls) -> None:
        cls.wait(cls.connector.close())

    def rows(self, sql: str, *parameters: object) -> list[tuple]:
        return [tuple(row) for row in self.wait(self.connection.fetch(sql, *parameters))]

    def cancel(self) -> None:
        raise Skipped("asyncpg sends an SSLRequest before its cancel, which port 5433 doesn't know")

    def close(self) -> None:
        self.wait(self.connection.close())


DRIVERS = {"pg8000": Pg8000, "psycopg": Psycopg, "asyncpg": Asyncpg}


def current_user(session: Session) -> None:
    expect(session.rows("select current_user::text"), [(LOGIN["user"],)])


def parameters(session: Session) -> None:
    sql = "select $1::int4 + 1, upper($2::text)"
    expect(session.rows(sql, 41, "it's"), [(42, "IT'S")])


def error_recovery(session: Session) -> None:
    expect(session.sqlstate("select 1/0"), "22012")
    expect(session.rows("select 'still here'"), [("still here",)])


def cancel(session: Session) -> None:
    session.cancel()


def many_rows(session: Session) -> None:
    source = f"from generate_series(1, {MANY_ROWS}) as n"
    rows = session.rows(f"select n, md5(n::text) {source} order by n")
    expect(len(rows), MANY_ROWS)
    digest = hashlib.sha256()
    for number, (n, text) in enumerate(rows, 1):
        expect(n, number)
        digest.update(text.encode())
    sql = f"select encode(sha256(string_agg(md5(n::text), '' order by n)::bytea), 'hex') {source}"
    expect(session.rows(sql), [(digest.hexdigest(),)])


BEHAVIOURS = [current_user, parameters, error_recovery, cancel, many_rows]


def run(driver: type[Session], behaviour: Callable[[Session], None]) -> None:
    """Runs one behaviour in a session of its own."""
    session = driver()
    behaviour(session)
    session.close()


def main(driver: type[Session]) -> int:
    passed = failed = skipped = 0
    driver.open_connector()
    # A behaviour past its deadline is left alone on its thread.
    threads = ThreadPoolExecutor(len(BEHAVIOURS))
    for behaviour in BEHAVIOURS:
        name = behaviour.__name__
        try:
            threads.submit(run, driver, behaviour).result(DEADLINE)
        except Skipped as reason:
            skipped += 1
            print(f"skip {name}: {reason}", flush=True)
        except Exception as error:
            failed += 1
            reason = " ".join(str(error).split())
            print(f"not ok {name}: {type(error).__name__}: {reason}", flush=True)
        else:
            passed += 1
            print(f"ok {name}", flush=True)
    if not failed:
        driver.close_connector()
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


# Threads that hang don't keep the process.
os._exit(main(DRIVERS[sys.argv[1]]))
