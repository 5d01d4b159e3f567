<?php
// What an application does through PHP's memcached extension. Usage: roundtrip.php PORT. The exit status is 0 when every answer was right.
const PATIENCE = 20;

function same($got, $wanted, string $what): void
{
    if ($got !== $wanted) {
        $show = fn($value) => substr(var_export($value, true), 0, 100);
        fwrite(STDERR, "$what: wanted {$show($wanted)}, got {$show($got)}\n");
        exit(1);
    }
}

function client(int $port, array $options = []): Memcached
{
    $client = new Memcached();
    $client->setOptions($options + [Memcached::OPT_COMPRESSION => false]);
    $client->addServer('127.0.0.1', $port);
    return $client;
}

$port = (int) $argv[1];
$client = client($port);

// Values, and what the extension keeps in the flags: types.
$all = implode('', array_map('chr', range(0, 255)));
foreach (['hello', '', "\0\r\n\xff END\r\n", str_repeat($all, 4000), 42, -1, 2.5, true, ['a' => [1, null, 'ä']]] as $value) {
    same($client->set('value', $value), true, 'set');
    same($client->get('value'), $value, 'get');
}
same($client->set('text', 'grüß 🔑'), true, 'set of text');
same($client->get('text'), 'grüß 🔑', 'get of text');
same($client->get('nothing'), false, 'get of nothing');
same($client->getResultCode(), Memcached::RES_NOTFOUND, 'result of a miss');
$packed = client($port, [Memcached::OPT_COMPRESSION => true]);
same($packed->set('packed', str_repeat('text ', 50000)), true, 'set of a compressed value');
same($packed->get('packed'), str_repeat('text ', 50000), 'get of a compressed value');
same($client->set('large', str_repeat('x', (1 << 20) + 1)), false, 'set of too much');

// Conditions.
same($client->replace('co', 'a'), false, 'replace of nothing');
same($client->append('co', 'a'), false, 'append to nothing');
same($client->add('co', 'm'), true, 'add');
same($client->add('co', 'n'), false, 'add again');
same($client->append('co', 'z'), true, 'append');
same($client->prepend('co', 'a'), true, 'prepend');
same($client->get('co'), 'amz', 'get after append');
same($client->delete('co'), true, 'delete');
same($client->delete('co'), false, 'delete again');

// cas.
$client->set('cas', 'a');
$cas = $client->get('cas', null, Memcached::GET_EXTENDED)['cas'];
same($client->cas($cas, 'cas', 'b'), true, 'cas');
same($client->cas($cas, 'cas', 'c'), false, 'cas with an old number');
same($client->getResultCode(), Memcached::RES_DATA_EXISTS, 'result of a cas with an old number');
same($client->get('cas'), 'b', 'get after cas');

// Counters.
same($client->increment('n'), false, 'increment of nothing');
$client->set('n', 10);
same($client->increment('n', 5), 15, 'increment');
same($client->decrement('n', 16), 0, 'decrement below 0');
same($client->increment('n', 4294967296), 4294967296, 'increment over 32 bits');

// Many keys in one request.
$items = [];
for ($i = 0; $i < 1000; $i++) {
    $items["many-$i"] = "value $i";
}
same($client->setMulti($items), true, 'setMulti');
$got = $client->getMulti(array_merge(array_keys($items), ['nothing']), Memcached::GET_PRESERVE_ORDER);
same(array_filter($got, fn($value) => $value !== null), $items, 'getMulti');
same(array_unique($client->deleteMulti(array_keys($items))), ['many-0' => true], 'deleteMulti');
same($client->getMulti(array_keys($items)), [], 'getMulti after deleteMulti');

// Expiry.
$client->set('short', 'x', 1);
$client->set('long', 'x', 1000);
$client->set('touched', 'x', 1000);
same($client->touch('touched', 1), true, 'touch');
same($client->touch('nothing', 1), false, 'touch of nothing');
$end = microtime(true) + PATIENCE;
while ($client->getMulti(['short', 'touched']) !== []) {
    if (microtime(true) > $end) {
        same('alive', 'expired', 'expiry');
    }
    usleep(50000);
}
same($client->get('long'), 'x', 'get of what lives on');

// Requests that are collected and sent together.
$buffered = client($port, [Memcached::OPT_BUFFER_WRITES => true, Memcached::OPT_NOREPLY => true]);
for ($i = 0; $i < 1000; $i++) {
    $buffered->set("quiet-$i", $i);
}
$buffered->flushBuffers();
$buffered->quit();
same($client->getMulti(['quiet-0', 'quiet-999']), ['quiet-0' => 0, 'quiet-999' => 999], 'get after noreply');

// The server goes away and comes back with what it said it had stored.
same($client->set('survivor', 'still here'), true, 'set before the restart');
echo "restart\n";
fgets(STDIN);
$end = microtime(true) + PATIENCE;
while ($client->get('survivor') !== 'still here') {
    if (microtime(true) > $end) {
        same($client->getResultMessage(), 'SUCCESS', 'get after the restart');
    }
    usleep(20000);
}

same(count($client->getVersion()), 1, 'version');
same($client->flush(), true, 'flush');
same($client->get('long'), false, 'get after flush');
