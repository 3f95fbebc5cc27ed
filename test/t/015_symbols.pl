# The library shows the server what it calls, and nothing else: a function of the
# same name in another library would be called instead of ours, or ours by it.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
my $script = abs_path(dirname(__FILE__) . '/../../personalize--0.1.0.sql');
chomp(my $directory = `$pg_config --pkglibdir`);
my @symbols = map { /^\S* *[A-Z] (\S+)$/ ? $1 : () } `nm -D --defined-only '$directory/personalize.so' 2>/dev/null`;

plan skip_all => 'there is no nm' if system('command -v nm >/dev/null 2>&1') != 0;

open my $file, '<', $script or die "$script: $!\n";
my %function = map { $_ => 1 } do { local $/; <$file> } =~ /AS '+MODULE_PATHNAME'+, '+(\w+)'/g;
close $file;
my %called = (
	%function,
	(map { ("pg_finfo_$_" => 1) } keys %function),
	map { $_ => 1 } qw(_PG_init Pg_magic_func LauncherMain WorkerMain PersonalizePartitionMain PersonalizeScrubMain));

is_deeply([ sort grep { !$called{$_} } @symbols ], [], 'no other symbol is exported');
my %exported = map { $_ => 1 } @symbols;
is_deeply([ sort grep { !$exported{$_} } keys %called ], [], 'and each of these is');
note scalar(@symbols) . ' symbols';
done_testing();
