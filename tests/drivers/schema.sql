create table things (id int primary key, name text not null, price numeric(10,2), flag bool, made date,
    at timestamptz, data bytea, tags text[], doc jsonb, key uuid);
insert into things values
    (1, 'plain', 1.50, true, '2024-02-29', '2024-02-29 12:34:56.789+00', '\x0001ff', '{a,b}', '{"a": 1}',
     'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
    (2, 'ünïcödé ☃', 12345678.99, false, '1999-12-31', '1999-12-31 23:59:59+00', '', '{}', '[]', null),
    (3, '', null, null, null, null, null, null, null, null);
create table notes (id serial primary key, t text);
create table parts (id int primary key, thing_id int references things, label text);
insert into parts select i, 1 + i % 3, 'part ' || i from generate_series(1, 12) i;
