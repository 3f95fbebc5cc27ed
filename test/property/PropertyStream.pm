# PropertyStream: random streams of what an application tells the database.
#
# A stream is a list of operations, made from a seed.  It can be told in full, or
# without the people who were forgotten in it, as if they had never been: an
# operation about several people is then told without those of its messages.
# Who came back after being forgotten, by a grant, is there from then on.
#
# The first person, who is never forgotten, has other ids, too.  Told in full, these become
# the person's somewhere in the middle, and some are split off again; told without the
# erased they are from the start, or never.
package PropertyStream;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(make_stream tell erased_of count_messages asked_of);

# A string as SQL and as JSON; neither has control characters in it.
sub literal
{
	my ($string) = @_;
	return 'NULL' unless defined $string;
	$string =~ s/'/''/g;
	return "'$string'";
}

sub json
{
	my ($string) = @_;
	$string =~ s/(["\\])/\\$1/g;
	return "\"$string\"";
}

sub pick { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }
sub between { return $_[0] + int(rand($_[1] - $_[0] + 1)); }

# Seconds since 1970 as a time; with a fraction, so that few events tie.
sub when
{
	my ($seconds) = @_;
	my ($second, $minute, $hour, $day, $month, $year) = gmtime(int($seconds));
	return sprintf('%04d-%02d-%02d %02d:%02d:%02d.%03d+00', $year + 1900, $month + 1, $day,
		$hour, $minute, $second, ($seconds - int($seconds)) * 1000);
}

my @purposes = qw(analytics personalization recommendations marketing);
my @kinds = (('view_item') x 6, ('view_item_list') x 2, 'select_item', 'add_to_wishlist', ('add_to_cart') x 2,
	'remove_from_cart', ('purchase') x 3, 'refund', ('search') x 3, 'Product Viewed', 'wave');

# Which people, things and words there are in this stream.
sub make_shop
{
	my ($seed) = @_;
	my $shop = { seed => $seed, serial => 0 };
	my $users = between(20, 26);

	for my $n (0 .. $users - 1)
	{
		my $kind = $n % 4;
		push @{ $shop->{users} }, {
			id => $kind == 0 ? "anna $seed.$n" : $kind == 1 ? 1_000_000 * $seed + $n
			  : $kind == 2 ? "o'Brien \\ é $seed.$n" : sprintf('%08x-0000-4000-8000-%012x', $seed, $n),
			sessions => [ map { "s$_" } 0 .. between(1, 4) ],
			# what nobody else has
			item => $n % 3 ? "only $seed.$n" : 2_000_000_000 + 1_000_000 * $seed + $n,
			word => "word$seed" . chr(97 + $n),
			colour => "colour $seed.$n",
		};
	}
	$shop->{regulars} = $users;
	$shop->{aliases} = [ map { { id => $_ % 2 ? "visitor $seed.$_" : 4_000_000_000 + 1_000_000 * $seed + $_, splits => chance(0.4) } } 1 .. between(0, 3) ];
	$shop->{catalogue} = [ map { "sku $seed.$_" } 1 .. between(6, 12) ];
	$shop->{bare} = [ map { $_ % 2 ? "bare $seed.$_" : 3_000_000_000 + 1_000_000 * $seed + $_ } 1 .. between(4, 8) ];
	return $shop;
}

# A set of purposes, more often many than few; undef: the event does not speak of it.
sub some_purposes
{
	my ($silent) = @_;
	return undef if chance($silent);
	return [ @purposes[ 0 .. 2 ] ] if chance(0.6);
	return [ grep { chance(0.6) } @purposes ];
}

# The properties of a message, as JSON.
sub make_properties
{
	my ($shop, $message, $user) = @_;
	my @parts;

	if ($message->{event} eq 'search' || ($message->{event} eq 'view_item_list' && chance(0.4)))
	{
		push @parts, '"query": ' . json(join ' ', chance(0.3) ? $user->{word} : (), pick('red', 'blue', 'Green'), pick('shoe', 'hat', 'long coat'));
	}
	elsif (chance(0.5))
	{
		push @parts, '"price": ' . between(1, 300) . pick('', '.5', '.99');
		push @parts, '"currency": ' . json(pick('EUR', 'USD')) if chance(0.8);
		push @parts, '"quantity": ' . between(1, 3) if chance(0.3);
	}
	push @parts, '"colour": ' . json(chance(0.3) ? $user->{colour} : pick('black', 'white')) if chance(0.25);
	push @parts, '"slot": ' . between(1, 40) if chance(0.2);
	push @parts, '"order_id": ' . json("o$shop->{seed}." . $user->{id} . '.' . between(1, 3))
	  if $message->{event} =~ /purchase|refund/ && chance(0.5);
	# more than item_stat can count: a processor sets it aside
	push @parts, '"value": 10000000000000' if chance(0.004);
	return @parts ? '{' . join(', ', @parts) . '}' : undef;
}

# The time of an event: mostly of the last days, sometimes long ago, but then on
# few days, because each has a partition that every query looks at.
sub event_time
{
	my ($shop) = @_;
	my $age = chance(0.75) ? 7200 + rand(3 * 86400) : chance(0.8) ? 7200 + rand(20 * 86400) : 7200 + rand(86400) + 86400 * pick(30, 60, 90, 119);
	return $shop->{base} - $age;
}

# One message of a person, or of somebody at random.
sub make_message
{
	my ($shop, $number) = @_;
	$number = int(rand() ** 1.5 * $shop->{regulars}) unless defined $number;
	my $user = $shop->{users}[$number];
	my $message = { user => $number, id => $user->{id}, event => pick(@kinds) };
	$message->{id} = pick(@{ $shop->{aliases} })->{id} if $number == 0 && @{ $shop->{aliases} } && chance(0.6);
	my $choose = sub {
		return chance(0.15) ? $user->{item} : pick(chance(0.6) ? @{ $shop->{catalogue} } : @{ $shop->{bare} });
	};

	# the first to use a kind of event of the shop's own is somebody who stays
	$message->{event} = 'view_item' if $message->{event} eq 'wave' && !$shop->{waved};
	$message->{item} = $choose->() unless $message->{event} eq 'search' && chance(0.8);
	if (defined $message->{item} && $message->{event} =~ /view_item_list|purchase/ && chance(0.4))
	{
		delete $message->{item};
		$message->{items} = [ map { { item => $choose->(), slot => $_, price => between(1, 50) } } 1 .. between(2, 4) ];
	}
	# some follow closely, as in a session
	$message->{ts} = when($shop->{last}{$number} = defined $shop->{last}{$number} && chance(0.6)
		? $shop->{last}{$number} + rand(chance(0.9) ? 600 : 3600) : event_time($shop));
	if ($shop->{last}{$number} > $shop->{base} - 7200)
	{
		delete $shop->{last}{$number};
		$message->{ts} = when(event_time($shop));
	}
	$message->{ts} = when($shop->{returned}{$number} + rand(500)) if $shop->{returned}{$number};
	$message->{session} = pick(@{ $user->{sessions} }) if chance(0.6);
	# a few requests a person, so that what follows meets what was shown
	$message->{request} = "r$shop->{seed}.$number." . between(1, 3) if chance(0.25);
	$message->{message} = sprintf('m %d.%d', $shop->{seed}, $shop->{serial}++) if chance(0.5);
	$message->{consent} = some_purposes(0.5);
	$message->{properties} = make_properties($shop, $message, $user);
	return $message;
}

# The same message again, as a retry or a replay sends it.
sub maybe_again
{
	my ($shop, $message) = @_;

	push @{ $shop->{sent} }, $message if defined $message->{message} && chance(0.3);
	return $message unless chance(0.08) && @{ $shop->{sent} // [] };
	return pick(@{ $shop->{sent} });
}

# A message that nobody can take, sometimes of nobody.
sub make_bad
{
	my ($shop) = @_;
	my $message = make_message($shop);
	my $kind = between(0, 5);

	# nobody's, as far as can be told, but it names somebody
	return { user => $message->{user}, bad => 1, raw => '{"user_id": {"id": ' . json($message->{id}) . '}, "event": "view_item"}' }
	  if $kind == 5 && !$shop->{gone}{ $message->{user} };
	return { %$message, bad => 1, ts => 'not a time' } if $kind == 0;
	return { %$message, bad => 1, ts => '2199-01-01' } if $kind == 1;
	return { %$message, bad => 1, event => '' } if $kind == 2;
	return { %$message, bad => 1, item => 'x' x 600, items => undef } if $kind == 3;
	return { event => 'view_item', item => 'nobody', ts => $message->{ts}, bad => 1 };
}

# A day long ago, of which there are few: each has a partition.
sub history_time
{
	my ($shop) = @_;
	return when(int($shop->{base} / 86400) * 86400 - 86400 * pick(5, 12, 33) + rand(86400));
}

# One call that stores events.
sub make_call
{
	my ($shop, $most) = @_;
	my $way = pick('track', 'track', 'track_many', 'track_many', 'ingest', 'inbox', 'copy', 'import');
	my $count = $way eq 'track' ? 1 : between(2, $most);
	my @messages = map { maybe_again($shop, make_message($shop)) } 1 .. $count;

	if ($way eq 'track_many')
	{
		push @messages, make_bad($shop) while chance(0.4);
	}
	# what came back came after it was forgotten, so it is no history
	@messages = map { { %$_, ts => history_time($shop) } } grep { !$shop->{returned}{ $_->{user} } } @messages
	  if $way eq 'import';
	return { what => 'call', way => $way, messages => \@messages };
}

# What a person says about himself.
sub make_statement
{
	my ($shop, $gone) = @_;
	my $number = between(0, $shop->{regulars} - 1);
	return () if $gone->{$number};
	my $user = literal($shop->{users}[$number]{id});
	my $kind = between(0, 10);
	# what is declared under an id that is split off again may have replaced what the person declared
	my @others = grep { !$_->{splits} } @{ $shop->{aliases} };
	$user = literal(pick(@others)->{id}) if $number == 0 && $kind >= 5 && $kind <= 8 && @others && chance(0.5);
	my $some = sub { return 'ARRAY[' . join(', ', map { literal($_) } @_) . ']::text[]'; };
	my $sql;

	if ($kind <= 2)
	{
		my $set = some_purposes(0);
		$set = ['personalization'] unless @$set;
		$sql = "SELECT personalize.grant_consent($user, " . $some->(@$set) . ', '
		  . literal(pick('account', 'banner')) . (chance(0.3) ? ", 'v" . between(1, 3) . "', 'evidence of it'" : '')
		  . (chance(0.2) ? ', effective_at => ' . literal(when(event_time($shop))) : '') . ')';
	}
	elsif ($kind <= 4 && $number != 0)
	{
		$sql = "SELECT personalize.withdraw_consent($user, "
		  . (chance(0.3) ? 'NULL' : $some->(pick(@purposes))) . ", 'account'"
		  . ($shop->{late_withdrawals} && chance(0.2) ? ', effective_at => ' . literal(when(event_time($shop))) : '') . ')';
	}
	elsif ($kind <= 8)
	{
		my $name = pick('favourite_brand', 'hidden_category', 'favourite_item', 'hidden_item');
		my $value = $name =~ /item/ ? pick(@{ $shop->{catalogue} }, $shop->{users}[$number]{item})
		  : pick('Acme', 'Zeta', 'hats', $shop->{users}[$number]{colour});
		$sql = "SELECT personalize.set_preference($user, '$name', " . literal($value) . ')';
	}
	elsif ($kind == 9)
	{
		$sql = "SELECT personalize.clear_preference($user, 'favourite_brand')";
	}
	elsif ($number == 0)
	{
		return ();
	}
	elsif (chance(0.3))
	{
		$sql = "SELECT personalize.object_to($user, " . $some->(pick(@purposes)) . ", 'no reason')";
	}
	elsif ($shop->{restricted}{$number} && chance(0.6))
	{
		delete $shop->{restricted}{$number};
		$sql = "SELECT personalize.lift_restriction($user)";
	}
	else
	{
		$shop->{restricted}{$number} = 1;
		$sql = "SELECT personalize.restrict($user, " . (chance(0.4) ? 'NULL' : $some->(pick(@purposes))) . ", 'a dispute')";
	}
	return { what => 'say', user => $number, sql => $sql };
}

# What is there before the first visitor.
sub make_opening
{
	my ($shop) = @_;
	my @rows;
	my @operations;

	for my $sku (@{ $shop->{catalogue} })
	{
		push @rows, '{"item_id": ' . json($sku) . ', "category": ' . json(pick('shoes', 'hats', 'coats'))
		  . ', "brand": ' . json(pick('Acme', 'Zeta')) . ', "price": ' . between(1, 400)
		  . ', "tags": [' . json(pick('new', 'sale')) . ', "all"], "available": ' . (chance(0.9) ? 'true' : 'false') . '}';
	}
	push @operations, { what => 'always', sql => 'SELECT personalize.upsert_items(' . literal('[' . join(', ', @rows) . ']') . ')' };
	push @operations, { what => 'always', sql =>
		  q{SELECT personalize.create_signal('colour', '{view_item,purchase}', 'properties.colour', purposes => '{personalization,marketing}', aggregates => '{distinct}'),}
		  . q{ personalize.create_signal('spent', '{purchase}', 'none', value_path => 'value', purposes => '{analytics,personalization}', aggregates => '{min,max,first,last}')} };
	push @operations, { what => 'always', sql => q{INSERT INTO personalize.purpose_default VALUES ('analytics', 'allowed')} }
	  if chance(0.3);

	# the first person stays, and agrees to everything
	push @operations, { what => 'say', user => 0, sql =>
		  'SELECT personalize.grant_consent(' . literal($shop->{users}[0]{id}) . q{, '{analytics,personalization,recommendations,marketing}', 'account', 'v1')} };
	for my $alias (@{ $shop->{aliases} })
	{
		push @operations, { what => 'alias', id => $alias->{id}, person => $shop->{users}[0]{id}, sql =>
			  'SELECT personalize.grant_consent(' . literal($alias->{id}) . q{, '{analytics,personalization,recommendations,marketing}', 'banner')} };
	}
	my $wave = make_message($shop, 0);
	$wave->{event} = 'wave';
	push @operations, { what => 'call', way => 'track_many', messages => [ $wave, map { make_message($shop, 0) } 1 .. 6 ] };
	# who buys something again tells after how long it is bought again
	push @operations, { what => 'call', way => 'ingest', messages => [ map { {
			user => 0, id => $shop->{users}[0]{id}, event => 'purchase', session => 's0', item => $shop->{catalogue}[0],
			ts => when($shop->{base} - $_ * 86400 - rand(3600)), consent => [@purposes] } } 4, 8, 11, 16 ] };
	$shop->{waved} = 1;
	for my $number (1 .. $shop->{regulars} - 1)
	{
		next unless chance(0.5);
		push @operations, { what => 'say', user => $number, sql =>
			  'SELECT personalize.grant_consent(' . literal($shop->{users}[$number]{id}) . q{, '{analytics,personalization,recommendations}', 'account')} };
	}
	return @operations;
}

# A crowd that comes to one item, more sessions than its list holds.
sub make_crowd
{
	my ($shop) = @_;
	my @messages;

	for my $n (1 .. between(270, 320))
	{
		my $number = push(@{ $shop->{users} }, { id => "crowd $shop->{seed}.$n", sessions => ['s'], item => "only $shop->{seed}.c", word => 'crowd', colour => 'crowd' }) - 1;
		my $ts = $shop->{base} - 10000 - rand(86400);
		push @messages, map { {
				user => $number, id => "crowd $shop->{seed}.$n", event => 'view_item', session => 's', ts => when($ts + 10 * $_),
				item => $_ ? pick(@{ $shop->{catalogue} }) : "hot $shop->{seed}", consent => [@purposes] } } 0 .. between(1, 2);
	}
	return { what => 'call', way => 'ingest', messages => \@messages };
}

# The places at which something of a kind is put between the calls.
sub places
{
	my ($count, $from, $to) = @_;
	return map { int($from + rand($to - $from)) } 1 .. $count;
}

# A whole stream.  base: seconds, an hour or so ago; features: what it may contain.
sub make_stream
{
	my ($seed, %option) = @_;

	srand($seed);
	my $shop = make_shop($seed);
	$shop->{base} = $option{base};
	$shop->{late_withdrawals} = $option{late_withdrawals};
	my @operations = make_opening($shop);
	my $crowded = chance(0.02);
	push @operations, make_crowd($shop) if $crowded;
	my $calls = between(32, 40);
	my %at;
	my %gone;
	$shop->{gone} = \%gone;

	# one roll-up at least in most runs, several in half of them; the end stays un-rolled
	push @{ $at{$_} }, 'rollup' for places(chance(0.99) ? 1 : 0, $calls * 0.35, $calls * 0.85);
	if (chance(0.5))
	{
		push @{ $at{$_} }, 'rollup' for places(between(1, 4), 2, $calls * 0.9);
	}
	push @{ $at{$_} }, 'forget' for places(between(1, 5), $calls * 0.1, $calls + 1);
	push @{ $at{$_} }, 'statement' for places(between(10, 18), 0, $calls);
	push @{ $at{$_} }, 'return' for places(chance(0.12) ? between(1, 2) : 0, $calls * 0.5, $calls);
	for my $alias (@{ $shop->{aliases} })
	{
		my ($join, $split) = sort { $a <=> $b } places(2, 0, $calls);
		push @{ $at{$join} }, { what => 'identify', id => $alias->{id} };
		push @{ $at{$split} }, { what => 'split', id => $alias->{id} } if $alias->{splits};
	}
	push @{ $at{$_} }, 'rebuild' for places(chance(0.04) ? 1 : 0, $calls * 0.3, $calls);
	if (chance(0.07))
	{
		my ($off, $on) = sort { $a <=> $b } places(2, 0, $calls);
		my $name = pick(qw(profile item_stat neighbour exposure));
		push @{ $at{$off} }, "disable $name";
		push @{ $at{$on} }, "enable $name";
	}

	# not where ids join: that counts a signal that is still being filled in, sooner than without
	push @{ $at{$_} }, 'signal' for places(chance(0.3) && !@{ $shop->{aliases} } ? 1 : 0, $calls * 0.3, $calls);
	push @{ $at{$_} }, 'backfill' for places(chance(0.2) ? 1 : 0, $calls * 0.3, $calls);

	for my $n (0 .. $calls)
	{
		for my $what (@{ $at{$n} // [] })
		{
			if (ref $what)
			{
				push @operations, $what;
			}
			elsif ($what eq 'rollup')
			{
				push @operations, { what => 'always', rollup => 1, sql => 'SELECT FROM personalize.rollup_now()' };
			}
			elsif ($what eq 'rebuild')
			{
				push @operations, { what => 'always', sql => "SELECT personalize.rebuild_processor('" . pick(qw(profile item_stat neighbour exposure)) . "')" };
				push @operations, { what => 'always', rollup => 1, sql => 'SELECT FROM personalize.rollup_now()' };
			}
			elsif ($what eq 'signal')
			{
				push @operations, { what => 'always', sql => q{SELECT personalize.create_signal('late', NULL, 'properties.colour', purposes => '{personalization,recommendations}', aggregates => '{max,first,distinct}')} };
			}
			elsif ($what eq 'backfill')
			{
				push @operations, { what => 'always', sql => "SELECT personalize.backfill_signal('" . pick(qw(colour spent item_affinity interest_category)) . "')" };
			}
			elsif ($what =~ /^(\w+)able (\w+)$/)
			{
				push @operations, { what => 'always', sql => "SELECT personalize.$1able_processor('$2')" };
			}
			elsif ($what eq 'statement')
			{
				push @operations, make_statement($shop, \%gone);
			}
			elsif ($what eq 'forget')
			{
				# the busy ones more often; twice happens
				my %chosen = map { 1 + int(rand() ** 1.5 * ($shop->{regulars} - 1)) => 1 } 1 .. (chance(0.3) ? between(2, 4) : 1);
				$chosen{ between($shop->{regulars}, $#{ $shop->{users} }) } = 1 for 1 .. ($crowded ? between(5, 40) : 0);
				my @chosen = sort { $a <=> $b } keys %chosen;
				push @operations, { what => 'forget', users => \@chosen, ids => [ map { $shop->{users}[$_]{id} } @chosen ] };
				@gone{@chosen} = (1) x @chosen;
				delete @{ $shop->{returned} }{@chosen};
				delete @{ $shop->{restricted} }{@chosen};
			}
			elsif ($what eq 'return' && grep { $_ < $shop->{regulars} } keys %gone)
			{
				my $number = pick(sort { $a <=> $b } grep { $_ < $shop->{regulars} } keys %gone);
				push @operations, { what => 'return', user => $number, sql =>
					  'SELECT personalize.grant_consent(' . literal($shop->{users}[$number]{id}) . q{, '{analytics,personalization,recommendations}', 'came back')} };
				delete $gone{$number};
				# events of the new life are later than the return, wherever that is
				$shop->{returned}{$number} = $option{now} + 600;
				@{ $shop->{sent} } = grep { $_->{user} != $number } @{ $shop->{sent} // [] };
				push @operations, { what => 'call', way => 'track_many', messages => [ map { make_message($shop, $number) } 1 .. 4 ] };
			}
		}
		my $call = make_call($shop, 20);
		if (chance(0.1))
		{
			# what is rolled back has not happened
			my $lost = make_call($shop, 5);
			push @operations, { what => 'transaction', calls => [ $call, make_call($shop, 5) ], lost => chance(0.5) ? $lost : undef };
		}
		else
		{
			push @operations, $call;
		}
	}

	# at least 300 events
	$shop->{returned} = {};
	my $missing = 300 - count_messages(\@operations);
	splice @operations, 6, 0, { what => 'call', way => 'ingest', messages => [ map { make_message($shop) } 1 .. $missing ] }
	  if $missing > 0;
	return \@operations;
}

# How many messages a stream has.
sub count_messages
{
	my ($operations) = @_;
	my $count = 0;

	$count += @{ $_->{messages} // [] } + ($_->{what} eq 'transaction' ? @{ $_->{calls}[0]{messages} } + @{ $_->{calls}[1]{messages} } : 0)
	  for @$operations;
	return $count;
}

# A few people and items of a stream, as two arrays in SQL: whom and what readers are asked about.
sub asked_of
{
	my ($operations, $most) = @_;
	my (%users, %items);

	for my $message (map { @{ $_->{messages} // [] } } @$operations)
	{
		next if $message->{bad};
		$users{ $message->{id} } = 1;
		$items{$_} = 1 for grep { defined } $message->{item}, map { $_->{item} } @{ $message->{items} // [] };
	}
	return map {
		my @ids = sort keys %$_;
		# not the first ones only, which are of one kind
		my $step = @ids > $most ? int(@ids / $most) : 1;
		array('text', map { $ids[ $_ * $step ] } 0 .. (@ids < $most ? $#ids : $most - 1));
	} \%users, \%items;
}

# By person, the place in the stream from which on the world without the erased knows of them.
sub erased_of
{
	my ($operations) = @_;
	my %since;

	for my $n (0 .. $#$operations)
	{
		my $operation = $operations->[$n];
		if ($operation->{what} eq 'forget')
		{
			$since{$_} = 1e9 for @{ $operation->{users} };
		}
		elsif ($operation->{what} eq 'return' && ($since{ $operation->{user} } // 0) == 1e9)
		{
			$since{ $operation->{user} } = $n;
		}
	}
	return \%since;
}

sub consent_json
{
	my ($consent) = @_;
	return '[' . join(', ', map { json($_) } @$consent) . ']';
}

# The properties of a message, its items among them.
sub properties_of
{
	my ($message) = @_;
	return $message->{properties} unless $message->{items};
	my $items = '"items": [' . join(', ', map { '{"item_id": ' . json($_->{item}) . ", \"slot\": $_->{slot}, \"price\": $_->{price}" . ($_->{price} % 2 ? '' : ', "score": ' . $_->{price} / 4) . '}' } @{ $message->{items} }) . ']';
	return "{$items}" unless defined $message->{properties};
	return '{' . $items . ', ' . substr($message->{properties}, 1);
}

sub array
{
	my ($type, @values) = @_;
	return 'ARRAY[' . join(', ', map { literal($_) } @values) . "]::$type\[]";
}

sub csv
{
	my ($value) = @_;
	return '' unless defined $value;
	$value =~ s/"/""/g;
	return "\"$value\"";
}

my %tellers = (
	track => sub {
		my ($m) = @{ $_[0] };
		return 'SELECT personalize.track(' . literal($m->{id}) . ', ' . literal($m->{event}) . ', ' . literal($m->{item})
		  . ', ' . literal(properties_of($m)) . ', ' . literal($m->{ts}) . ', ' . literal($m->{session}) . ', '
		  . literal($m->{request}) . ', ' . literal($m->{message}) . ', '
		  . ($m->{consent} ? array('text', @{ $m->{consent} }) : 'NULL') . ');';
	},
	track_many => sub {
		my @objects;
		for my $m (@{ $_[0] })
		{
			if ($m->{raw})
			{
				push @objects, $m->{raw};
				next;
			}
			my @parts = ('"event": ' . json($m->{event}), '"ts": ' . json($m->{ts}));
			push @parts, '"user_id": ' . json($m->{id}) if defined $m->{id};
			push @parts, '"item_id": ' . json($m->{item}) if defined $m->{item};
			push @parts, '"session_id": ' . json($m->{session}) if defined $m->{session};
			push @parts, '"request_id": ' . json($m->{request}) if defined $m->{request};
			push @parts, '"message_id": ' . json($m->{message}) if defined $m->{message};
			push @parts, '"consent": ' . consent_json($m->{consent}) if $m->{consent};
			my $properties = properties_of($m);
			push @parts, "\"properties\": $properties" if defined $properties;
			push @objects, '{' . join(', ', @parts) . '}';
		}
		return 'SELECT personalize.track_many(' . literal('[' . join(",\n", @objects) . ']') . ');';
	},
	ingest => sub { return columns('ingest', $_[0]); },
	import => sub { return columns('import_events', $_[0]); },
	inbox => sub {
		return 'INSERT INTO personalize.inbox (user_id, event, item_id, properties, ts, session_id, request_id, message_id, consent) VALUES '
		  . join(",\n", map {
			'(' . join(', ', map { literal($_) } $_->{id}, $_->{event}, $_->{item}, properties_of($_), $_->{ts}, $_->{session}, $_->{request}, $_->{message})
			  . ', ' . ($_->{consent} ? array('text', @{ $_->{consent} }) : 'NULL') . ')' } @{ $_[0] }) . ';';
	},
	copy => sub {
		return "COPY personalize.inbox (user_id, event, item_id, properties, ts, session_id, request_id, message_id, consent) FROM STDIN (FORMAT csv);\n"
		  . join('', map {
			join(',', map { csv($_) } $_->{id}, $_->{event}, $_->{item}, properties_of($_), $_->{ts}, $_->{session}, $_->{request}, $_->{message},
				$_->{consent} ? '{' . join(',', @{ $_->{consent} }) . '}' : undef) . "\n" } @{ $_[0] }) . '\.';
	});

# A call that takes arrays.
sub columns
{
	my ($function, $messages) = @_;
	my @m = @$messages;

	return "SELECT personalize.$function(" . array('text', map { $_->{id} } @m) . ', ' . array('text', map { $_->{event} } @m)
	  . ', ' . array('text', map { $_->{item} } @m) . ', ts => ' . array('timestamptz', map { $_->{ts} } @m)
	  . ', properties => ' . array('jsonb', map { properties_of($_) } @m) . ', session_ids => ' . array('text', map { $_->{session} } @m)
	  . ', request_ids => ' . array('text', map { $_->{request} } @m) . ', message_ids => ' . array('text', map { $_->{message} } @m)
	  . ', consents => ' . array('text', map { $_->{consent} && @{ $_->{consent} } ? join(',', @{ $_->{consent} }) : undef } @m) . ');';
}

# One call, without the messages of those who do not exist yet or any more.
sub tell_call
{
	my ($call, $place, $since) = @_;
	my @messages = @{ $call->{messages} };

	@messages = grep { !defined $_->{user} || ($since->{ $_->{user} } // 0) <= $place } @messages if $since;
	return '' unless @messages;
	return $tellers{ $call->{way} }->(\@messages) . "\n";
}

# SQL of the operations, as a list; full, or without the erased.
sub tell
{
	my ($operations, $full) = @_;
	my $since = $full ? undef : erased_of($operations);
	my %person = map { $_->{id} => literal($_->{person}) } grep { $_->{what} eq 'alias' } @$operations;
	my %joins = map { $_->{id} => 1 } grep { $_->{what} eq 'identify' } @$operations;
	my @sql;

	delete $joins{ $_->{id} } for grep { $_->{what} eq 'split' } @$operations;

	for my $n (0 .. $#$operations)
	{
		my $o = $operations->[$n];
		my $sql = '';
		if ($o->{what} eq 'call')
		{
			$sql = tell_call($o, $n, $since);
		}
		elsif ($o->{what} eq 'transaction')
		{
			my $lost = $o->{lost} ? "SAVEPOINT s;\n" . tell_call($o->{lost}, $n, $since) . "ROLLBACK TO s;\n" : '';
			$sql = "BEGIN;\n" . tell_call($o->{calls}[0], $n, $since) . $lost . tell_call($o->{calls}[1], $n, $since) . "COMMIT;\n";
		}
		elsif ($o->{what} eq 'always')
		{
			$sql = "$o->{sql};\n";
		}
		elsif ($o->{what} eq 'alias')
		{
			$sql = "$o->{sql};\n";
			$sql .= 'SELECT personalize.identify(' . literal($o->{id}) . ", $person{$o->{id}});\n" if !$full && $joins{ $o->{id} };
		}
		elsif ($o->{what} eq 'identify')
		{
			$sql = 'SELECT personalize.identify(' . literal($o->{id}) . ", $person{$o->{id}});\n" if $full && $person{ $o->{id} };
		}
		elsif ($o->{what} eq 'split')
		{
			$sql = "SELECT personalize.split($person{$o->{id}}, " . literal($o->{id}) . ");\n" if $full && $person{ $o->{id} };
		}
		elsif ($o->{what} eq 'forget')
		{
			$sql = (@{ $o->{ids} } == 1 ? 'SELECT personalize.forget(' . literal($o->{ids}[0]) . ')'
				: 'SELECT personalize.forget_many(' . array('text', @{ $o->{ids} }) . ')') . ";\n" if $full;
		}
		else
		{
			$sql = "$o->{sql};\n" if $full || ($since->{ $o->{user} } // 0) <= $n;
		}
		push @sql, $sql;
	}
	return @sql;
}

1;
