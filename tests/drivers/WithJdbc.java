// pgJDBC: simple and extended queries, server-side prepares from the first use, fetch sizes, batches, COPY.
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public class WithJdbc {
    static void show(String name, Object value) { System.out.println(name + ": " + value); }

    static String rows(ResultSet found) throws SQLException {
        StringBuilder out = new StringBuilder();
        int columns = found.getMetaData().getColumnCount();
        while (found.next()) {
            for (int i = 1; i <= columns; i++)
                out.append(found.getString(i)).append('|');
            out.append(';');
        }
        found.close();
        return out.toString();
    }

    static String ask(Connection db, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++)
                statement.setObject(i + 1, values[i]);
            return statement.execute() ? rows(statement.getResultSet()) : "" + statement.getUpdateCount();
        }
    }

    static void run(String url) throws Exception {
        try (Connection db = DriverManager.getConnection(url, "postgres", "")) {
            for (int i = 0; i < 7; i++) {
                show("all", ask(db, "select * from things order by id"));
                for (int id : new int[] {1, 2, 99})
                    show("one", ask(db, "select name, price from things where id = ?", id));
            }
            try (Statement statement = db.createStatement()) {
                for (int i = 0; i < 3; i++)
                    show("statement", rows(statement.executeQuery("select label from parts where thing_id = 1 order by id")));
            }
            db.setAutoCommit(false);
            show("insert", ask(db, "insert into notes (t) values (?)", "kept"));
            show("own write", ask(db, "select t from notes"));
            db.commit();
            ask(db, "update notes set t = 'lost'");
            db.rollback();
            show("rolled back", ask(db, "select t from notes"));
            db.commit();
            try {
                ask(db, "insert into things (id, name) values (1, 'x')");
            } catch (SQLException error) {
                show("duplicate", error.getSQLState());
            }
            try {
                ask(db, "select 1");
            } catch (SQLException error) {
                show("failed block", error.getSQLState());
            }
            db.rollback();
            Savepoint savepoint = db.setSavepoint();
            ask(db, "insert into notes (t) values ('inner')");
            db.rollback(savepoint);
            db.commit();
            try (PreparedStatement statement = db.prepareStatement("select g from generate_series(1, 1000) g")) {
                statement.setFetchSize(100);
                ResultSet found = statement.executeQuery();
                int total = 0;
                while (found.next())
                    total += found.getInt(1);
                show("pieces", total);
            }
            try (PreparedStatement statement = db.prepareStatement("insert into notes (t) values (?)")) {
                for (int i = 0; i < 50; i++) {
                    statement.setString(1, "" + i);
                    statement.addBatch();
                }
                show("batch", statement.executeBatch().length);
            }
            CopyManager copy = db.unwrap(PGConnection.class).getCopyAPI();
            show("copied in", copy.copyIn("copy notes (t) from stdin", new StringReader("a\nb\n")));
            StringWriter out = new StringWriter();
            copy.copyOut("copy (select t from notes order by t) to stdout", out);
            show("copied out", out.toString().length());
            db.commit();
            db.setAutoCommit(true);
            ask(db, "set timezone to 'Asia/Tokyo'");
            show("at", ask(db, "select at::text from things where id = 1"));
            ask(db, "reset timezone");
            db.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            show("isolation", ask(db, "show transaction_isolation"));
            db.setReadOnly(true);
            show("read only", ask(db, "select name from things where id = 1"));
            db.setReadOnly(false);
            db.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
            show("delete", ask(db, "delete from notes"));
        }
    }

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/" + arguments[1] + "?sslmode=disable";
        for (String options : new String[] {"", "&preferQueryMode=simple", "&prepareThreshold=1", "&prepareThreshold=0",
                                            "&binaryTransfer=false", "&reWriteBatchedInserts=true", "&autosave=always"})
            run(url + options);
    }
}
