// Command alloydb-go-client runs the behaviours of tests/clients/google through Google's Go
// connector and pgx v5.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"time"

	"cloud.google.com/go/alloydbconn"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/oauth2"
)

const (
	deadline     = 60 * time.Second // for each behaviour
	manyRowCount = 50_000
)

// session is one connection with the context of the behaviour that uses it. Its methods panic with
// a failure, which failureOf recovers, so that a behaviour reads as the steps it takes.
type session struct {
	ctx    context.Context
	dialer *alloydbconn.Dialer
	conn   *pgx.Conn
}

type failure struct{ error }

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

// newDialer makes the one dialer of this process.
func newDialer(ctx context.Context) *alloydbconn.Dialer {
	options := []alloydbconn.Option{
		alloydbconn.WithAdminAPIEndpoint(os.Getenv("ALLOYDB_ADMIN_URL")),
		// It reports to a service of Google's otherwise.
		alloydbconn.WithOptOutOfBuiltInTelemetry(),
	}
	if os.Getenv("ALLOYDB_LOGIN") == "iam" {
		options = append(options, alloydbconn.WithIAMAuthN())
	}
	if token := os.Getenv("ALLOYDB_TOKEN"); token != "" {
		source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
		options = append(options, alloydbconn.WithTokenSource(source))
	}
	dialer, err := alloydbconn.NewDialer(ctx, options...)
	must(err)
	return dialer
}

func ipType() alloydbconn.DialOption {
	switch kind := os.Getenv("ALLOYDB_IP_TYPE"); kind {
	case "private":
		return alloydbconn.WithPrivateIP()
	case "public":
		return alloydbconn.WithPublicIP()
	case "psc":
		return alloydbconn.WithPSC()
	default:
		must(fmt.Errorf("ALLOYDB_IP_TYPE is %q", kind))
		return nil
	}
}

// connect opens a session, as the connector's own documentation does it.
func connect(ctx context.Context, dialer *alloydbconn.Dialer) session {
	// The host is never looked up: the dialer knows the address. TLS is the dialer's matter too.
	config, err := pgx.ParseConfig("host=localhost sslmode=disable")
	must(err)
	config.User = os.Getenv("ALLOYDB_USER")
	config.Password = os.Getenv("ALLOYDB_PASSWORD")
	config.Database = os.Getenv("ALLOYDB_DATABASE")
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.Dial(ctx, os.Getenv("ALLOYDB_INSTANCE_URI"), ipType())
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	must(err)
	return session{ctx, dialer, conn}
}

func (s session) close() {
	must(s.conn.Close(s.ctx))
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

// sqlstate runs a query that should fail.
func (s session) sqlstate(sql string) string {
	_, err := s.conn.Exec(s.ctx, sql)
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return fmt.Sprintf("no SQLSTATE: %v", err)
}

// untilSleeping returns once the backend is inside pg_sleep: a cancel before that could come too
// early.
func (s session) untilSleeping(pid any) {
	observer := connect(s.ctx, s.dialer)
	defer observer.close()
	sql := "select coalesce(wait_event, '') = 'PgSleep' from pg_stat_activity where pid = $1"
	for observer.row(sql, pid)[0] != true {
	}
}

func currentUser(s session) {
	expect(s.row("select current_user::text"), []any{os.Getenv("ALLOYDB_USER")})
}

func parameters(s session) {
	expect(s.row("select $1::int4 + 1, upper($2)", 41, "it's"), []any{int32(42), "IT'S"})
}

func errorRecovery(s session) {
	expect(s.sqlstate("select 1/0"), "22012")
	expect(s.row("select 1::int4"), []any{int32(1)})
}

func cancel(s session) {
	pid := s.row("select pg_backend_pid()")
	sleeping := make(chan string, 1)
	go func() { sleeping <- s.sqlstate("select pg_sleep(600)") }()
	s.untilSleeping(pid[0])
	must(s.conn.PgConn().CancelRequest(s.ctx))
	expect(<-sleeping, "57014")
	expect(s.row("select pg_backend_pid()"), pid)
}

func manyRows(s session) {
	source := fmt.Sprintf("from generate_series(1, %d) as n", manyRowCount)
	rows, err := s.conn.Query(s.ctx, "select n, md5(n::text) "+source+" order by n")
	must(err)
	count, digest := 0, sha256.New()
	for rows.Next() {
		var number int
		var text string
		must(rows.Scan(&number, &text))
		count++
		expect(number, count)
		digest.Write([]byte(text))
	}
	must(rows.Err())
	expect(count, manyRowCount)
	expected := s.row("select encode(sha256(string_agg(md5(n::text), '' order by n)::bytea), 'hex') " + source)
	expect([]any{hex.EncodeToString(digest.Sum(nil))}, expected)
}

// failureOf runs a behaviour in a session of its own.
func failureOf(dialer *alloydbconn.Dialer, behaviour func(session)) (err error) {
	ctx, done := context.WithTimeout(context.Background(), deadline)
	defer done()
	defer func() {
		switch raised := recover().(type) {
		case nil:
		case failure:
			err = raised.error
		default:
			panic(raised)
		}
	}()
	s := connect(ctx, dialer)
	behaviour(s)
	s.close()
	return nil
}

func main() {
	dialer := newDialer(context.Background())
	behaviours := []struct {
		name string
		run  func(session)
	}{
		{"current_user", currentUser},
		{"parameters", parameters},
		{"error_recovery", errorRecovery},
		{"cancel", cancel},
		{"many_rows", manyRows},
	}
	passed, failed := 0, 0
	for _, behaviour := range behaviours {
		if err := failureOf(dialer, behaviour.run); err != nil {
			fmt.Printf("not ok %s: %v\n", behaviour.name, err)
			failed++
		} else {
			fmt.Printf("ok %s\n", behaviour.name)
			passed++
		}
	}
	must(dialer.Close())
	fmt.Printf("%d passed, %d failed, 0 skipped\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
