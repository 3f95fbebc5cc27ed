# The decoders of consent strings survive what is not a consent string.
#
# test/fuzz runs them outside the server, under sanitizers where the compiler has
# them, with the same inputs each time.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp;
use Test::More;

my $fuzz = dirname(abs_path(__FILE__)) . '/../fuzz';
my $out = File::Temp->newdir;
my $cc = $ENV{CC} || 'cc';

plan skip_all => "there is no compiler $cc" if system("command -v $cc >/dev/null 2>&1") != 0;

# True if the compiler makes programs with these flags, and they run.
sub compiles
{
	my ($flags) = @_;
	open my $file, '>', "$out/try.c" or die "$out/try.c: $!\n";
	print $file "int main(void) { return 0; }\n";
	close $file;
	return system("$cc $flags -o $out/try $out/try.c >/dev/null 2>&1 && $out/try") == 0;
}

my $sanitize = '-fsanitize=address,undefined -fno-sanitize-recover=undefined';
$sanitize = '' unless compiles($sanitize);
note $sanitize ? "with $sanitize" : 'without sanitizers';

# where a container forbids ptrace, looking for leaks fails; nothing is allocated anyway
local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
my $result = `make -s -C '$fuzz' standalone CC='$cc' SANITIZE='$sanitize' OUT='$out' ROUNDS=400 2>&1`;
is($?, 0, 'no input crashes a decoder, makes it read too far or breaks an invariant') or diag($result);
like($result, qr/^\d+ seeds, \d{5,} inputs$/m, 'the inputs were tried');
note $result;
done_testing();
