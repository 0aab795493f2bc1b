// The behaviours of tests/clients through node-postgres, the JavaScript implementation.

import { deepStrictEqual } from 'node:assert'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline as streamPipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'

const DEADLINE_SECONDS = 60
const COPIED_ROWS = 10_000
const MANY_ROWS = 200_000
const LARGE_VALUE_SIZE = 64 * 1024 * 1024

const sha256 = (data) => createHash('sha256').update(data).digest('hex')

/** There is nothing to try a behaviour on. */
class Skip extends Error {}

/** The numbers from 1 to `last`. */
const upTo = (last) => Array.from({ length: last }, (_, index) => index + 1)

/** Options of a session; host, port, user, password and database are the driver's own PG* variables. */
function tlsOptions() {
  const mode = process.env.PGSSLMODE ?? 'disable'
  if (mode === 'disable') return { ssl: false }
  if (mode === 'require') return { ssl: { rejectUnauthorized: false } }
  return {
    ssl: { ca: readFileSync(process.env.PGSSLROOTCERT) },
    sslnegotiation: mode === 'direct' ? 'direct' : 'postgres',
  }
}

/** Runs `use` with a new session, which is closed afterwards. */
async function withSession(use, options = {}) {
  const client = new pg.Client({ ...tlsOptions(), ...options })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/** The rows of a query, each an array of its values. */
async function rowsOf(client, text, values, name) {
  const result = await client.query({ text, values, name, rowMode: 'array' })
  return result.rows
}

async function sqlstateOf(query) {
  const error = await query.then(() => undefined, (error) => error)
  if (error instanceof pg.DatabaseError) return error.code
  throw error ?? new Error('the query did not fail')
}

/** The query fails as one that the policy rule no-deletes denies. */
async function expectDenied(query) {
  deepStrictEqual(await sqlstateOf(query), '42501')
  const error = await query.catch((error) => error)
  deepStrictEqual(error.message, 'denied by policy rule "no-deletes"')
  deepStrictEqual(error.hint?.includes('Mark the rows instead'), true)
}

/** Returns once the backend is inside pg_sleep: a cancel before that could come too early. */
async function untilSleeping(pid) {
  const sql = 'select wait_event from pg_stat_activity where pid = $1'
  await withSession(async (observer) => {
    let event
    do [[event]] = await rowsOf(observer, sql, [pid])
    while (event !== 'PgSleep')
  })
}

/** Queries that are sent at once, each with a Sync of its own. */
const deniedInPipeline = (remove) =>
  withSession(
    async (client) => {
      const queries = [
        rowsOf(client, 'select $1::int4', [1]),
        client.query(`${remove} where n = $1`, [1]),
        rowsOf(client, 'select $1::int4', [2]),
        client.query(remove),
        rowsOf(client, 'select $1::int4', [3]),
        client.query('select 1 / $1::int4', [0]),
        rowsOf(client, 'select $1::int4', [4]),
      ]
      await Promise.allSettled(queries)
      await expectDenied(queries[1])
      await expectDenied(queries[3])
      deepStrictEqual(await sqlstateOf(queries[5]), '22012')
      const answers = await Promise.all([0, 2, 4, 6].map((index) => queries[index]))
      deepStrictEqual(answers, [[[1]], [[2]], [[3]], [[4]]])
    },
    { pipeline: true },
  )

async function deniedInTransaction(client, table, remove) {
  await client.query('begin')
  await client.query(`insert into ${table} values (0)`)
  await expectDenied(client.query(remove))
  deepStrictEqual(await sqlstateOf(client.query('select 1')), '25P02')
  // In a transaction that has failed already, the denial is still the denial.
  await expectDenied(client.query(remove))
  await expectDenied(client.query(`${remove} where n = $1`, [1]))
  await client.query('rollback')
  deepStrictEqual(await rowsOf(client, "select 'still here'"), [['still here']])
}

const behaviours = {
  simple_query: () =>
    withSession(async (client) => {
      const results = await client.query(
        'create temp table simple (n int4);' +
          'insert into simple values (1), (2), (3);' +
          'select sum(n)::int4 as sum from simple',
      )
      deepStrictEqual(results.map((result) => result.command), ['CREATE', 'INSERT', 'SELECT'])
      deepStrictEqual(results[1].rowCount, 3)
      deepStrictEqual(results[2].rows, [{ sum: 6 }])
    }),

  extended_query: () =>
    withSession(async (client) => {
      const rows = await rowsOf(client, 'select $1::int4 + 1, upper($2)', [41, "it's"])
      deepStrictEqual(rows, [[42, "IT'S"]])
    }),

  prepared_statement: () =>
    withSession(async (client) => {
      const text = 'select $1::int4 * 2'
      for (const n of upTo(10)) {
        deepStrictEqual(await rowsOf(client, text, [n], 'doubled'), [[n * 2]])
      }
      // Prepared once, executed ten times, by the server's own count.
      const executions = await rowsOf(
        client,
        'select (generic_plans + custom_plans)::int4 from pg_prepared_statements where statement = $1',
        [text],
      )
      deepStrictEqual(executions, [[10]])
    }),

  pipeline: () =>
    withSession(
      async (client) => {
        const queries = upTo(100).map((n) => rowsOf(client, 'select $1::int4', [n]))
        deepStrictEqual(await Promise.all(queries), upTo(100).map((n) => [[n]]))
      },
      { pipeline: true },
    ),

  copy_in: () =>
    withSession(async (client) => {
      await client.query('create temp table copied (id int8, body text)')
      const copy = client.query(copyFrom('copy copied from stdin'))
      await streamPipeline(Readable.from(upTo(COPIED_ROWS).map((n) => `${n}\trow ${n}\n`)), copy)
      deepStrictEqual(copy.rowCount, COPIED_ROWS)
      const sql = "select count(*)::int4, sum(id)::int4 from copied where body = 'row ' || id"
      deepStrictEqual(await rowsOf(client, sql), [[COPIED_ROWS, (COPIED_ROWS * (COPIED_ROWS + 1)) / 2]])
    }),

  copy_out: () =>
    withSession(async (client) => {
      const rows = `select n, 'row ' || n from generate_series(1, ${COPIED_ROWS}) as n`
      const text = await buffer(client.query(copyTo(`copy (${rows}) to stdout`)))
      deepStrictEqual(text.toString(), upTo(COPIED_ROWS).map((n) => `${n}\trow ${n}\n`).join(''))
    }),

  cancel: () =>
    withSession(async (client) => {
      const [[pid]] = await rowsOf(client, 'select pg_backend_pid()')
      const query = new pg.Query('select pg_sleep(600)')
      const failure = once(query, 'end').then(() => undefined, (error) => error)
      client.query(query)
      await untilSleeping(pid)
      // The driver sends a cancel request in the clear whatever `ssl` says; saying so here keeps it
      // from also starting a TLS handshake on that connection.
      new pg.Client({ ssl: false }).cancel(client, query)
      deepStrictEqual((await failure)?.code, '57014')
      deepStrictEqual(await rowsOf(client, 'select pg_backend_pid()'), [[pid]])
    }),

  listen_notify: () =>
    withSession((listener) =>
      withSession(async (notifier) => {
        const channel = `clients_${randomUUID().replaceAll('-', '')}`
        await listener.query(`listen ${channel}`)
        const received = once(listener, 'notification')
        await notifier.query("select pg_notify($1, 'hello')", [channel])
        const [event] = await received
        deepStrictEqual([event.channel, event.payload], [channel, 'hello'])
      }),
    ),

  many_rows: () =>
    withSession(async (client) => {
      const source = `from generate_series(1, ${MANY_ROWS}) as n`
      const rows = await rowsOf(client, `select n, md5(n::text) ${source}`)
      deepStrictEqual(rows.map(([n]) => n), upTo(MANY_ROWS))
      const [[digest]] = await rowsOf(
        client,
        `select encode(sha256(string_agg(md5(n::text), '')::bytea), 'hex') ${source}`,
      )
      deepStrictEqual(sha256(rows.map(([, body]) => body).join('')), digest)
    }),

  // One 64 MiB value to the client and back, the server's digest against the client's.
  large_value: () =>
    withSession(async (client) => {
      const [[value, digest]] = await rowsOf(
        client,
        `with large as materialized (
           select string_agg(md5(n::text), '')::bytea as value
           from generate_series(1, ${LARGE_VALUE_SIZE / 32}) as n)
         select value, encode(sha256(value), 'hex') from large`,
      )
      deepStrictEqual(value.length, LARGE_VALUE_SIZE)
      deepStrictEqual(sha256(value), digest)
      const back = await rowsOf(client, "select encode(sha256($1::bytea), 'hex')", [value])
      deepStrictEqual(back, [[digest]])
    }),

  error_recovery: () =>
    withSession(async (client) => {
      deepStrictEqual(await sqlstateOf(client.query('select 1 / $1::int4', [0])), '22012')
      deepStrictEqual(await rowsOf(client, "select 'still here'"), [['still here']])
    }),

  failed_transaction: () =>
    withSession(async (client) => {
      await client.query('begin')
      deepStrictEqual(await sqlstateOf(client.query('select 1 / $1::int4', [0])), '22012')
      deepStrictEqual(await sqlstateOf(client.query('select 1')), '25P02')
      await client.query('rollback')
      deepStrictEqual(await rowsOf(client, "select 'still here'"), [['still here']])
    }),

  // Results come as text: in binary format the driver reads a value as UTF-8 before it parses it,
  // which spoils most. A Buffer is sent as binary, other parameters as text.
  binary_types: () =>
    withSession(async (client) => {
      const values = [
        '9223372036854775807', // int8 and numeric are strings to the driver: a number would round them
        -0.1,
        '12345678901234567890.0123456789',
        new Date('2026-02-03T04:05:06.789Z'),
        '0191b2c3-d4e5-7f60-8a9b-0c1d2e3f4a5b',
        Buffer.from([0x00, 0x01, 0xfe, 0xff]),
        { a: [1, 2, null], b: 'ü' },
        [1, null, -3],
        ['a', null, 'b,"c'],
      ]
      const rows = await rowsOf(
        client,
        `select $1::int8, $2::float8, $3::numeric, $4::timestamptz, $5::uuid, $6::bytea,
                $7::jsonb, $8::int4[], $9::text[]`,
        values,
      )
      deepStrictEqual(rows, [values])
    }),

  denied: () =>
    withSession(async (client) => {
      const table = process.env.CLIENTS_DENIED_TABLE
      if (!table) throw new Skip('no policy: CLIENTS_DENIED_TABLE is not set')
      const remove = `delete from ${table}`
      const state = `select count(*), pg_backend_pid() from ${table}`
      const before = await rowsOf(client, state)
      // Without values it is a simple query.
      await expectDenied(client.query(remove))
      // Had any of it run, a row would have come and stayed.
      await expectDenied(client.query(`insert into ${table} values (0); commit; ${remove}`))
      deepStrictEqual(await rowsOf(client, 'select 1'), [[1]])
      await expectDenied(client.query(`${remove} where n = $1`, [1]))
      for (const n of upTo(2)) {
        await expectDenied(rowsOf(client, `${remove} where n = $1`, [n], 'removal'))
      }
      deepStrictEqual(await rowsOf(client, 'select $1::int4', [2]), [[2]])
      await deniedInPipeline(remove)
      await deniedInTransaction(client, table, remove)
      deepStrictEqual(await rowsOf(client, state), before)
    }),
}

/** Why a behaviour failed, or undefined. One past its deadline is left behind, unfinished. */
async function failureOf(behaviour) {
  let timer
  const deadline = new Promise((_, reject) => {
    const error = new Error(`not finished within ${DEADLINE_SECONDS} s`)
    timer = setTimeout(reject, DEADLINE_SECONDS * 1000, error)
  })
  return Promise.race([behaviour(), deadline])
    .then(() => undefined, (error) => error)
    .finally(() => clearTimeout(timer))
}

let [passed, failed, skipped] = [0, 0, 0]
for (const [name, behaviour] of Object.entries(behaviours)) {
  const error = await failureOf(behaviour)
  const reason = `${error?.code ?? ''} ${error?.message}`.replace(/\s+/g, ' ').trim()
  if (!error) {
    passed += 1
    console.log(`ok ${name}`)
  } else if (error instanceof Skip) {
    skipped += 1
    console.log(`skip ${name}: ${reason}`)
  } else {
    failed += 1
    console.log(`not ok ${name}: ${reason}`)
  }
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed ? 1 : 0)
