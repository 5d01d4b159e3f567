# A get of a container whose table was dropped, through Cache::Memcached, which waits for END. Usage: dropped.pl PORT KEY. The exit status is
# 0 when it was a miss that nobody waited for.
use strict;
use warnings;

use Cache::Memcached;
use Time::HiRes qw(time);

use constant PATIENCE => 30;

my ($port, $key) = @ARGV;
my $memd = Cache::Memcached->new({ servers => ["127.0.0.1:$port"], select_timeout => PATIENCE });
my $start = time;
my $got = $memd->get($key);
die "wanted nothing, got '$got'\n" if defined $got;
die "it waited for its whole time-out\n" if time - $start >= PATIENCE;
# The connection still is one: a dead one would be left alone for a while.
die "no connection any more\n" unless $memd->set('@@default.after', 'x') && $memd->get('@@default.after') eq 'x';
