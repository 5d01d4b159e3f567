# What an application does through Cache::Memcached::Fast. Usage: roundtrip.pl PORT. The exit status is 0 when every answer was right.
use strict;
use warnings;
use utf8;

use Cache::Memcached::Fast;
use Time::HiRes qw(sleep time);

use constant { PATIENCE => 20, MIB => 1 << 20 };

my $port = shift // die "usage: $0 PORT\n";
my %servers = (servers => ["127.0.0.1:$port"], io_timeout => PATIENCE, connect_timeout => PATIENCE);
my $memd = Cache::Memcached::Fast->new({ %servers, utf8 => 1, max_size => 2 * MIB });
# Without utf8 and without compression a value is the bytes that it is.
my $bytes = Cache::Memcached::Fast->new({ %servers, max_size => 2 * MIB });

# The prototype asks for scalars: a miss in list context is an empty list.
sub same($$$) {
    my ($got, $wanted, $what) = @_;
    $got    = 'undef' unless defined $got;
    $wanted = 'undef' unless defined $wanted;
    return if $got eq $wanted;
    die sprintf "%s: wanted '%.100s', got '%.100s'\n", $what, $wanted, $got;
}

# Values, and what the client keeps in the flags: references and text.
my $all = join '', map { chr } 0 .. 255;
for my $value ('hello', '', "\0\r\n\xff END\r\n", $all x (MIB / 256)) {
    same($bytes->set('value', $value), 1,      'set');
    same($bytes->get('value'),         $value, 'get');
}
same($memd->get('nothing'), undef, 'get of nothing');
same($memd->set('schön', 'grüß 🔑'), 1,            'set of text');
same($memd->get('schön'),            'grüß 🔑',     'get of text');
same($memd->set('deep', { list => [1, 'zwei', undef], n => -2.5 }), 1, 'set of a structure');
my $deep = $memd->get('deep');
same(join('|', ref $deep, @{ $deep->{list} }[0, 1], $deep->{n}), 'HASH|1|zwei|-2.5', 'get of a structure');

# Conditions.
same($memd->replace('co', 'a'), '', 'replace of nothing');
same($memd->append('co', 'a'),  '', 'append to nothing');
same($memd->add('co', 'm'),     1,  'add');
same($memd->add('co', 'n'),     '', 'add again');
same($memd->append('co', 'z'),  1,  'append');
same($memd->prepend('co', 'a'), 1,  'prepend');
same($memd->get('co'), 'amz', 'get after append');
same($memd->delete('co'), 1,  'delete');
same($memd->delete('co'), '', 'delete again');

# cas.
same($memd->set('cas', 'a'), 1, 'set');
my $found = $memd->gets('cas');
same($found->[1], 'a', 'gets');
same($memd->cas('cas', $found->[0], 'b'), 1,  'cas');
same($memd->cas('cas', $found->[0], 'c'), '', 'cas with an old number');
same($memd->get('cas'), 'b', 'get after cas');
same($memd->cas('cas-none', $found->[0], 'c'), '', 'cas of nothing');

# Counters. A missing key is the empty string, 0 is '0E0'.
same($memd->incr('n'), '', 'incr of nothing');
same($memd->set('n', 10), 1, 'set');
same($memd->incr('n', 5), 15, 'incr');
same($memd->decr('n', 16), '0E0', 'decr below 0');
same($memd->incr('n', 4294967296), 4294967296, 'incr over 32 bits');

# Many keys in one request.
my %items = map { ("many-$_" => "value $_") } 1 .. 1000;
same(scalar(grep { $_ } values %{ $memd->set_multi(map { [$_, $items{$_}] } sort keys %items) }), 1000, 'set_multi');
my $got = $memd->get_multi(keys %items, 'nothing');
same(join(',', map { "$_=$got->{$_}" } sort keys %$got), join(',', map { "$_=$items{$_}" } sort keys %items), 'get_multi');
same(scalar(grep { $_ } values %{ $memd->delete_multi(keys %items) }), 1000, 'delete_multi');
same(scalar(keys %{ $memd->get_multi(keys %items) }), 0, 'get_multi after delete_multi');

# Expiry.
same($memd->set('short',   'x', 1),    1, 'set for a second');
same($memd->set('long',    'x', 1000), 1, 'set for long');
same($memd->set('touched', 'x', 1000), 1, 'set for long');
same($memd->touch('touched', 1), 1,  'touch');
same($memd->touch('nothing', 1), '', 'touch of nothing');
my $end = time + PATIENCE;
while (%{ $memd->get_multi('short', 'touched') }) {
    die "nothing expires\n" if time > $end;
    sleep 0.05;
}
same($memd->get('long'), 'x', 'get of what lives on');

# In void context this one asks for no reply; a reply that came all the same would be taken for the next one's.
my $quiet = Cache::Memcached::Fast->new({ %servers, nowait => 1 });
$quiet->set("quiet-$_", $_) for 1 .. 1000;
$quiet->incr('quiet-1', 41);
$quiet->delete('quiet-2');
$quiet->nowait_push;
$got = $quiet->get_multi('quiet-1', 'quiet-2', 'quiet-1000');
same(join(',', map { "$_=$got->{$_}" } sort keys %$got), 'quiet-1=42,quiet-1000=1000', 'get after noreply');

# The server goes away and comes back with what it said it had stored.
$| = 1;
same($memd->set('survivor', 'still here'), 1, 'set before the restart');
print "restart\n";
<STDIN>;
$end = time + PATIENCE;
until (($memd->get('survivor') // '') eq 'still here') {
    die "nothing after the restart\n" if time > $end;
    sleep 0.02;
}

die "no version\n" unless values %{ $memd->server_versions };
same((values %{ $memd->flush_all })[0], 1, 'flush_all');
same($memd->get('long'), undef, 'get after flush_all');
