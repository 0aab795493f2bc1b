import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.postgresql.PGConnection;
import org.postgresql.util.PSQLException;

/** The behaviours of tests/clients through pgjdbc. */
public final class Client {
  private static final int DEADLINE_SECONDS = 60;
  private static final int COPIED_ROWS = 10_000;
  private static final int MANY_ROWS = 200_000;
  private static final int LARGE_VALUE_SIZE = 64 * 1024 * 1024;

  private static final ExecutorService THREADS =
      Executors.newCachedThreadPool(
          action -> {
            Thread thread = new Thread(action);
            thread.setDaemon(true);
            return thread;
          });

  /** Something that talks to the server. */
  private interface Action {
    void run() throws Exception;
  }

  /** There is nothing to try a behaviour on. */
  private static final class Skip extends Exception {
    private static final long serialVersionUID = 1;

    Skip(String reason) {
      super(reason);
    }
  }

  private static void expect(Object actual, Object expected) {
    if (!Objects.deepEquals(actual, expected)) {
      throw new AssertionError("expected %.200s, got %.200s".formatted(expected, actual));
    }
  }

  private static String environment(String name, String otherwise) {
    return Objects.requireNonNullElse(System.getenv(name), otherwise);
  }

  /** A new session; {@code options} are names and values of connection properties. */
  private static Connection connect(String... options) throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", environment("PGUSER", "postgres"));
    properties.setProperty("password", environment("PGPASSWORD", ""));
    String mode = environment("PGSSLMODE", "disable");
    properties.setProperty("sslmode", mode.equals("direct") ? "verify-full" : mode);
    properties.setProperty("sslNegotiation", mode.equals("direct") ? "direct" : "postgres");
    properties.setProperty("sslrootcert", environment("PGSSLROOTCERT", ""));
    for (int i = 0; i < options.length; i += 2) {
      properties.setProperty(options[i], options[i + 1]);
    }
    String host = environment("PGHOST", "localhost");
    String port = environment("PGPORT", "5432");
    String database = environment("PGDATABASE", "postgres");
    return DriverManager.getConnection(
        "jdbc:postgresql://%s:%s/%s".formatted(host, port, database), properties);
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** The values of the first row of a query. */
  private static List<Object> row(Connection connection, String sql, Object... parameters)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      return row(statement, parameters);
    }
  }

  private static List<Object> row(PreparedStatement statement, Object... parameters)
      throws SQLException {
    for (int i = 0; i < parameters.length; i++) {
      statement.setObject(i + 1, parameters[i]);
    }
    try (ResultSet result = statement.executeQuery()) {
      result.next();
      List<Object> values = new ArrayList<>();
      for (int column = 1; column <= result.getMetaData().getColumnCount(); column++) {
        values.add(result.getObject(column));
      }
      return values;
    }
  }

  private static String sqlstateOf(Action action) throws Exception {
    try {
      action.run();
    } catch (SQLException error) {
      return error.getSQLState();
    }
    throw new AssertionError("the query did not fail");
  }

  /** The action fails as a statement that the policy rule no-deletes denies. */
  private static void expectDenied(Action action) throws Exception {
    try {
      action.run();
    } catch (SQLException error) {
      Throwable refused = error instanceof BatchUpdateException ? error.getCause() : error;
      var message = ((PSQLException) refused).getServerErrorMessage();
      expect(error.getSQLState(), "42501");
      expect(message.getMessage(), "denied by policy rule \"no-deletes\"");
      String hint = Objects.requireNonNullElse(message.getHint(), "");
      expect(hint.contains("Mark the rows instead"), true);
      return;
    }
    throw new AssertionError("the statement was not denied");
  }

  /** Returns once the backend is in pg_sleep: a cancel before that could come too early. */
  private static void untilSleeping(int pid) throws SQLException {
    String sql =
        "select coalesce(wait_event, '') = 'PgSleep' from pg_stat_activity where pid = ?";
    try (Connection observer = connect()) {
      while (!row(observer, sql, pid).equals(List.of(true))) {}
    }
  }

  private static String sha256(byte[] data) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
  }

  private static void simpleQuery() throws Exception {
    try (Connection connection = connect("preferQueryMode", "simple");
        Statement statement = connection.createStatement()) {
      statement.execute(
          "create temp table simple (n int4);"
              + "insert into simple values (1), (2), (3);"
              + "select sum(n) from simple");
      statement.getMoreResults();
      expect(statement.getUpdateCount(), 3);
      expect(statement.getMoreResults(), true);
      statement.getResultSet().next();
      expect(statement.getResultSet().getInt(1), 6);
    }
  }

  private static void extendedQuery() throws Exception {
    try (Connection connection = connect()) {
      expect(row(connection, "select ?::int4 + 1, upper(?)", 41, "it's"), List.of(42, "IT'S"));
    }
  }

  private static void preparedStatement() throws Exception {
    try (Connection connection = connect("prepareThreshold", "1");
        PreparedStatement doubled = connection.prepareStatement("select ?::int8 * 2")) {
      for (long n = 0; n < 10; n++) {
        expect(row(doubled, n), List.of(n * 2));
      }
      // Prepared once, executed ten times, by the server's own count.
      String sql =
          "select count(*), sum(generic_plans + custom_plans)::int8"
              + " from pg_prepared_statements where statement = 'select $1::int8 * 2'";
      expect(row(connection, sql), List.of(1L, 10L));
    }
  }

  /** A batch is what the driver has for a pipeline: sent as one, with one Sync at its end. */
  private static void pipeline() throws Exception {
    try (Connection connection = connect()) {
      execute(connection, "create temp table piped (n int4)");
      try (PreparedStatement insert =
          connection.prepareStatement("insert into piped select generate_series(1, ?)")) {
        int[] expected = new int[100];
        for (int n = 0; n < expected.length; n++) {
          insert.setInt(1, n);
          insert.addBatch();
          expected[n] = n;
        }
        expect(insert.executeBatch(), expected);
      }
      expect(row(connection, "select count(*) from piped"), List.of(4950L));
    }
  }

  private static String copiedText() {
    StringBuilder text = new StringBuilder();
    for (int n = 1; n <= COPIED_ROWS; n++) {
      text.append(n).append("\trow ").append(n).append('\n');
    }
    return text.toString();
  }

  private static void copyIn() throws Exception {
    try (Connection connection = connect()) {
      execute(connection, "create temp table copied (id int8, body text)");
      byte[] text = copiedText().getBytes(StandardCharsets.UTF_8);
      long copied =
          connection
              .unwrap(PGConnection.class)
              .getCopyAPI()
              .copyIn("copy copied from stdin", new ByteArrayInputStream(text));
      expect(copied, (long) COPIED_ROWS);
      String sql = "select count(*), sum(id)::int8 from copied where body = 'row ' || id";
      long sum = COPIED_ROWS * (COPIED_ROWS + 1L) / 2;
      expect(row(connection, sql), List.of((long) COPIED_ROWS, sum));
    }
  }

  private static void copyOut() throws Exception {
    String rows = "select n, 'row ' || n from generate_series(1, %d) as n".formatted(COPIED_ROWS);
    try (Connection connection = connect()) {
      ByteArrayOutputStream text = new ByteArrayOutputStream();
      connection
          .unwrap(PGConnection.class)
          .getCopyAPI()
          .copyOut("copy (" + rows + ") to stdout", text);
      expect(text.toString(StandardCharsets.UTF_8), copiedText());
    }
  }

  private static void cancel() throws Exception {
    try (Connection connection = connect();
        Statement sleep = connection.createStatement()) {
      List<Object> pid = row(connection, "select pg_backend_pid()");
      Future<String> sqlstate =
          THREADS.submit(() -> sqlstateOf(() -> sleep.execute("select pg_sleep(600)")));
      untilSleeping((Integer) pid.get(0));
      sleep.cancel();
      expect(sqlstate.get(), "57014");
      expect(row(connection, "select pg_backend_pid()"), pid);
    }
  }

  private static void listenNotify() throws Exception {
    String channel = "clients_" + UUID.randomUUID().toString().replace("-", "");
    try (Connection listener = connect();
        Connection notifier = connect()) {
      execute(listener, "listen " + channel);
      row(notifier, "select pg_notify(?, 'hello')", channel);
      var events = listener.unwrap(PGConnection.class).getNotifications(0); // waits for one
      expect(events.length, 1);
      expect(List.of(events[0].getName(), events[0].getParameter()), List.of(channel, "hello"));
    }
  }

  /** In a transaction, so that the driver fetches the rows by portions out of one portal. */
  private static void manyRows() throws Exception {
    String source = "from generate_series(1, %d) as n".formatted(MANY_ROWS);
    try (Connection connection = connect();
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.setFetchSize(10_000);
      ByteArrayOutputStream bodies = new ByteArrayOutputStream();
      int count = 0;
      try (ResultSet result = statement.executeQuery("select n, md5(n::text) " + source)) {
        while (result.next()) {
          count++;
          expect(result.getInt(1), count);
          bodies.writeBytes(result.getBytes(2));
        }
      }
      expect(count, MANY_ROWS);
      String sql = "select encode(sha256(string_agg(md5(n::text), '')::bytea), 'hex') " + source;
      expect(row(connection, sql), List.of(sha256(bodies.toByteArray())));
    }
  }

  /** One 64 MiB value to the client and back, the server's digest against the client's. */
  private static void largeValue() throws Exception {
    String sql =
        """
        with large as materialized (
          select string_agg(md5(n::text), '')::bytea as value from generate_series(1, ?) as n)
        select value, encode(sha256(value), 'hex') from large""";
    try (Connection connection = connect("prepareThreshold", "-1")) {
      List<Object> result = row(connection, sql, LARGE_VALUE_SIZE / 32);
      byte[] value = (byte[]) result.get(0);
      Object digest = result.get(1);
      expect(value.length, LARGE_VALUE_SIZE);
      expect(sha256(value), digest);
      expect(row(connection, "select encode(sha256(?), 'hex')", value), List.of(digest));
    }
  }

  private static void errorRecovery() throws Exception {
    try (Connection connection = connect()) {
      expect(sqlstateOf(() -> row(connection, "select 1 / ?::int4", 0)), "22012");
      expect(row(connection, "select 'still here'"), List.of("still here"));
    }
  }

  private static void failedTransaction() throws Exception {
    try (Connection connection = connect()) {
      connection.setAutoCommit(false);
      expect(sqlstateOf(() -> row(connection, "select 1 / ?::int4", 0)), "22012");
      expect(sqlstateOf(() -> row(connection, "select 1")), "25P02");
      connection.rollback();
      expect(row(connection, "select 'still here'"), List.of("still here"));
    }
  }

  /** The threshold -1 makes the driver ask for binary results from a statement's first use on. */
  private static void binaryTypes() throws Exception {
    UUID uuid = UUID.fromString("0191b2c3-d4e5-7f60-8a9b-0c1d2e3f4a5b");
    byte[] bytes = {0x00, 0x01, (byte) 0xfe, (byte) 0xff};
    OffsetDateTime time = OffsetDateTime.parse("2026-02-03T04:05:06.789012Z");
    BigDecimal numeric = new BigDecimal("12345678901234567890.0123456789");
    Integer[] numbers = {1, null, -3};
    String[] texts = {"a", null, "b,\"c"};
    String document = "{\"a\": [1, 2, null], \"b\": \"ü\"}";
    String sql =
        "select ?::int8, ?::float8, ?::numeric, ?::timestamptz, ?::uuid, ?::bytea, ?::jsonb,"
            + " ?::int4[], ?::text[]";
    try (Connection connection = connect("prepareThreshold", "-1");
        PreparedStatement statement = connection.prepareStatement(sql)) {
      Array numberArray = connection.createArrayOf("int4", numbers);
      Array textArray = connection.createArrayOf("text", texts);
      statement.setLong(1, Long.MAX_VALUE);
      statement.setDouble(2, -0.1);
      statement.setBigDecimal(3, numeric);
      statement.setObject(4, time);
      statement.setObject(5, uuid);
      statement.setBytes(6, bytes);
      statement.setObject(7, document, Types.OTHER);
      statement.setArray(8, numberArray);
      statement.setArray(9, textArray);
      try (ResultSet result = statement.executeQuery()) {
        result.next();
        expect(result.getLong(1), Long.MAX_VALUE);
        expect(result.getDouble(2), -0.1);
        expect(result.getBigDecimal(3), numeric);
        expect(result.getObject(4, OffsetDateTime.class).toInstant(), time.toInstant());
        expect(result.getObject(5), uuid);
        expect(result.getBytes(6), bytes);
        expect(result.getString(7), document);
        expect(result.getArray(8).getArray(), numbers);
        expect(result.getArray(9).getArray(), texts);
      }
    }
  }

  /** Three statements with one Sync; what the driver tells when the second fails. */
  private static BatchUpdateException failInBatch(Connection connection, String failing)
      throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.addBatch("insert into piped values (1)");
      statement.addBatch(failing);
      statement.addBatch("insert into piped values (2)");
      statement.executeBatch();
    } catch (BatchUpdateException error) {
      return error;
    }
    throw new AssertionError("the batch did not fail");
  }

  private static void deniedInBatch(Connection connection, String delete) throws Exception {
    execute(connection, "create temp table piped (n int4)");
    BatchUpdateException denied = failInBatch(connection, delete);
    expectDenied(
        () -> {
          throw denied;
        });
    BatchUpdateException failed = failInBatch(connection, "insert into piped values (1 / 0)");
    expect(failed.getSQLState(), "22012");
    expect(denied.getUpdateCounts(), failed.getUpdateCounts());
    // Each batch was one transaction.
    expect(row(connection, "select count(*) from piped"), List.of(0L));
    try (PreparedStatement statement = connection.prepareStatement(delete + " where n = ?")) {
      for (int n = 1; n <= 2; n++) {
        statement.setInt(1, n);
        statement.addBatch();
      }
      expectDenied(statement::executeBatch);
    }
    expect(row(connection, "select ?::int4", 3), List.of(3));
  }

  private static void deniedInTransaction(Connection connection, String table, String delete)
      throws Exception {
    connection.setAutoCommit(false);
    // The first statement of a transaction comes together with the driver's BEGIN.
    expectDenied(() -> execute(connection, delete));
    connection.rollback();
    execute(connection, "insert into " + table + " values (0)");
    expectDenied(() -> execute(connection, delete));
    expect(sqlstateOf(() -> row(connection, "select 1")), "25P02");
    // In a transaction that has failed already, the denial is still the denial.
    expectDenied(() -> execute(connection, delete));
    expectDenied(() -> row(connection, delete + " where n = ?", 1));
    connection.rollback();
    connection.setAutoCommit(true);
    expect(row(connection, "select 'still here'"), List.of("still here"));
  }

  private static void deniedInSimpleQuery(String table, String delete) throws Exception {
    try (Connection connection = connect("preferQueryMode", "simple")) {
      expectDenied(() -> execute(connection, delete));
      // Had any of it run, a row would have come and stayed.
      String several = "insert into " + table + " values (0); commit; " + delete;
      expectDenied(() -> execute(connection, several));
      expect(row(connection, "select 'still here'"), List.of("still here"));
    }
  }

  private static void denied() throws Exception {
    String table = environment("CLIENTS_DENIED_TABLE", "");
    if (table.isEmpty()) {
      throw new Skip("no policy: CLIENTS_DENIED_TABLE is not set");
    }
    String delete = "delete from " + table;
    String state = "select count(*), pg_backend_pid() from " + table;
    try (Connection connection = connect("prepareThreshold", "1")) {
      List<Object> before = row(connection, state);
      deniedInSimpleQuery(table, delete);
      expectDenied(() -> execute(connection, delete));
      // The driver makes three statements of it, with one Sync.
      String several = "select 1; " + delete + "; select 2";
      expectDenied(() -> execute(connection, several));
      expect(row(connection, "select ?::int4", 1), List.of(1));
      try (PreparedStatement removal = connection.prepareStatement(delete + " where n = ?")) {
        removal.setInt(1, 1);
        expectDenied(removal::executeUpdate);
        expectDenied(removal::executeUpdate);
      }
      expect(row(connection, "select ?::int4", 2), List.of(2));
      deniedInBatch(connection, delete);
      deniedInTransaction(connection, table, delete);
      expect(row(connection, state), before);
    }
  }

  /** The line about a behaviour. One past its deadline is left behind on its own thread. */
  private static String outcomeOf(String name, Action behaviour) throws InterruptedException {
    Future<?> running =
        THREADS.submit(
            () -> {
              behaviour.run();
              return null;
            });
    try {
      running.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
      return "ok " + name;
    } catch (TimeoutException late) {
      return "not ok %s: not finished within %d s".formatted(name, DEADLINE_SECONDS);
    } catch (ExecutionException failed) {
      if (failed.getCause() instanceof Skip reason) {
        return "skip %s: %s".formatted(name, reason.getMessage());
      }
      return "not ok %s: %s".formatted(name, failed.getCause()).replaceAll("\\s+", " ");
    }
  }

  public static void main(String[] arguments) throws InterruptedException {
    Map<String, Action> behaviours = new LinkedHashMap<>();
    behaviours.put("simple_query", Client::simpleQuery);
    behaviours.put("extended_query", Client::extendedQuery);
    behaviours.put("prepared_statement", Client::preparedStatement);
    behaviours.put("pipeline", Client::pipeline);
    behaviours.put("copy_in", Client::copyIn);
    behaviours.put("copy_out", Client::copyOut);
    behaviours.put("cancel", Client::cancel);
    behaviours.put("listen_notify", Client::listenNotify);
    behaviours.put("many_rows", Client::manyRows);
    behaviours.put("large_value", Client::largeValue);
    behaviours.put("error_recovery", Client::errorRecovery);
    behaviours.put("failed_transaction", Client::failedTransaction);
    behaviours.put("binary_types", Client::binaryTypes);
    behaviours.put("denied", Client::denied);

    int failed = 0;
    int skipped = 0;
    for (Map.Entry<String, Action> behaviour : behaviours.entrySet()) {
      String outcome = outcomeOf(behaviour.getKey(), behaviour.getValue());
      failed += outcome.startsWith("not ok ") ? 1 : 0;
      skipped += outcome.startsWith("skip ") ? 1 : 0;
      System.out.println(outcome);
    }
    int passed = behaviours.size() - failed - skipped;
    System.out.println("%d passed, %d failed, %d skipped".formatted(passed, failed, skipped));
    System.exit(failed == 0 ? 0 : 1);
  }
}
