# The demo's data: the simulator is deterministic, the converter reads what it says.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

sub slurp { local (@ARGV, $/) = grep { -e } @_; return @ARGV ? <> : '' }

sub spill
{
	my ($path, $content) = @_;
	open my $out, '>', $path or die "$path: $!";
	print $out $content;
	close $out;
}

# Run the converter on one log; returns what it printed and the events it wrote.
sub convert
{
	my ($log, %other) = @_;
	my ($from, $to) = (tempdir(CLEANUP => 1), tempdir(CLEANUP => 1));
	spill("$from/log.csv", $log);
	spill("$from/$_.csv", $other{$_}) for keys %other;
	my $printed = `demo/convert $from $to 2>&1`;
	return ($printed, slurp("$to/events.csv"), $to);
}

my @dirs = map { tempdir(CLEANUP => 1) } 1 .. 3;
system("demo/simulator --events 5000 --seed $_->[1] --end 1790000000 $dirs[$_->[0]]") == 0 or die
	for [ 0, 7 ], [ 1, 7 ], [ 2, 8 ];
for my $file (qw(items consents events))
{
	is(slurp("$dirs[0]/$file.csv"), slurp("$dirs[1]/$file.csv"), "$file: the same seed gives the same shop");
	isnt(slurp("$dirs[0]/$file.csv"), slurp("$dirs[2]/$file.csv"), "$file: another seed gives another");
}
is(scalar(split /\n/, slurp("$dirs[0]/events.csv")), 5001, 'as many events as asked for');

# CI&T Deskdrop: unix seconds, its own names, unordered
my ($printed, $events) = convert(<<'CSV');
timestamp,eventType,contentId,personId,sessionId,userAgent
1465413032,VIEW,-34,-88,12,"Mozilla, like ""Gecko"""
1465412560,COMMENT CREATED,889,-10,36,
CSV
my @lines = split /\n/, $events;
like($printed, qr/2 events of 2 users on 2 items, 2016-06-08 to 2016-06-08/, 'deskdrop is summed up');
like($printed, qr/shifted by [\d.]+ days/, 'and said to be shifted');
like($lines[1], qr/^-10,comment_created,889,,\d{4}-/, 'the earlier event comes first, names are normalised');
like($lines[2], qr/^-88,view_item,-34,,.*,12,"\{analytics/, 'quoted fields do no harm, everybody agrees');

# UCI Online Retail: no event column, cancellations, rows of nobody
($printed, $events, my $to) = convert(<<'CSV');
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,"HOLDER, ""WHITE""",6,2010-12-01 08:26:00,2.55,17850,United Kingdom
536366,85123A,HOLDER,1,2010-12-01 08:27:00,2.55,,United Kingdom
C536367,85123A,HOLDER,-2,2010-12-01 08:28:00,2.55,17850,United Kingdom
CSV
@lines = split /\n/, $events;
like($printed, qr/1 rows name no user: left out/, 'rows without a user are counted');
like($lines[1], qr/^17850,purchase,85123A,"\{""price"": 2\.55, ""quantity"": 6\}"/, 'a sale is a purchase');
like($lines[2], qr/^17850,refund,85123A,"\{""price"": 2\.55, ""quantity"": 2\}"/, 'a cancellation is a refund');
like(slurp("$to/items.csv"), qr/^85123A,HOLDER,,,2\.55,,$/m, 'the catalogue is taken from the log');

# Our own form, with consents beside it
my $now = time;
($printed, $events) = convert(<<"CSV", consents => "user_id,purposes,source\nada,{analytics},test\n");
user_id,event,item_id,properties,ts,session_id
ada,search,,"{""query"": ""red shoes""}",$now,s1
CSV
like($events, qr/^ada,search,,"\{""query"": ""red shoes""\}",[^,]*,s1,$/m, 'properties pass unchanged');
unlike($printed, qr/shifted|consent/, 'a log of today is not shifted, nobody is assumed to agree');

($printed) = convert("colour,shape\nred,round\n");
like($printed, qr/No file in .* has the columns user_id, item_id and ts/, 'an unknown log is refused with a hint');

done_testing();
