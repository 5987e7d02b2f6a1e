create table reg (k int primary key, v bigint not null default 0, grp int not null, tag text);
create index on reg (grp);
insert into reg select k, 0, k % 5, 'k' || k from generate_series(1, 40) k;
create table pair_a (k int primary key, v bigint not null default 0);
create table pair_b (k int primary key, v bigint not null default 0);
insert into pair_a select k from generate_series(1, 40) k;
insert into pair_b select k from generate_series(1, 40) k;
create view pair as select k, a.v as av, b.v as bv from pair_a a join pair_b b using (k);
create table twin (k int primary key, v bigint not null default 0);
create table trace (k int primary key, v bigint not null default 0);
insert into twin select k from generate_series(1, 40) k;
insert into trace select k from generate_series(1, 40) k;
create function follow() returns trigger language plpgsql as $$
begin
    update trace set v = new.v where k = new.k;
    return null;
end $$;
create trigger follow after update on twin for each row execute function follow();
create table part (k int, region int, v bigint not null default 0, primary key (k, region)) partition by list (region);
create table part_0 partition of part for values in (0);
create table part_1 partition of part for values in (1);
create table part_2 partition of part for values in (2);
insert into part select k, k % 3, 0 from generate_series(1, 40) k;
create table parent (k int primary key, v bigint not null default 0, unique (k, v));
create table child (k int primary key, v bigint not null, foreign key (k, v) references parent (k, v) on update cascade);
insert into parent select k from generate_series(1, 40) k;
insert into child select k, 0 from generate_series(1, 40) k;
create table diary (k int not null, note text);
create index on diary (k);
create table slow (k int primary key, v bigint not null default 0);
insert into slow select k from generate_series(1, 40) k;
create function linger() returns trigger language plpgsql as $$
begin
    perform pg_sleep(0.03);
    return null;
end $$;
create constraint trigger linger after update on slow deferrable initially deferred
    for each row execute function linger();
create table base (k int primary key, v bigint not null default 0);
create table derived (k int primary key, v bigint not null default 0);
insert into base select k from generate_series(1, 40) k;
insert into derived select k from generate_series(1, 40) k;
create function derive() returns trigger language plpgsql as $$
begin
    update derived set v = v + 1 where k = new.k;
    return null;
end $$;
create function derive_late() returns trigger language plpgsql as $$
begin
    return null;
end $$;
create constraint trigger derive_late after update on base deferrable initially deferred
    for each row execute function derive_late();
create view tagged as select k, v, 0::bigint as tag from reg;
create function bump(key int) returns bigint language sql as
    'update reg set v = v + 1 where k = key returning v';
create table secret (k int primary key, v bigint not null default 0);
insert into secret values (1, 0);
create role consistency_reader login;
grant select on reg, pair, tagged, secret to consistency_reader;
