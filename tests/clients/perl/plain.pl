# What an application does through Cache::Memcached. Usage: plain.pl PORT. The exit status is 0 when every answer was right.
use strict;
use warnings;
use utf8;

use Cache::Memcached;
use Encode qw(encode decode);
use Time::HiRes qw(sleep time);

use constant PATIENCE => 20;

my $port = shift // die "usage: $0 PORT\n";
my $memd = Cache::Memcached->new({ servers => ["127.0.0.1:$port"], compress_threshold => 100_000, select_timeout => PATIENCE });
$| = 1;

sub same($$$) {
    my ($got, $wanted, $what) = @_;
    $got    = 'undef' unless defined $got;
    $wanted = 'undef' unless defined $wanted;
    return if $got eq $wanted;
    die sprintf "%s: wanted '%.100s', got '%.100s'\n", $what, $wanted, $got;
}

my $all = join '', map { chr } 0 .. 255;
for my $value ('hello', '', "\0\r\n\xff END\r\n", $all x 300, $all x 4000) {
    same($memd->set('value', $value), 1,      'set');
    same($memd->get('value'),         $value, 'get');
}
same($memd->get('nothing'), undef, 'get of nothing');
same($memd->set(encode('UTF-8', 'schön'), encode('UTF-8', 'grüß 🔑')), 1, 'set of text');
same(decode('UTF-8', $memd->get(encode('UTF-8', 'schön'))), 'grüß 🔑', 'get of text');
same($memd->set('deep', { list => [1, 'zwei'], n => -2.5 }), 1, 'set of a structure');
my $deep = $memd->get('deep');
same(join('|', ref $deep, @{ $deep->{list} }, $deep->{n}), 'HASH|1|zwei|-2.5', 'get of a structure');

same($memd->replace('co', 'a'), '', 'replace of nothing');
same($memd->append('co', 'a'),  '', 'append to nothing');
same($memd->add('co', 'm'),     1,  'add');
same($memd->add('co', 'n'),     '', 'add again');
same($memd->append('co', 'z'),  1,  'append');
same($memd->prepend('co', 'a'), 1,  'prepend');
same($memd->get('co'),     'amz', 'get after append');
same($memd->delete('co'),  1,     'delete');
same($memd->delete('co'),  '',    'delete again');

# incr and decr of nothing answer undef or the empty string, by the release.
same($memd->incr('n') // '', '', 'incr of nothing');
same($memd->set('n', 10), 1,  'set');
same($memd->incr('n', 5), 15, 'incr');
same($memd->decr('n', 16) + 0, 0, 'decr below 0');
same($memd->incr('n', 4294967296), 4294967296, 'incr over 32 bits');

my %items = map { ("many-$_" => "value $_") } 1 .. 1000;
same($memd->set($_, $items{$_}), 1, 'set of many') for sort keys %items;
my $got = $memd->get_multi(keys %items, 'nothing');
same(join(',', map { "$_=$got->{$_}" } sort keys %$got), join(',', map { "$_=$items{$_}" } sort keys %items), 'get_multi');

same($memd->set('short', 'x', 1),    1, 'set for a second');
same($memd->set('long',  'x', 1000), 1, 'set for long');
my $end = time + PATIENCE;
while (defined $memd->get('short')) {
    die "nothing expires\n" if time > $end;
    sleep 0.05;
}
same($memd->get('long'), 'x', 'get of what lives on');

# The server goes away and comes back with what it said it had stored.
same($memd->set('survivor', 'still here'), 1, 'set before the restart');
print "restart\n";
<STDIN>;
$end = time + PATIENCE;
until (($memd->get('survivor') // '') eq 'still here') {
    die "nothing after the restart\n" if time > $end;
    sleep 0.02;
    # It leaves a server alone for some seconds that it could not reach.
    $memd->forget_dead_hosts;
}

die "no statistics\n" unless exists $memd->stats->{hosts}{"127.0.0.1:$port"}{misc}{cmd_get};
same($memd->flush_all, 1, 'flush_all');
same($memd->get('long'), undef, 'get after flush_all');
