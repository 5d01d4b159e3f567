// mysql2 against the SQL end. Usage: sql.js PORT FOLDER-OF-MODULES. Exits with 0 if everything is as it should be.
const assert = require("assert");
const mysql = require(process.argv[3] + "/mysql2/promise");
const port = Number(process.argv[2]);

async function main() {
  const login = { host: "127.0.0.1", port, user: "shop", password: "se'cret", database: "shop" };
  for (const ssl of [undefined, { rejectUnauthorized: false }]) {
    const connection = await mysql.createConnection({ ...login, ssl });
    await connection.query("DROP TABLE IF EXISTS n");
    await connection.query("CREATE TABLE n (id INT PRIMARY KEY, name VARCHAR(20), body BLOB, big BIGINT UNSIGNED)");
    const [inserted] = await connection.execute("INSERT INTO n VALUES (?, ?, ?, ?), (?, ?, ?, ?)", [
      1, "ä", Buffer.from([255, 0, 39]), "18446744073709551615", 2, null, null, 0,
    ]);
    assert.strictEqual(inserted.affectedRows, 2);
    for (const way of ["query", "execute"]) {
      const [rows] = await connection[way]("SELECT name, body FROM n WHERE id = ?", [1]);
      assert.deepStrictEqual({ ...rows[0] }, { name: "ä", body: Buffer.from([255, 0, 39]) });
    }
    await connection.beginTransaction();
    await connection.query("DELETE FROM n");
    await connection.rollback();
    const [[{ count }]] = await connection.query("SELECT COUNT(*) AS count FROM n");
    assert.strictEqual(count, 2);
    await connection.changeUser({ user: "other", password: "words", database: "shop" });
    const [[{ who }]] = await connection.query("SELECT CURRENT_USER() AS who");
    assert.strictEqual(who, "other@%");
    await assert.rejects(connection.query("DELETE FROM n"), { errno: 1142 });
    await connection.end();
  }
  const pool = mysql.createPool({ ...login, connectionLimit: 3 });
  const answers = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => pool.query("SELECT ? + 1 AS n", [n])));
  assert.deepStrictEqual(answers.map(([[row]]) => row.n), [2, 3, 4, 5, 6, 7]);
  await pool.end();
  await assert.rejects(mysql.createConnection({ ...login, password: "wrong" }), { errno: 1045 });
}
main().catch((error) => { console.error(error); process.exit(1); });
