<?php
// mysqli and PDO against the SQL end. Usage: sql.php PORT SOCKET. Exits with 0 if everything is as it should be.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
function same($found, $expected) {
    if ($found !== $expected) {
        throw new Exception(var_export($found, true) . ' instead of ' . var_export($expected, true));
    }
}
[, $port, $socket] = $argv;
foreach ([['127.0.0.1', (int)$port, null, 0], ['127.0.0.1', (int)$port, null, MYSQLI_CLIENT_SSL], [null, 0, $socket, 0]] as [$host, $tcp, $unix, $flags]) {
    $db = mysqli_init();
    $db->options(MYSQLI_OPT_SSL_VERIFY_SERVER_CERT, false);
    $db->real_connect($host, 'shop', "se'cret", 'shop', $tcp, $unix, $flags | ($flags ? MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT : 0));
    $db->set_charset('utf8mb4');
    $db->query('DROP TABLE IF EXISTS p');
    $db->query('CREATE TABLE p (id INT PRIMARY KEY, name VARCHAR(20), body BLOB)');
    $statement = $db->prepare('INSERT INTO p VALUES (?, ?, ?)');
    foreach ([[1, 'ä', "\xff\0'"], [2, null, null]] as $row) {
        $statement->execute($row);
    }
    same($db->query('SELECT * FROM p ORDER BY id')->fetch_all(), [['1', 'ä', "\xff\0'"], ['2', null, null]]);
    $db->begin_transaction();
    $db->query('DELETE FROM p');
    // The transaction of the user before is rolled back.
    same($db->change_user('other', 'words', 'shop'), true);
    same($db->query('SELECT CURRENT_USER(), COUNT(*) FROM p')->fetch_row(), ['other@%', '2']);
    try {
        $db->change_user('shop', 'wrong', 'shop');
        same('came in', '');
    } catch (mysqli_sql_exception $e) {
        same($e->getCode(), 1045);
    }
}
$pdo = new PDO("mysql:host=127.0.0.1;port=$port;dbname=shop;charset=utf8mb4", 'shop', "se'cret", [PDO::ATTR_EMULATE_PREPARES => false]);
$statement = $pdo->prepare('SELECT name FROM p WHERE id = ?');
$statement->execute([1]);
same($statement->fetchAll(PDO::FETCH_COLUMN), ['ä']);
