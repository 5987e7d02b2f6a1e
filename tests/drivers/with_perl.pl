# DBD::Pg: server-side prepares, emulated placeholders, COPY, savepoints.
use strict;
use warnings;
use utf8;
use DBI;

binmode(STDOUT, ':utf8');
my ($port, $database) = @ARGV;
my $db = DBI->connect("dbi:Pg:host=127.0.0.1;port=$port;dbname=$database", 'postgres', '',
    { RaiseError => 1, PrintError => 0, AutoCommit => 1 });

sub show { my ($name, $value) = @_; print "$name: ", flat($value), "\n"; }
sub flat {
    my ($value) = @_;
    return 'undef' unless defined $value;
    return '[' . join(', ', map { flat($_) } @$value) . ']' if ref $value;
    return $value;
}

for (1 .. 3) {
    show('all', $db->selectall_arrayref('select id, name, price, flag, made, at, tags, doc, key from things order by id'));
    for my $prepare (0, 1) {
        my $statement = $db->prepare('select name, price from things where id = ?', { pg_server_prepare => $prepare });
        for my $id (1, 2, 99) { $statement->execute($id); show('one', $statement->fetchall_arrayref); }
    }
}
$db->begin_work;
$db->do('insert into notes (t) values (?)', undef, 'kept');
show('own write', $db->selectall_arrayref('select t from notes'));
$db->commit;
$db->begin_work;
$db->do("update notes set t = 'lost'");
$db->rollback;
show('rolled back', $db->selectall_arrayref('select t from notes'));
eval { $db->do("insert into things (id, name) values (1, 'x')") };
show('duplicate', $db->state);
$db->begin_work;
$db->pg_savepoint('a');
eval { $db->do('select 1/0') };
show('division', $db->state);
$db->pg_rollback_to('a');
show('after savepoint', $db->selectall_arrayref('select name from things where id = 1'));
$db->commit;
$db->do('copy notes (t) from stdin');
$db->pg_putcopydata("$_\n") for 1 .. 3;
$db->pg_putcopyend;
$db->do('copy (select t from notes order by t) to stdout');
my ($row, @out);
push @out, $row =~ s/\n//r while $db->pg_getcopydata($row) >= 0;
show('copied', \@out);
$db->do('listen channel');
$db->do("notify channel, 'hello'");
my $notify = $db->pg_notifies;
show('notify', [ $notify->[0], $notify->[2] ]);
$db->do("set timezone to 'Asia/Tokyo'");
show('at', $db->selectall_arrayref('select at from things where id = 1'));
$db->do('reset timezone');
show('delete', $db->do('delete from notes'));
$db->disconnect;
