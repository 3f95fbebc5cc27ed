# PropertyWorlds: two databases of one server, one of which was told of everybody
# and forgot some, while the other never heard of these.
#
# Both are made once and emptied before each stream.  Each is told its part of
# many streams by one psql, the two at the same time, and says after each stream
# the hash of every table: every second time as it stands, with events that no
# processor has counted yet, and always with all counted.  Once in each stream
# readers are asked about some people and items, now and as of some time.  In the first round the dictionary of texts
# is left out: which texts it has depends on what has been counted.
package PropertyWorlds;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run;
use PostgreSQL::Test::Utils;
use PropertyStream qw(make_stream tell erased_of count_messages asked_of);
use Time::HiRes qw(time);

my $directory = dirname(abs_path(__FILE__));

# Settings of a server that plays streams.
sub configuration
{
	return "shared_preload_libraries = 'personalize'\n"
	  . "personalize.databases = 'postgres'\n"
	  . "personalize.max_future = '1h'\n"
	  . "autovacuum = off\njit = off\nmax_wal_size = 4GB\nshared_buffers = 64MB\nlog_min_messages = fatal\n"
	  . "log_statement = none\nlog_connections = off\nlog_disconnections = off\nlog_replication_commands = off\n";
}

# Worlds on a started node.
sub new
{
	my ($class, $node) = @_;
	my $self = bless { node => $node, databases => [ 'forgot', 'never_knew' ] }, $class;

	for my $database (@{ $self->{databases} })
	{
		$node->safe_psql('postgres', "CREATE DATABASE $database");
		$node->safe_psql($database, 'SET client_min_messages = error; CREATE EXTENSION personalize');
		$node->safe_psql($database, slurp_file("$directory/world.sql"));
	}
	# withdrawals with a time of their own, where the function takes one
	$self->{late_withdrawals} = $node->safe_psql('forgot',
		"SELECT bool_or('effective_at' = ANY (proargnames)) FROM pg_proc WHERE proname = 'withdraw_consent'") eq 't';
	$self->{data_tables} = [ split /,/, $node->safe_psql('forgot', "SELECT array_to_string(property.data_tables(), ',')") ];
	return $self;
}

# The stream of a seed; all times are relative to the hour before this one.
sub stream
{
	my ($self, $seed) = @_;
	my $now = int(time());

	return make_stream($seed, base => $now - $now % 3600, now => $now, late_withdrawals => $self->{late_withdrawals});
}

# What comes at the end of a stream: tables not empty, and hashes, twice.
sub closing
{
	my ($self, $seed, $operations) = @_;
	my ($users, $items) = asked_of($operations, 4);
	my $asked = "SELECT 'asked', $seed, name, hash FROM property.answers($users, $items);\n";
	my $scrub = "SELECT FROM personalize.scrub_erased(files => false);\n";

	return $scrub
	  . "SELECT 'filled', $seed, name, '' FROM property.filled() AS name;\n"
	  # of every second stream, for the time's sake
	  . ($seed % 2 ? '' : "SELECT 'tail', $seed, name, hash FROM property.hashes('{feature_value,_erasure_candidate}' || property.settings(), date_trunc('day', now()));\n" . $asked)
	  . "SELECT personalize.enable_processor(name) FROM unnest('{profile,item_stat,neighbour,exposure}'::text[]) AS name;\n"
	  . "SELECT FROM personalize.rollup_now();\n"
	  . $scrub
	  . "SELECT 'rolled', $seed, name, hash FROM property.hashes('{}', date_trunc('day', now()));\n"
	  . ($seed % 2 ? $asked : '');
}

# Let the psql of each world run its script; their output, by world.
sub play
{
	my ($self, @scripts) = @_;
	my @run;

	for my $world (0, 1)
	{
		my $file = PostgreSQL::Test::Utils::tempdir() . "/world_$world.sql";
		open(my $out, '>', $file) or die "$file: $!";
		binmode($out, ':raw');
		print $out "SET client_min_messages = error;\nSET synchronous_commit = off;\n",
		  # TRUNCATE leaves dead rows there
		  "VACUUM pg_class, pg_index, pg_statistic;\n", $scripts[$world];
		close($out);
		$run[$world] = { out => '', err => '' };
		$run[$world]{harness} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=0', '-F', '|',
				'-d', $self->{node}->connstr($self->{databases}[$world]), '-f', $file ],
			'<', '/dev/null', '>', \$run[$world]{out}, '2>', \$run[$world]{err});
	}
	$_->{harness}->finish for @run;
	return @run;
}

# Read what a world said of its streams into {seed}{round}{table or reader}.
sub read_answer
{
	my ($run) = @_;
	my %answer;

	while ($run->{out} =~ /^(filled|tail|rolled|asked)\|(\d+)\|(\w+)\|(\w*)$/mg)
	{
		$answer{$2}{$1}{$3} = $4;
	}
	return \%answer;
}

# Tables and readers in which the worlds differ after a stream, as "round table".
sub compare
{
	my ($left, $right, $operations) = @_;
	my @different;

	return ('nothing: a world did not get to its end') unless $left->{rolled} && $right->{rolled};
	# the scores of those who came back, seconds ago, change by the second
	my $returns = grep { $_->{what} eq 'return' } @$operations;
	for my $round ('tail', 'rolled', 'asked')
	{
		my %tables = (%{ $left->{$round} // {} }, %{ $right->{$round} // {} });
		for my $table (sort keys %tables)
		{
			next if $table eq '_popular' && $returns;
			push @different, "$round $table" if ($left->{$round}{$table} // '') ne ($right->{$round}{$table} // '');
		}
	}
	return @different;
}

# Play streams {seed => operations}; by seed the tables that differ, and all errors.
sub try
{
	my ($self, $streams, %option) = @_;
	my %result;
	my $hour = int(time() / 3600);
	my @scripts = ('', '');

	for my $seed (sort { $a <=> $b } keys %$streams)
	{
		for my $world (0, 1)
		{
			my $thorough = $scripts[$world] eq '' ? 'true' : 'false';
			$scripts[$world] .= "SELECT FROM property.reset($thorough);\n" . join('', tell($streams->{$seed}, $world == 0)) . $self->closing($seed, $streams->{$seed})
			  . ($option{append} // '');
		}
	}
	my @run = $self->play(@scripts);
	my @answer = map { read_answer($_) } @run;
	$self->{last_output} = [ map { $_->{out} } @run ];
	for my $seed (keys %$streams)
	{
		$result{$seed} = [ compare($answer[0]{$seed} // {}, $answer[1]{$seed} // {}, $streams->{$seed}) ];
	}
	my $errors = join('', map { $run[$_]{err} =~ s/^(?=.)/$self->{databases}[$_]: /mgr } 0, 1);
	# what is popular changes with the hour
	return $self->try($streams, %option) if int(time() / 3600) != $hour;
	return { different => \%result, errors => $errors, filled => { map { $_ => $answer[0]{$_}{filled} } keys %$streams },
		answers => { map { $_ => $answer[0]{$_}{asked} } keys %$streams } };
}

# The same for one stream, with the server stopped and started in its middle.
sub try_with_restart
{
	my ($self, $seed, $mode) = @_;
	my $operations = $self->stream($seed);
	my $middle = int(@$operations * (0.3 + rand(0.6)));
	my @first;
	my @second;
	my $hour = int(time() / 3600);

	for my $world (0, 1)
	{
		my @sql = tell($operations, $world == 0);
		push @first, "SELECT FROM property.reset(true);\n" . join('', @sql[ 0 .. $middle - 1 ])
		  # what was committed so far must survive the crash
		  . "SET synchronous_commit = on;\nDROP TABLE IF EXISTS property.flushed;\nCREATE TABLE property.flushed ();\n";
		push @second, join('', @sql[ $middle .. $#sql ]) . $self->closing($seed, $operations);
	}
	# so that a crash has these streams to recover, not all that came before them
	$self->{node}->safe_psql('postgres', 'CHECKPOINT');
	my @before = $self->play(@first);
	$self->{node}->stop($mode);
	$self->{node}->start;
	my @after = $self->play(@second);
	my @answer = map { read_answer($_) } @after;
	my $errors = join('', map { $_->{err} } @before, @after);
	return $self->try_with_restart($seed, $mode) if int(time() / 3600) != $hour;
	return { different => { $seed => [ compare($answer[0]{$seed} // {}, $answer[1]{$seed} // {}, $operations) ] },
		errors => $errors, filled => { $seed => $answer[0]{$seed}{filled} }, answers => { $seed => $answer[0]{$seed}{asked} } };
}

# In what a stream differs.
sub differences
{
	my ($self, $operations) = @_;

	return grep { !/^nothing/ } @{ $self->try({ 2 => $operations })->{different}{2} };
}

# True if a stream still fails, in no more than it failed in.
sub fails
{
	my ($self, $operations) = @_;
	my @different = $self->differences($operations);

	return @different && !grep { !$self->{failed}{$_} } @different;
}

# Leave out what a failure does not need: pieces of the list, ever smaller.
sub shrink_list
{
	my ($list, $deadline, $check) = @_;
	my $size = int(@$list / 2);

	while ($size >= 1 && time() < $deadline)
	{
		for (my $from = 0; $from < @$list && time() < $deadline;)
		{
			my @shorter = @$list;
			splice @shorter, $from, $size;
			if ($check->(\@shorter)) { $list = \@shorter; }
			else { $from += $size; }
		}
		$size = int($size / 2);
	}
	return $list;
}

# A small stream that fails too.
sub shrink
{
	my ($self, $operations, $seconds) = @_;
	my $deadline = time() + $seconds;

	$operations = shrink_list($operations, $deadline, sub { return $self->fails($_[0]) });
	for my $n (0 .. $#$operations)
	{
		next unless $operations->[$n]{messages} && @{ $operations->[$n]{messages} } > 1;
		my $with = sub {
			my ($messages) = @_;
			my @changed = @$operations;
			$changed[$n] = { %{ $operations->[$n] }, messages => $messages };
			return \@changed;
		};
		$operations = $with->(shrink_list($operations->[$n]{messages}, $deadline,
				sub { return @{ $_[0] } && $self->fails($with->($_[0])) }));
	}
	return $operations;
}

# What there is to say about a failure: the small stream, and the rows that differ.
sub explain
{
	my ($self, $seed, $operations, $seconds) = @_;
	my $text = "seed $seed: run it alone with PERSONALIZE_SEED=$seed PERSONALIZE_RUNS=1\n";

	$self->{failed} = { map { $_ => 1 } $self->differences($operations) };
	return $text unless %{ $self->{failed} };
	$operations = $self->shrink($operations, $seconds);
	my $result = $self->try({ 2 => $operations });
	my %tables = map { (split / /)[1] => 1 } @{ $result->{different}{2} };
	$text .= 'shrunk to ' . @$operations . ' operations, ' . count_messages($operations) . " messages:\n"
	  . join('', tell($operations, 1)) . "differs in: @{ $result->{different}{2} }\n";
	for my $table (sort grep { !/^(now|past|later)_/ } keys %tables)
	{
		my @rows = map { { map { $_ => 1 } split /\n/, $self->{node}->safe_psql($_,
			"SELECT personalize_internal._canonical_rows('$table', date_trunc('day', now()))") } } @{ $self->{databases} };
		$text .= "$table: only where they were forgotten: $_\n" for grep { !$rows[1]{$_} } sort keys %{ $rows[0] };
		$text .= "$table: only where they never were: $_\n" for grep { !$rows[0]{$_} } sort keys %{ $rows[1] };
	}
	return $text;
}

1;
