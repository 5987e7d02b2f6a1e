<?php
// pdo_pgsql: prepared at the server and emulated, transactions, COPY.
[, $port, $database] = $argv;
$db = new PDO("pgsql:host=127.0.0.1;port=$port;dbname=$database", 'postgres', '', [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
function show($name, $value) { echo $name, ': ', json_encode($value, JSON_UNESCAPED_UNICODE), "\n"; }
function rows($db, $sql, $values = [], $options = []) {
    $statement = $db->prepare($sql, $options);
    $statement->execute($values);
    return $statement->fetchAll(PDO::FETCH_NUM);
}
for ($i = 0; $i < 3; $i++) {
    show('all', rows($db, 'select id, name, price, flag, made, at, tags, doc, key from things order by id'));
    foreach ([1, 2, 99] as $id) {
        show('one', rows($db, 'select name, price from things where id = ?', [$id]));
        show('emulated', rows($db, 'select name from things where id = :id', ['id' => $id], [PDO::ATTR_EMULATE_PREPARES => true]));
        show('unnamed', rows($db, 'select name from things where id = ?', [$id], [PDO::PGSQL_ATTR_DISABLE_PREPARES => true]));
    }
    show('query', $db->query('select label from parts order by id')->fetchAll(PDO::FETCH_COLUMN));
}
$db->beginTransaction();
rows($db, 'insert into notes (t) values (?)', ['kept']);
show('own write', rows($db, 'select t from notes'));
$db->commit();
$db->beginTransaction();
$db->exec("update notes set t = 'lost'");
$db->rollBack();
show('rolled back', rows($db, 'select t from notes'));
try { $db->exec("insert into things (id, name) values (1, 'x')"); } catch (PDOException $e) { show('duplicate', $e->getCode()); }
$db->pgsqlCopyFromArray('notes', ["1000001\ta", "1000002\tb"]);
show('copied', $db->pgsqlCopyToArray('(select t from notes order by t)'));
$db->exec("set timezone to 'Asia/Tokyo'");
show('at', rows($db, 'select at from things where id = 1'));
$db->exec('reset timezone');
show('delete', $db->exec('delete from notes'));
