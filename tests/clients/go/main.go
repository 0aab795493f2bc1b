// Command pgx-client runs the behaviours of tests/clients through pgx v5.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	deadline       = 60 * time.Second // for each behaviour
	copiedRowCount = 10_000
	manyRowCount   = 200_000
	largeValueSize = 64 << 20
)

// session is one connection with the context of the behaviour that uses it. Its methods panic with
// a failure, which failureOf recovers, so that a behaviour reads as the steps it takes.
type session struct {
	ctx  context.Context
	conn *pgx.Conn
}

type failure struct{ error }

// skipped says why there is nothing to try a behaviour on.
type skipped string

func (reason skipped) Error() string { return string(reason) }

func must(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func expect(actual, expected any) {
	if !reflect.DeepEqual(actual, expected) {
		must(fmt.Errorf("expected %.200v, got %.200v", expected, actual))
	}
}

// connect opens a session with these options of a connection string; host, port, user, password and
// database are pgx's own PG* variables.
func connect(ctx context.Context, more ...string) session {
	var options string
	switch mode := os.Getenv("PGSSLMODE"); mode {
	case "":
		options = "sslmode=disable"
	case "direct":
		options = "sslmode=verify-full sslnegotiation=direct"
	default:
		options = "sslmode=" + mode
	}
	conn, err := pgx.Connect(ctx, strings.Join(append(more, options), " "))
	must(err)
	return session{ctx, conn}
}

func (s session) close() {
	must(s.conn.Close(s.ctx))
}

func (s session) exec(sql string, arguments ...any) {
	_, err := s.conn.Exec(s.ctx, sql, arguments...)
	must(err)
}

// row gives the values of the one row of a query.
func (s session) row(sql string, arguments ...any) []any {
	rows, err := s.conn.Query(s.ctx, sql, arguments...)
	must(err)
	values, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) ([]any, error) {
		return row.Values()
	})
	must(err)
	return values
}

func sqlstateOf(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return fmt.Sprintf("no SQLSTATE: %v", err)
}

// sqlstate runs a query that should fail.
func (s session) sqlstate(sql string, arguments ...any) string {
	_, err := s.conn.Exec(s.ctx, sql, arguments...)
	return sqlstateOf(err)
}

// expectDenied expects the error of a query that the policy rule no-deletes denies.
func expectDenied(err error) {
	expect(sqlstateOf(err), "42501")
	var refused *pgconn.PgError
	errors.As(err, &refused)
	expect(refused.Message, `denied by policy rule "no-deletes"`)
	expect(strings.Contains(refused.Hint, "Mark the rows instead"), true)
}

// expectDenied runs a query that should be denied: without arguments, it is a simple one.
func (s session) expectDenied(sql string, arguments ...any) {
	_, err := s.conn.Exec(s.ctx, sql, arguments...)
	expectDenied(err)
}

// untilSleeping returns once the backend is inside pg_sleep: a cancel before that could come too
// early.
func untilSleeping(ctx context.Context, pid any) {
	observer := connect(ctx)
	defer observer.close()
	sql := "select coalesce(wait_event, '') = 'PgSleep' from pg_stat_activity where pid = $1"
	for observer.row(sql, pid)[0] != true {
	}
}

func simpleQuery(s session) {
	results, err := s.conn.PgConn().Exec(s.ctx, `
		create temp table simple (n int4);
		insert into simple values (1), (2), (3);
		select sum(n) from simple`).ReadAll()
	must(err)
	expect(len(results), 3)
	expect(results[1].CommandTag.String(), "INSERT 0 3")
	expect(results[2].Rows, [][][]byte{{[]byte("6")}})
}

func extendedQuery(s session) {
	expect(s.row("select $1::int4 + 1, upper($2)", 41, "it's"), []any{int32(42), "IT'S"})
}

func preparedStatement(s session) {
	statement, err := s.conn.Prepare(s.ctx, "doubled", "select $1::int8 * 2")
	must(err)
	for n := range int64(10) {
		expect(s.row(statement.Name, n), []any{n * 2})
	}
	// Prepared once, executed ten times, by the server's own count.
	executions := s.row(`select count(*), sum(generic_plans + custom_plans)::int8
		from pg_prepared_statements where statement = $1`, statement.SQL)
	expect(executions, []any{int64(1), int64(10)})
}

func pipeline(s session) {
	batch := &pgx.Batch{}
	for n := range 100 {
		batch.Queue("select $1::int4", n)
	}
	results := s.conn.SendBatch(s.ctx, batch)
	for n := range 100 {
		var answer int
		must(results.QueryRow().Scan(&answer))
		expect(answer, n)
	}
	must(results.Close())
}

func copyIn(s session) {
	s.exec("create temp table copied (id int8, body text)")
	next := func(index int) ([]any, error) {
		return []any{int64(index + 1), fmt.Sprintf("row %d", index+1)}, nil
	}
	source := pgx.CopyFromSlice(copiedRowCount, next)
	copied, err := s.conn.CopyFrom(s.ctx, pgx.Identifier{"copied"}, []string{"id", "body"}, source)
	must(err)
	expect(copied, int64(copiedRowCount))
	sum := int64(copiedRowCount * (copiedRowCount + 1) / 2)
	sql := "select count(*), sum(id)::int8 from copied where body = 'row ' || id"
	expect(s.row(sql), []any{int64(copiedRowCount), sum})
}

func copyOut(s session) {
	rows := fmt.Sprintf("select n, 'row ' || n from generate_series(1, %d) as n", copiedRowCount)
	var text, expected bytes.Buffer
	tag, err := s.conn.PgConn().CopyTo(s.ctx, &text, "copy ("+rows+") to stdout")
	must(err)
	expect(tag.RowsAffected(), int64(copiedRowCount))
	for n := range copiedRowCount {
		fmt.Fprintf(&expected, "%d\trow %d\n", n+1, n+1)
	}
	expect(text.String(), expected.String())
}

func cancel(s session) {
	pid := s.row("select pg_backend_pid()")
	sleeping := make(chan string, 1)
	go func() { sleeping <- s.sqlstate("select pg_sleep(600)") }()
	untilSleeping(s.ctx, pid[0])
	must(s.conn.PgConn().CancelRequest(s.ctx))
	expect(<-sleeping, "57014")
	expect(s.row("select pg_backend_pid()"), pid)
}

func listenNotify(s session) {
	channel := "clients_" + strings.ToLower(rand.Text())
	s.exec("listen " + channel)
	notifier := connect(s.ctx)
	defer notifier.close()
	notifier.exec("select pg_notify($1, 'hello')", channel)
	event, err := s.conn.WaitForNotification(s.ctx)
	must(err)
	expect([]string{event.Channel, event.Payload}, []string{channel, "hello"})
}

func sourceOf(rows int) string {
	return fmt.Sprintf("from generate_series(1, %d) as n", rows)
}

func manyRows(s session) {
	rows, err := s.conn.Query(s.ctx, "select n, md5(n::text) "+sourceOf(manyRowCount))
	must(err)
	digest := sha256.New()
	count := 0
	for rows.Next() {
		var n int
		var body string
		must(rows.Scan(&n, &body))
		count++
		expect(n, count)
		digest.Write([]byte(body))
	}
	must(rows.Err())
	expect(count, manyRowCount)
	sql := "select encode(sha256(string_agg(md5(n::text), '')::bytea), 'hex') " + sourceOf(manyRowCount)
	expect(s.row(sql), []any{hex.EncodeToString(digest.Sum(nil))})
}

// largeValue takes one 64 MiB value to the client and back, the server's digest against the
// client's.
func largeValue(s session) {
	result := s.row(`with large as materialized (
			select string_agg(md5(n::text), '')::bytea as value ` + sourceOf(largeValueSize/32) + `)
		select value, encode(sha256(value), 'hex') from large`)
	value, digest := result[0].([]byte), result[1]
	expect(len(value), largeValueSize)
	sum := sha256.Sum256(value)
	expect(hex.EncodeToString(sum[:]), digest)
	expect(s.row("select encode(sha256($1::bytea), 'hex')", value), []any{digest})
}

func errorRecovery(s session) {
	expect(s.sqlstate("select 1 / $1::int4", 0), "22012")
	expect(s.row("select 'still here'"), []any{"still here"})
}

func failedTransaction(s session) {
	s.exec("begin")
	expect(s.sqlstate("select 1 / $1::int4", 0), "22012")
	expect(s.sqlstate("select 1"), "25P02")
	s.exec("rollback")
	expect(s.row("select 'still here'"), []any{"still here"})
}

func binaryTypes(s session) {
	var numeric pgtype.Numeric
	must(numeric.Scan("12345678901234567890.0123456789"))
	values := []any{
		int64(1<<63 - 1),
		-0.1,
		numeric,
		time.Date(2026, 2, 3, 4, 5, 6, 789_012_000, time.UTC).Local(),
		[16]byte{0x01, 0x91, 0xb2, 0xc3, 0xd4, 0xe5, 0x7f, 0x60, 0x8a, 0x9b, 0x0c, 0x1d, 0x2e, 0x3f, 0x4a, 0x5b},
		[]byte{0x00, 0x01, 0xfe, 0xff},
		map[string]any{"a": []any{1.0, 2.0, nil}, "b": "ü"},
		[]any{int32(1), nil, int32(-3)},
		[]any{"a", nil, `b,"c`},
	}
	row := s.row(`select $1::int8, $2::float8, $3::numeric, $4::timestamptz, $5::uuid, $6::bytea,
		$7::jsonb, $8::int4[], $9::text[]`, values...)
	expect(row, values)
}

// failInBatch sends three queries with one Sync, of which the second fails, and gives that error.
// Those before it are answered, those after it are not.
func failInBatch(s session, sql string, argument int) error {
	batch := &pgx.Batch{}
	batch.Queue("select $1::int4", 1)
	batch.Queue(sql, argument)
	batch.Queue("select $1::int4", 2)
	results := s.conn.SendBatch(s.ctx, batch)
	var answer int
	must(results.QueryRow().Scan(&answer))
	expect(answer, 1)
	_, err := results.Exec()
	_, after := results.Exec()
	expect(after != nil, true)
	expect(sqlstateOf(results.Close()), sqlstateOf(err))
	expect(s.row("select 'still here'"), []any{"still here"})
	return err
}

func deniedInBatch(s session, del string) {
	// By default the driver prepares all queries of a batch before it runs one.
	batch := &pgx.Batch{}
	batch.Queue("select $1::int4", 1)
	batch.Queue(del+" where n = $1", 1)
	expectDenied(s.conn.SendBatch(s.ctx, batch).Close())

	unprepared := connect(s.ctx, "default_query_exec_mode=exec")
	defer unprepared.close()
	expectDenied(failInBatch(unprepared, del+" where n = $1", 1))
	expect(sqlstateOf(failInBatch(unprepared, "select 1 / $1::int4", 0)), "22012")
}

// deniedInPipeline sends queries at once, each with a Sync of its own.
func deniedInPipeline(s session, del string) {
	texts := []string{"select 1", del, "select 2", "select 1 / 0", "select 3", del}
	pipeline := s.conn.PgConn().StartPipeline(s.ctx)
	for _, sql := range texts {
		pipeline.SendQueryParams(sql, nil, nil, nil, nil)
		pipeline.SendPipelineSync()
	}
	must(pipeline.Flush())
	for _, sql := range texts {
		answer, err := pipeline.GetResults()
		switch sql {
		case del:
			expectDenied(err)
		case "select 1 / 0":
			expect(sqlstateOf(err), "22012")
		default:
			must(err)
			result := answer.(*pgconn.ResultReader).Read()
			must(result.Err)
			expect("select "+string(result.Rows[0][0]), sql)
		}
		answer, err = pipeline.GetResults()
		must(err)
		expect(answer, &pgconn.PipelineSync{})
	}
	must(pipeline.Close())
}

func deniedInTransaction(s session, table, del string) {
	s.exec("begin")
	s.exec("insert into " + table + " values (0)")
	s.expectDenied(del)
	expect(s.sqlstate("select 1"), "25P02")
	// In a transaction that has failed already, the denial is still the denial.
	s.expectDenied(del)
	s.expectDenied(del+" where n = $1", 1)
	s.exec("rollback")
	expect(s.row("select 'still here'"), []any{"still here"})
}

func denied(s session) {
	table := os.Getenv("CLIENTS_DENIED_TABLE")
	if table == "" {
		must(skipped("no policy: CLIENTS_DENIED_TABLE is not set"))
	}
	del := "delete from " + table
	state := "select count(*), pg_backend_pid() from " + table
	before := s.row(state)
	s.expectDenied(del)
	// Had any of it run, a row would have come and stayed.
	s.expectDenied("insert into " + table + " values (0); commit; " + del)
	s.exec("select 1")
	s.expectDenied(del+" where n = $1", 1)
	for range 2 {
		_, err := s.conn.Prepare(s.ctx, "removal", del+" where n = $1")
		expectDenied(err)
	}
	expect(s.row("select $1::int4", 2), []any{int32(2)})
	deniedInBatch(s, del)
	deniedInPipeline(s, del)
	deniedInTransaction(s, table, del)
	expect(s.row(state), before)
}

var behaviours = []struct {
	name string
	run  func(session)
}{
	{"simple_query", simpleQuery},
	{"extended_query", extendedQuery},
	{"prepared_statement", preparedStatement},
	{"pipeline", pipeline},
	{"copy_in", copyIn},
	{"copy_out", copyOut},
	{"cancel", cancel},
	{"listen_notify", listenNotify},
	{"many_rows", manyRows},
	{"large_value", largeValue},
	{"error_recovery", errorRecovery},
	{"failed_transaction", failedTransaction},
	{"binary_types", binaryTypes},
	{"denied", denied},
}

// failureOf runs a behaviour in a session of its own. The context ends every read and write of it
// at the deadline.
func failureOf(behaviour func(session)) (err error) {
	ctx, stop := context.WithTimeout(context.Background(), deadline)
	defer stop()
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case failure:
			err = reason.error
		default:
			panic(reason)
		}
	}()
	s := connect(ctx)
	defer s.conn.Close(ctx)
	behaviour(s)
	return nil
}

func main() {
	failed, skips := 0, 0
	for _, behaviour := range behaviours {
		switch err := failureOf(behaviour.run).(type) {
		case nil:
			fmt.Printf("ok %s\n", behaviour.name)
		case skipped:
			skips++
			fmt.Printf("skip %s: %s\n", behaviour.name, err)
		default:
			failed++
			reason := strings.Join(strings.Fields(err.Error()), " ")
			fmt.Printf("not ok %s: %s\n", behaviour.name, reason)
		}
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", len(behaviours)-failed-skips, failed, skips)
	if failed > 0 {
		os.Exit(1)
	}
}
