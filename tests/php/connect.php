<?php
// What phpredis and Predis do first: connect, write and read a value, look for a key that is not there.
//
// Recorded by tests/connect.rs. The password comes from REDIS_PASSWORD.

[$program, $client, $port] = $argv;
$password = getenv('REDIS_PASSWORD');
if ($client === 'phpredis') {
    $redis = new Redis();
    $redis->connect('127.0.0.1', (int) $port);
    $redis->auth($password);
    $redis->select(1);
} else {
    require '/usr/share/php/Predis/autoload.php';
    Predis\Autoloader::register();
    $redis = new Predis\Client(
        ['host' => '127.0.0.1', 'port' => $port, 'password' => $password, 'database' => 1],
    );
}
$redis->set('connect:key', 'PLAINTEXT-MARKER');
if ($redis->get('connect:key') !== 'PLAINTEXT-MARKER') {
    exit(1);
}
// phpredis says false where Predis says null.
if ($redis->get('connect:none')) {
    exit(1);
}
