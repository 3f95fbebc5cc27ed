# Packed rows that are damaged on disk: an error that names table and key, and
# never a crash, whoever reads them.
#
# The faults are the same each time; PERSONALIZE_FUZZ is how many states each
# decoder is given (60,000 say, on a server with assertions), PERSONALIZE_SEED
# makes others.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $states = $ENV{PERSONALIZE_FUZZ} || 1500;
my $seed = ($ENV{PERSONALIZE_SEED} // 500) % 1000 / 1000;
my $damage = dirname(abs_path(__FILE__)) . '/../fuzz/damage.sql';

my $node = new_node('main', preload => 0, conf => "log_min_messages = error\n");
make_shop($node, 'shop');
$node->safe_psql('shop', slurp_file($damage));
# panes that keep more than counts and sums
$node->safe_psql('shop', q{SELECT personalize.create_signal('kept', NULL, 'none', value_path => 'properties.price', aggregates => '{min,max,first,last,distinct}')});
for (1 .. 6)
{
	traffic($node, 'shop', 1, 200);
	$node->safe_psql('shop', 'SELECT damage.browse(80); SELECT personalize.rollup_now()');
}
$node->safe_psql('shop', 'INSERT INTO damage.seed TABLE damage.packed');
# retention and the processors have something to do with the rows
$node->safe_psql('shop', "SELECT count(personalize.set_retention(k, '1 day')) FROM unnest(ARRAY['profile', 'session']) k");
$node->safe_psql('shop', 'SELECT damage.browse(40)');
note $node->safe_psql('shop', 'SELECT kind, count(*), max(length(bytes)) FROM damage.seed GROUP BY 1 ORDER BY 1');

# Run a function of damage.sql, so often; one session for all, so that a crash tells where.
sub fuzz
{
	my ($call, $times) = @_;
	my ($status, $out, $error) = $node->psql('shop',
		"SET client_min_messages = error; SET personalize.purpose = 'personalization'; SELECT setseed($seed) \\g /dev/null\n"
		  . "SELECT * FROM damage.$call;\n" x ($times // 1),
		timeout => 3600);
	is($status, 0, "$call: the server lives") or diag($error);
	return map { [ split /\|/, $_, -1 ] } split /\n/, $out;
}

# A state that was read although it was damaged (some faults hit nothing), refused as
# damaged or of another version, with sums that overflow, or too little to tune with.
my %clean = map { $_ => 1 } qw(00000 UUUUU XX001 0A000 22003 55000);

for my $kind (qw(posting session recent features))
{
	my @ends = fuzz("decode_all('$kind', $states)");
	# taking away what is not there is an error of its own
	my @bad = grep { !$clean{ $_->[0] } && $_->[1] ne 'feature state does not contain what is to be taken from it' } @ends;
	is_deeply(\@bad, [], "$kind: nothing but clean errors");
	note join "\n", map { join ' | ', @$_ } @ends;
	my ($damaged) = grep { $_->[0] eq 'XX001' && $_->[1] =~ /\b17\b/ } @ends;
	ok($damaged && $damaged->[2] > $states / 10, "$kind: damage is told, with the key");
}

for my $kind (qw(posting session recent features))
{
	# each reader once in a transaction: more would only leave dead rows to read
	my @ends = fuzz("read_all('$kind')", 1 + int($states / 10000));
	my @bad = grep { !$clean{ $_->[1] } || ($_->[1] =~ /^(XX001|0A000)$/ && $_->[2] ne 'named') } @ends;
	is_deeply(\@bad, [], "rows of $kind: nothing but errors that name them");
	note join "\n", map { join ' | ', @$_ } @ends;
}
# nothing of all this stays
$node->safe_psql('shop', 'SELECT personalize.rollup_now()');
is($node->safe_psql('shop', 'SELECT * FROM recompute.differences() LIMIT 10'), '', 'undamaged, everything is exact');

done_testing();
