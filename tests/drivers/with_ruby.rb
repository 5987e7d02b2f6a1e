# ruby-pg: simple, extended, prepared, COPY.
require 'pg'

port, database = ARGV
db = PG.connect(host: '127.0.0.1', port: port, user: 'postgres', dbname: database)
show = ->(name, value) { puts "#{name}: #{value.inspect}" }

3.times do
  show.call('all', db.exec('select * from things order by id').values)
  [1, 2, 99].each { |id| show.call('one', db.exec_params('select name, price from things where id = $1', [id]).values) }
  show.call('binary', db.exec_params('select id from things order by id', [], 1).values)
end
db.prepare('by_thing', 'select label from parts where thing_id = $1 order by id')
[1, 2, 1, 2].each { |id| show.call('prepared', db.exec_prepared('by_thing', [id]).values) }
show.call('described', db.describe_prepared('by_thing').fields)
db.exec('deallocate by_thing')
begin
  db.exec_prepared('by_thing', [1])
rescue PG::Error => e
  show.call('deallocated', e.result.error_field(PG::PG_DIAG_SQLSTATE))
end
db.transaction do
  db.exec_params('insert into notes (t) values ($1)', ['kept'])
  show.call('own write', db.exec('select t from notes').values)
end
begin
  db.transaction do
    db.exec("update notes set t = 'lost'")
    raise 'back'
  end
rescue RuntimeError
  show.call('rolled back', db.exec('select t from notes').values)
end
begin
  db.exec("insert into things (id, name) values (1, 'x')")
rescue PG::UniqueViolation => e
  show.call('duplicate', e.result.error_field(PG::PG_DIAG_SQLSTATE))
end
db.copy_data('copy notes (t) from stdin') { 3.times { |i| db.put_copy_data("#{i}\n") } }
out = []
db.copy_data('copy (select t from notes order by t) to stdout') { while (row = db.get_copy_data); out << row; end }
show.call('copied', out)
db.send_query('select g from generate_series(1, 1000) g')
db.set_single_row_mode
total = 0
while (result = db.get_result)
  result.each { |row| total += row['g'].to_i }
end
show.call('single rows', total)
db.exec('listen channel')
db.exec("notify channel, 'hello'")
db.wait_for_notify(20) { |channel, _, payload| show.call('notify', [channel, payload]) }
show.call('reset', db.exec("set timezone to 'Asia/Tokyo'; select at from things where id = 1").values)
db.exec('discard all')
show.call('delete', db.exec('delete from notes').cmd_tuples)
db.close
