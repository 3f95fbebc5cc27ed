# A database of any encoding that a server has: the extension is created, works,
# and gives everybody the same key.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PersonalizeTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('node', conf => "fsync = off\npersonalize.databases = 'none'\n");
my $script = slurp_file($node->safe_psql('postgres', q{SELECT setting FROM pg_config() WHERE name = 'SHAREDIR'})
	  . '/extension/personalize--' . $node->safe_psql('postgres', q{SELECT default_version FROM pg_available_extensions WHERE name = 'personalize'}) . '.sql');
unlike($script, qr/[^\x00-\x7f]/, 'the install script is ASCII, which all encodings have');

# A letter that an encoding has, if it is not one of Western Europe's.  The server
# does not convert between MULE_INTERNAL and UTF-8.
my %letter = (
	(map { $_ => 'あ' } qw(EUC_JP EUC_JIS_2004)), (map { $_ => '中' } qw(EUC_CN EUC_TW)), EUC_KR => '한',
	(map { $_ => 'ж' } qw(KOI8R KOI8U WIN1251 WIN866 ISO_8859_5)), ISO_8859_6 => 'ش', WIN1256 => 'ش', ISO_8859_7 => 'λ', WIN1253 => 'λ',
	ISO_8859_8 => 'ש', WIN1255 => 'ש', WIN874 => 'ก', WIN1258 => 'ê', MULE_INTERNAL => 'a');

my $sql = <<'SQL';
SET client_encoding = 'CLIENT';
SET client_min_messages = error;
CREATE EXTENSION personalize;
SELECT personalize.track('LETTER', 'search', properties => '{"query": "LETTER"}', consent => '{analytics,personalization,recommendations}');
SELECT personalize.track('LETTER', 'view_item', 'LETTER');
SELECT count(*) FROM personalize.rollup_now();
SELECT user_key = personalize.user_key('LETTER'), personalize.user_key('LETTER') FROM personalize.event LIMIT 1;
SELECT item_id FROM personalize.recent('LETTER', purpose => 'personalization');
SELECT DISTINCT value FROM personalize.features('LETTER', purpose => 'personalization') WHERE signal = 'search_term';
SELECT count(*) FROM personalize.health() WHERE NOT ok AND "check" <> 'workers';
SELECT count(*) FROM personalize.security_check() WHERE "check" NOT IN ('roles', 'owner role', 'above row security') AND NOT ok;
SQL

sub answers
{
	my ($database, $letter) = @_;
	my $client = $letter =~ /[^\x00-\x7f]/ ? 'UTF8' : 'SQL_ASCII';

	(my $text = $sql) =~ s/LETTER/$letter/g;
	$text =~ s/CLIENT/$client/;
	my ($code, $out, $error) = $node->psql($database, $text);
	return $code == 0 ? $out : $error;
}

my @encodings = split /\n/, $node->safe_psql('postgres',
	q{SELECT pg_encoding_to_char(n) FROM generate_series(0, 60) n
	WHERE pg_encoding_to_char(n) NOT IN ('', 'SJIS', 'BIG5', 'GBK', 'UHC', 'GB18030', 'JOHAB', 'SHIFT_JIS_2004') ORDER BY n});	# the rest is for clients only
cmp_ok(scalar(@encodings), '>', 30, 'the server has many encodings');
my %expected;
for my $encoding (@encodings)
{
	my $letter = $letter{$encoding} // 'ä';

	if (!exists $expected{$letter})
	{
		$node->safe_psql('postgres', "CREATE DATABASE utf8 TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
		$expected{$letter} = answers('utf8', $letter);
		$node->safe_psql('postgres', 'DROP DATABASE utf8');
	}
	$node->safe_psql('postgres', "CREATE DATABASE other TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	is(answers('other', $letter), $expected{$letter}, "$encoding, with $letter");
	$node->safe_psql('postgres', 'DROP DATABASE other');
}

# Texts of which ICU does not know a character of the encoding, or whose small letters the encoding
# has not, or that have no Unicode: they are searched and counted, and found without case and accents.
my @text = (
	[ EUC_KR => 'NIKE® 50€ 한', 'nike 50' ], [ EUC_KR => "\xe2\x84\xab Hat", 'hat' ],
	[ EUC_KR => q{' || E'\\xc9\\xa1' || ' Hat}, 'HAT', 'hat' ],
	[ EUC_JP => 'İSTANBUL ¦', 'istanbul' ], [ EUC_JP => 'Ģ Ñandú', 'nandu' ], [ EUC_CN => 'Ⅻ 中 Hat', 'Ⅻ hat' ],
	(map { [ $_ => 'İSTANBUL', 'istanbul' ] } qw(LATIN3 LATIN5 WIN1254 UTF8)), (map { [ $_ => 'Müller', 'MULLER' ] } qw(LATIN1 WIN1252 UTF8)));
for my $case (@text)
{
	my ($encoding, $text, $query, $asked) = (@$case, $$case[1]);

	$node->safe_psql('postgres', "CREATE DATABASE other TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	my (undef, $out, $error) = $node->psql('other', <<"SQL");
SET client_encoding = 'UTF8';
SET client_min_messages = error;
CREATE EXTENSION personalize;
\\o /dev/null
SELECT personalize.upsert_items(jsonb_build_array(jsonb_build_object('item_id', 'sought', 'title', '$text')));
SELECT personalize.track('ann', 'search', properties => jsonb_build_object('query', '$asked'), consent => '{analytics,personalization,recommendations}');
\\o
SELECT string_agg(item_id, ' '), bool_or(did_you_mean IS NOT NULL) FROM personalize.search_items('ann', '$query');
SELECT sum(rejected) FROM personalize.rollup_now();
SELECT count(*) > 0 FROM personalize.features('ann', purpose => 'personalization');
SELECT count(*) FROM personalize.verify_search_index();
SQL
	is($out . $error, "sought|f\n0\nt\n0", "$text in $encoding");
	$node->safe_psql('postgres', 'DROP DATABASE other');
}

# In Turkish the lower case of I is no i: names of events and queries of rules are the same all the same.
SKIP:
{
	my ($code) = $node->psql('postgres', "CREATE DATABASE turkish TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C'");
	skip 'a server without ICU', 1 if $code != 0;
	is($node->safe_psql('turkish', <<'SQL'), "view_item|1\nEVENTS|OWN|2\nTRICOT|added", 'a Turkish database');
SET client_min_messages = error;
CREATE EXTENSION personalize;
\o /dev/null
SELECT personalize.track('ann', event, 'hat', consent => '{analytics,personalization,recommendations}') FROM unnest('{VIEW_ITEM,Product Viewed,PRODUCT VIEWED}'::text[]) AS event;
INSERT INTO personalize.event_type (event, name, weight) VALUES (2000, 'SIGN_UP', 1);
SELECT personalize.track('ann', event) FROM unnest('{sign_up,Sign_Up}'::text[]) AS event;
INSERT INTO personalize.item (item_id) VALUES ('hat'), ('tricot');
INSERT INTO personalize.rule (name, kind, engine, query, items, place) VALUES ('knit', 'pin', 'rank_search', 'tricot', '{tricot}', 1);
\o
SELECT t.name, count(DISTINCT t.event) FROM personalize.event AS e JOIN personalize.event_type AS t USING (event) WHERE t.event < 1000 GROUP BY 1;
SELECT 'EVENTS', 'OWN', count(*) FROM personalize.event WHERE event = 2000;
SELECT 'TRICOT', CASE WHEN item_id = 'tricot' THEN 'added' END FROM personalize.rank_search('ann', 'TRICOT', '{hat,tricot}') WHERE rank = 1;
SQL
}
$node->stop;
done_testing();
