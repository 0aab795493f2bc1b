import com.google.auth.oauth2.AccessToken;
import com.google.auth.oauth2.GoogleCredentials;
import com.google.cloud.alloydb.ConnectorConfig;
import com.google.cloud.alloydb.ConnectorRegistry;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Date;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The behaviours of tests/clients/google through Google's Java connector and pgjdbc. */
public final class Client {
  private static final int DEADLINE_SECONDS = 60;
  private static final int MANY_ROWS = 50_000;

  private static final ExecutorService THREADS =
      Executors.newCachedThreadPool(
          action -> {
            Thread thread = new Thread(action);
            thread.setDaemon(true);
            return thread;
          });

  /** Something that talks to the server. */
  private interface Behaviour {
    void run(Connection connection) throws Exception;
  }

  private static void expect(Object actual, Object expected) {
    if (!Objects.deepEquals(actual, expected)) {
      throw new AssertionError("expected %.200s, got %.200s".formatted(expected, actual));
    }
  }

  private static String environment(String name) {
    return Objects.requireNonNull(System.getenv(name), name + " is not set");
  }

  /** Makes this process trust what signed the admin endpoint's certificate, and nothing else. */
  private static void trustAdminEndpoint() throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (InputStream certificate = new FileInputStream(environment("ALLOYDB_ADMIN_CA"))) {
      store.setCertificateEntry(
          "admin", CertificateFactory.getInstance("X.509").generateCertificate(certificate));
    }
    Path file = Files.createTempFile("trusted", ".p12");
    file.toFile().deleteOnExit();
    try (OutputStream written = new FileOutputStream(file.toFile())) {
      store.store(written, "changeit".toCharArray());
    }
    System.setProperty("javax.net.ssl.trustStore", file.toString());
    System.setProperty("javax.net.ssl.trustStorePassword", "changeit");
  }

  /** Registers the connector "token" if a token is given: a property can only name a file. */
  private static void registerToken() {
    String token = System.getenv("ALLOYDB_TOKEN");
    if (token == null) {
      return;
    }
    Date end = Date.from(Instant.now().plus(1, ChronoUnit.HOURS));
    ConnectorRegistry.register(
        "token",
        new ConnectorConfig.Builder()
            .withAdminServiceEndpoint(environment("ALLOYDB_ADMIN_GRPC"))
            .withGoogleCredentials(GoogleCredentials.create(new AccessToken(token, end)))
            .build());
  }

  private static Connection connect() throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", environment("ALLOYDB_USER"));
    if (System.getenv("ALLOYDB_PASSWORD") != null) {
      properties.setProperty("password", System.getenv("ALLOYDB_PASSWORD"));
    }
    properties.setProperty("socketFactory", "com.google.cloud.alloydb.SocketFactory");
    properties.setProperty("alloydbInstanceName", environment("ALLOYDB_INSTANCE_URI"));
    properties.setProperty("alloydbIpType", environment("ALLOYDB_IP_TYPE").toUpperCase());
    if (environment("ALLOYDB_LOGIN").equals("iam")) {
      properties.setProperty("alloydbEnableIAMAuth", "true");
    }
    if (System.getenv("ALLOYDB_TOKEN") == null) {
      properties.setProperty("alloydbAdminServiceEndpoint", environment("ALLOYDB_ADMIN_GRPC"));
    } else {
      properties.setProperty("alloydbNamedConnector", "token");
    }
    return DriverManager.getConnection(
        "jdbc:postgresql:///" + environment("ALLOYDB_DATABASE"), properties);
  }

  /** The values of the first row of a query. */
  private static List<Object> row(Connection connection, String sql, Object... parameters)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
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
  }

  private static String sqlstate(Statement statement, String sql) {
    try {
      statement.execute(sql);
    } catch (SQLException error) {
      return error.getSQLState();
    }
    throw new AssertionError("the query did not fail");
  }

  private static void currentUser(Connection connection) throws SQLException {
    expect(row(connection, "select current_user::text"), List.of(environment("ALLOYDB_USER")));
  }

  private static void parameters(Connection connection) throws SQLException {
    String sql = "select ?::int4 + 1, upper(?)";
    expect(row(connection, sql, 41, "it's"), List.of(42, "IT'S"));
  }

  private static void errorRecovery(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      expect(sqlstate(statement, "select 1/0"), "22012");
    }
    expect(row(connection, "select 'still here'"), List.of("still here"));
  }

  private static void cancel(Connection connection) throws Exception {
    List<Object> pid = row(connection, "select pg_backend_pid()");
    try (Statement statement = connection.createStatement();
        Connection observer = connect()) {
      Future<String> sleeping =
          THREADS.submit(() -> sqlstate(statement, "select pg_sleep(600)"));
      // A cancel before the backend is in pg_sleep could come too early.
      String sql =
          "select coalesce(wait_event, '') = 'PgSleep' from pg_stat_activity where pid = ?";
      while (!row(observer, sql, pid.get(0)).equals(List.of(true))) {}
      statement.cancel();
      expect(sleeping.get(), "57014");
    }
    expect(row(connection, "select pg_backend_pid()"), pid);
  }

  private static void manyRows(Connection connection) throws Exception {
    String source = "from generate_series(1, %d) as n".formatted(MANY_ROWS);
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    int count = 0;
    try (Statement statement = connection.createStatement();
        ResultSet rows =
            statement.executeQuery("select n, md5(n::text) " + source + " order by n")) {
      while (rows.next()) {
        count++;
        expect(rows.getInt(1), count);
        digest.update(rows.getBytes(2));
      }
    }
    expect(count, MANY_ROWS);
    String sql = "select encode(sha256(string_agg(md5(n::text), '' order by n)::bytea), 'hex') ";
    expect(
        row(connection, sql + source), List.of(HexFormat.of().formatHex(digest.digest())));
  }

  /**
   * Why a behaviour failed in a session of its own, or null. One past its deadline is left behind
   * on its own thread.
   */
  private static String failureOf(Behaviour behaviour) throws InterruptedException {
    Future<?> running =
        THREADS.submit(
            () -> {
              try (Connection connection = connect()) {
                behaviour.run(connection);
              }
              return null;
            });
    try {
      running.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
      return null;
    } catch (TimeoutException late) {
      return "not finished within %d s".formatted(DEADLINE_SECONDS);
    } catch (ExecutionException failed) {
      StringBuilder reasons = new StringBuilder();
      for (Throwable cause = failed.getCause(); cause != null; cause = cause.getCause()) {
        reasons.append(reasons.isEmpty() ? "" : " < ").append(cause);
      }
      return reasons.toString().replaceAll("\\s+", " ");
    }
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, Behaviour> behaviours = new LinkedHashMap<>();
    behaviours.put("current_user", Client::currentUser);
    behaviours.put("parameters", Client::parameters);
    behaviours.put("error_recovery", Client::errorRecovery);
    behaviours.put("cancel", Client::cancel);
    behaviours.put("many_rows", Client::manyRows);

    trustAdminEndpoint();
    registerToken();
    int failed = 0;
    for (Map.Entry<String, Behaviour> behaviour : behaviours.entrySet()) {
      String name = behaviour.getKey();
      String reason = failureOf(behaviour.getValue());
      failed += reason == null ? 0 : 1;
      System.out.println(reason == null ? "ok " + name : "not ok " + name + ": " + reason);
    }
    System.out.println(
        "%d passed, %d failed, 0 skipped".formatted(behaviours.size() - failed, failed));
    System.exit(failed == 0 ? 0 : 1);
  }
}
