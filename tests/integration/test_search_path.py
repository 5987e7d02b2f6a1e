"""What a session's search_path makes of names: which answers are kept apart, and which writes reach whom."""

import hazard

shared_lab, lab = hazard.laboratory()

TENANTS = ("create schema one; create schema two; create table one.x (a int); create table two.x (a int);"
           "insert into one.x values (1); insert into two.x values (2); grant usage on schema one, two to public;"
           "grant all on one.x, two.x to public")


def test_a_write_of_one_tenant_leaves_the_answers_of_another(lab):
    lab.setup(TENANTS)
    one, two = lab.connect(search_path="one"), lab.connect(search_path="two")
    read = "select a from x"
    assert lab.cached(one, read) == [["1"]]
    assert lab.cached(two, read) == [["2"]]
    one.query("update x set a = 3")
    assert lab.reaches(read, lambda: two.query(read)) == ([["2"]], 0)
    assert lab.reaches(read, lambda: one.query(read)) == ([["3"]], 1)


def test_1_not_2_when_a_session_writes_where_it_has_moved_its_path(lab):
    lab.setup(TENANTS)
    one, two, writer = lab.connect(search_path="one"), lab.connect(search_path="two"), lab.connect(search_path="one")
    read = "select a from x"
    for move, back in (("set search_path = two", "reset search_path"),
                       ("begin; set local search_path = two", "commit"),
                       ("select set_config('search_path', 'two', false)", "discard all")):
        lab.cached(one, read)
        lab.cached(two, read)
        value = str(int(two.query(read)[0][0]) + 1)
        writer.query(move)
        writer.query(f"update x set a = {value}")
        writer.query(back)
        assert two.query(read) == [[value]], move
        assert one.query(read) == [["1"]]
    value = str(int(value) + 1)
    lab.cached(two, read)
    writer.query(f"set search_path = two; update x set a = {value}; reset search_path")
    assert two.query(read) == [[value]]


def test_a_function_of_users_elsewhere_leaves_a_name_to_postgres(lab):
    a = lab.setup("create table x (s text); insert into x values ('A'); create schema other;"
                  "create function other.lower(text) returns text language sql as 'select clock_timestamp()::text';"
                  "create function other.plus(int, int) returns int language sql as 'select 1';"
                  "create operator other.+ (leftarg = int, rightarg = int, function = other.plus)")
    assert lab.cached(a, "select lower(s), 1 + 1 from x") == [["a", "2"]]
    b = lab.connect(search_path="other, pg_catalog, public")
    lab.never_cached(b, "select lower(s), 1 + 1 from x")
    lab.never_cached(a, "select other.lower(s) from x")


def test_1_not_2_when_the_path_of_a_role_moves(lab):
    lab.setup(TENANTS)
    a = lab.connect()
    try:
        a.query("alter role bob set search_path = one")
        assert lab.cached(lab.connect("bob"), "select a from x") == [["1"]]
        a.query("alter role bob set search_path = two")
        bob = lab.connect("bob")
        assert bob.query("select a from x") == lab.cached(bob, "select a from x") == [["2"]]
        bob.query("update x set a = 7")
        assert lab.behind("select (select a from one.x), a from two.x") == [["1", "7"]]
        assert bob.query("select a from x") == [["7"]]
    finally:
        a.query("alter role bob reset search_path")


def test_pg_trgm_leaves_modulo_of_numbers_alone(lab):
    a = lab.setup("create extension pg_trgm; create table x (a int, s text); insert into x values (7, 'abc')")
    assert lab.cached(a, "select a % 4 from x") == [["3"]]
    lab.never_cached(a, "select s % 'abc' from x")
    a.query("drop extension pg_trgm")


def test_a_cast_of_users_spoils_only_where_it_may_apply(lab):
    a = lab.setup("create table x (a int, s text); insert into x values (1, '1');"
                  "create function f(text) returns int language plpgsql as 'begin return 1; end';"
                  "create cast (text as int) with function f(text)")
    assert lab.cached(a, "select 1") == [["1"]]
    assert lab.cached(a, "select a from x where s = '1'") == [["1"]]
    b = lab.connect()
    for _ in range(3):
        assert b.query("select s::int from x") == [["1"]]
    assert lab.reaches("select a from x where s = '1'", lambda: a.query("select a from x where s = '1'"))[0] == [["1"]]
    a.query("drop cast (text as int)")
