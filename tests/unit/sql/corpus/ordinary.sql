SELECT abalance FROM pgbench_accounts WHERE aid = 4711;
%%
UPDATE pgbench_accounts SET abalance = abalance + -512 WHERE aid = 99;
%%
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, -4, CURRENT_TIMESTAMP);
%%
BEGIN; UPDATE t SET a = 1; END;
%%
SELECT "users"."id", "users"."email" FROM "users" WHERE "users"."email" = $1 AND "users"."deleted_at" IS NULL ORDER BY "users"."id" ASC LIMIT $2 /*application:shop,controller:users,action:show*/
%%
SELECT u.id AS u_id, u.name AS u_name
FROM users AS u LEFT OUTER JOIN addresses AS a ON u.id = a.user_id
WHERE u.name LIKE %(name_1)s
%%
select
	l_returnflag, l_linestatus,
	sum(l_quantity) as sum_qty, sum(l_extendedprice) as sum_base_price,
	sum(l_extendedprice * (1 - l_discount)) as sum_disc_price,
	sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) as sum_charge,
	avg(l_quantity) as avg_qty, avg(l_extendedprice) as avg_price, count(*) as count_order
from lineitem
where l_shipdate <= date '1998-12-01' - interval '90 day'
group by l_returnflag, l_linestatus
order by l_returnflag, l_linestatus;
%%
-- the cheapest supplier
select s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
from part, supplier, partsupp, nation, region
where p_partkey = ps_partkey and s_suppkey = ps_suppkey and p_size = 15 and p_type like '%BRASS'
  and s_nationkey = n_nationkey and n_regionkey = r_regionkey and r_name = 'EUROPE'
  and ps_supplycost = ( /* of all in the region */
	select min(ps_supplycost) from partsupp, supplier, nation, region
	where p_partkey = ps_partkey and s_suppkey = ps_suppkey and s_nationkey = n_nationkey
	  and n_regionkey = r_regionkey and r_name = 'EUROPE')
order by s_acctbal desc, n_name, s_name, p_partkey limit 100
%%
SELECT data->>'name', data#>'{a,b}', data @> '{"k": [1, 2]}'::jsonb, data ? 'k', data ?| array['a','b'], data ?& array['c'], data @? '$.a[*] ? (@ > 2)', data #- '{x}' FROM docs WHERE data @@ '$.tags[*] == "x"'
%%
SELECT a[1:2], b[:], (c).d.e, f(g => 1, h := 2), i::numeric(10,2), CAST(j AS text) FROM t
%%
SELECT * FROM t WHERE tsv @@ to_tsquery('english', 'fat & rat') AND x ~* '^a.*b$' AND y !~~* 'z%' AND p <-> q < 5 AND r <@ s AND u && v AND w -|- z
%%
WITH RECURSIVE r(n) AS (VALUES (1) UNION ALL SELECT n+1 FROM r WHERE n < 100) SELECT sum(n) FROM r
%%
CREATE FUNCTION inc(i integer) RETURNS integer AS $body$
BEGIN
  -- not a comment outside; $1 is the argument
  RETURN i + 1; /* 'still' "inside" */
END;
$body$ LANGUAGE plpgsql;
%%
DO $$ DECLARE x text := $q$it's$q$; BEGIN EXECUTE format($f$select %L$f$, x); END $$
%%
SELECT E'line\nbreak', E'it\'s', e'\x41\102\u0043\U00000044', U&'d\0061t\+000061', U&'d!0061t' UESCAPE '!', U&"d\0061ta", B'0101', b'1', X'1FF', x'ab', N'national', n'x'
%%
SELECT 'first line'
       ' and this is a syntax error', 'first'
  'second'
'third', 'a''b'
%%
SELECT 1, -1, +1, - -1, 1.5, .5, 5., 1e10, 1E-10, 1.5e+3, .5e1, 2147483647, 2147483648, 9223372036854775807, 9223372036854775808, 00012
%%
SELECT a-b, a - b, a- -b, a+-b, a*-b, a<-b, a>=-b, a@-b, a<>b, a!=b, a|/b, @-5, |/25, ||/27, 5!, !!5, a~b, a#b, a^b, a%b
%%
FETCH FORWARD 5 FROM c; CLOSE c
%%
COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER true, DELIMITER E'\t')
%%
SET search_path TO "$user", public; SHOW ALL
%%
PREPARE q (int, text) AS SELECT * FROM t WHERE a = $1 AND b = $2; EXECUTE q(1, 'x'); DEALLOCATE q
%%
SELECT größe, "Straße", 名前 FROM tëst WHERE ñ = 'ß€' -- ünïcode
%%
/* pgrecall: window=5s */ SELECT 1
%%
SELECT * FROM t WHERE d > now() - interval '1 day' AND e = 'today' AND f < timestamp 'Yesterday'
%%
INSERT INTO t SELECT * FROM u ON CONFLICT (id) DO UPDATE SET a = excluded.a RETURNING id, a || '-' || b AS "A-B";
%%
SELECT count(*) FILTER (WHERE x > 0) OVER (PARTITION BY y ORDER BY z ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t TABLESAMPLE SYSTEM (1)
%%
EXPLAIN (ANALYZE, BUFFERS) SELECT 1; ; ;
