import java.sql.*;
import java.util.Arrays;

/** JDBC against the SQL end. Usage: Sql PORT. Exits with 0 if everything is as it should be. */
public class Sql {
    static void same(Object found, Object expected) {
        if (!found.equals(expected)) throw new AssertionError(found + " instead of " + expected);
    }

    public static void main(String[] args) throws Exception {
        String base = "jdbc:mariadb://127.0.0.1:" + args[0] + "/shop?user=shop&password=se'cret";
        for (String options : new String[] {"", "&useServerPrepStmts=true", "&useSsl=true&trustServerCertificate=true",
                "&rewriteBatchedStatements=true"}) {
            try (Connection connection = DriverManager.getConnection(base + options)) {
                try (Statement statement = connection.createStatement()) {
                    statement.execute("DROP TABLE IF EXISTS j");
                    statement.execute("CREATE TABLE j (id INT PRIMARY KEY, name VARCHAR(20), body BLOB, big BIGINT UNSIGNED)");
                }
                try (PreparedStatement insert = connection.prepareStatement("INSERT INTO j VALUES (?, ?, ?, ?)")) {
                    for (int id = 1; id <= 3; id++) {
                        insert.setInt(1, id);
                        insert.setString(2, id == 2 ? null : "ä" + id);
                        insert.setBytes(3, new byte[] {-1, 0, 39});
                        insert.setLong(4, Long.MAX_VALUE);
                        insert.addBatch();
                    }
                    same(insert.executeBatch().length, 3);
                }
                connection.setAutoCommit(false);
                try (PreparedStatement delete = connection.prepareStatement("DELETE FROM j WHERE id > ?")) {
                    delete.setInt(1, 1);
                    same(delete.executeUpdate(), 2);
                }
                connection.rollback();
                connection.setAutoCommit(true);
                connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
                same(connection.getTransactionIsolation(), Connection.TRANSACTION_SERIALIZABLE);
                try (PreparedStatement select = connection.prepareStatement("SELECT * FROM j ORDER BY id");
                        ResultSet rows = select.executeQuery()) {
                    rows.next();
                    same(rows.getString("name"), "ä1");
                    same(Arrays.toString(rows.getBytes("body")), "[-1, 0, 39]");
                    same(rows.getLong("big"), Long.MAX_VALUE);
                    rows.next();
                    rows.getString(2);
                    same(rows.wasNull(), true);
                    rows.next();
                    same(rows.next(), false);
                }
                try (ResultSet tables = connection.getMetaData().getTables("shop", null, "j", null)) {
                    same(tables.next(), true);
                    same(tables.getString("TABLE_NAME"), "j");
                }
                same(connection.isValid(5), true);
            }
        }
        try (Connection connection = DriverManager.getConnection(base.replace("cret", "cured"))) {
            throw new AssertionError("a wrong password came in");
        } catch (SQLException e) {
            same(e.getErrorCode(), 1045);
        }
    }
}
