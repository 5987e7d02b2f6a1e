-- Deterministic statements as applications send them: all are cached.

-- Django
SELECT "blog_post"."id", "blog_post"."title", "blog_post"."author_id" FROM "blog_post" WHERE "blog_post"."id" = 7 LIMIT 21;
SELECT "blog_post"."id" FROM "blog_post" INNER JOIN "blog_author" ON ("blog_post"."author_id" = "blog_author"."id") WHERE ("blog_author"."name" = 'x' AND "blog_post"."published_at" >= '2024-01-01T00:00:00+00:00'::timestamptz) ORDER BY "blog_post"."published_at" DESC, "blog_post"."id" ASC LIMIT 10 OFFSET 20;
SELECT COUNT(*) AS "__count" FROM "blog_post";
SELECT 1 AS "a" FROM "blog_post" WHERE "blog_post"."slug" = 'x' LIMIT 1;
SELECT (1) AS "a" FROM "blog_post" WHERE "blog_post"."author_id" IN (1, 2, 3) LIMIT 1;
SELECT "blog_post"."id" FROM "blog_post" WHERE UPPER("blog_post"."title"::text) LIKE UPPER('%x%');
SELECT "blog_post"."id" FROM "blog_post" WHERE UPPER("blog_post"."title"::text) = UPPER($1);
SELECT "blog_post"."id" FROM "blog_post" WHERE "blog_post"."title"::text LIKE REPLACE(REPLACE(REPLACE(("blog_post"."slug"), E'\\', E'\\\\'), E'%', E'\\%'), E'_', E'\\_') || '%';
SELECT "blog_post"."id" FROM "blog_post" WHERE "blog_post"."title"::text ~ '^a' AND "blog_post"."slug"::text ~* 'b$';
SELECT DISTINCT "blog_author"."id", "blog_author"."name" FROM "blog_author" LEFT OUTER JOIN "blog_post" ON ("blog_author"."id" = "blog_post"."author_id") WHERE NOT ("blog_post"."id" IS NULL);
SELECT "blog_author"."id", COUNT("blog_post"."id") AS "n" FROM "blog_author" LEFT OUTER JOIN "blog_post" ON ("blog_author"."id" = "blog_post"."author_id") GROUP BY "blog_author"."id" HAVING COUNT("blog_post"."id") > 3 ORDER BY "n" DESC;
SELECT COUNT(*) FROM (SELECT DISTINCT "blog_post"."author_id" AS "col1" FROM "blog_post") subquery;
SELECT AVG("blog_post"."price") AS "price__avg", MAX("blog_post"."views") AS "m" FROM "blog_post";
SELECT "blog_post"."id" FROM "blog_post" WHERE EXISTS(SELECT 1 AS "a" FROM "blog_comment" U0 WHERE U0."post_id" = ("blog_post"."id") LIMIT 1);
SELECT "blog_post"."id", (SELECT U0."created_at" FROM "blog_comment" U0 WHERE U0."post_id" = ("blog_post"."id") ORDER BY U0."created_at" DESC LIMIT 1) AS "last" FROM "blog_post";
SELECT DISTINCT ON ("blog_post"."author_id") "blog_post"."id", "blog_post"."author_id" FROM "blog_post" ORDER BY "blog_post"."author_id" ASC, "blog_post"."published_at" DESC;
SELECT "blog_post"."id" FROM "blog_post" WHERE EXTRACT(YEAR FROM "blog_post"."published_at" AT TIME ZONE 'UTC') = 2024;
SELECT DATE_TRUNC('month', "blog_post"."published_at" AT TIME ZONE 'Europe/Berlin') AS "m", COUNT(*) FROM "blog_post" GROUP BY 1;
SELECT ("blog_post"."published_at" AT TIME ZONE 'UTC')::date AS "d" FROM "blog_post" WHERE ("blog_post"."published_at" AT TIME ZONE 'UTC')::date = '2024-01-01'::date;
SELECT "blog_post"."id" FROM "blog_post" WHERE ("blog_post"."meta" -> 'a') = '1'::jsonb;
SELECT "blog_post"."id" FROM "blog_post" WHERE ("blog_post"."meta" #> '{a,b}') = '"x"';
SELECT "blog_post"."id" FROM "blog_post" WHERE UPPER(("blog_post"."meta" #>> '{a,b}')::text) LIKE UPPER('%x%') AND "blog_post"."meta" ? 'k';
SELECT "blog_post"."id" FROM "blog_post" WHERE "blog_post"."meta" @> '{"a": 1}'::jsonb AND "blog_post"."tags" && ARRAY['x']::text[];
SELECT CASE WHEN "blog_post"."views" > 10 THEN 'hot' WHEN "blog_post"."views" IS NULL THEN NULL ELSE 'cold' END AS "t" FROM "blog_post";
SELECT COALESCE("blog_post"."title", 'none') AS "c", ("blog_post"."views" + 1) AS "v", CONCAT("blog_post"."title", "blog_post"."slug") AS "x" FROM "blog_post";
SELECT "auth_user"."id", "auth_user"."last_login", "auth_user"."is_active" FROM "auth_user" WHERE ("auth_user"."username" = $1 AND "auth_user"."is_active") LIMIT $2;
SELECT "blog_post"."id" FROM "blog_post" WHERE to_tsvector(COALESCE("blog_post"."title", '')) @@ (plainto_tsquery('x')) = true;
SELECT ts_rank("search", to_tsquery('english', 'a & b')) AS r FROM blog_post WHERE "search" @@ to_tsquery('english', 'a & b') ORDER BY r DESC;

SELECT id FROM blog_post WHERE title ILIKE '%know%' OR slug = 'snowing-todays-nowhere' OR body = E'a\\nb';

-- Rails (ActiveRecord)
SELECT "tags".* FROM "tags" WHERE "tags"."id" = $1 LIMIT $2;
SELECT "tags"."id" AS t0_r0, "tags"."label" AS t0_r1, "post_tags"."post_id" AS t1_r0 FROM "tags" LEFT OUTER JOIN "post_tags" ON "post_tags"."tag_id" = "tags"."id" WHERE "post_tags"."post_id" IN ($1, $2, $3);
SELECT 1 AS one FROM "auth_user" WHERE "auth_user"."username" = $1 LIMIT $2;
SELECT COUNT(*) FROM "blog_post" WHERE "blog_post"."author_id" = $1 AND "blog_post"."published_at" IS NOT NULL;
SELECT COUNT(count_column) FROM (SELECT 1 AS count_column FROM "blog_post" LIMIT $1 OFFSET $2) subquery_for_count;
SELECT SUM("blog_post"."price") AS "sum_price", "blog_post"."author_id" AS "blog_post_author_id" FROM "blog_post" GROUP BY "blog_post"."author_id";
SELECT "blog_post".* FROM "blog_post" WHERE "blog_post"."published_at" BETWEEN $1 AND $2 ORDER BY "blog_post"."id" ASC LIMIT $3;
SELECT "blog_post".* FROM "blog_post" WHERE (title ILIKE '%x%') AND "blog_post"."views" >= 5 AND "blog_post"."status" != 2;
SELECT "blog_post".* FROM "blog_post" WHERE "blog_post"."tags" @> '{x}' AND ('y' = ANY("blog_post"."tags")) AND NOT ("blog_post"."ratings" <@ '{1,2}');
SELECT "auth_user".* FROM "auth_user" WHERE "auth_user"."id" = $1 ORDER BY "auth_user"."id" ASC LIMIT $2 /*application:Shop,controller:users,action:show*/;
SELECT MAX("blog_post"."id") FROM "blog_post" WHERE "blog_post"."id" > ALL (SELECT post_id FROM blog_comment);
SELECT DISTINCT "blog_post"."published_at" AS alias_0, "blog_post"."id" FROM "blog_post" ORDER BY "blog_post"."published_at" DESC LIMIT $1;

-- SQLAlchemy
SELECT blog_post.id AS blog_post_id, blog_post.title AS blog_post_title FROM blog_post WHERE blog_post.id = $1::INTEGER;
SELECT anon_1.id, anon_1.n FROM (SELECT blog_post.id AS id, count(blog_comment.id) AS n FROM blog_post LEFT OUTER JOIN blog_comment ON blog_post.id = blog_comment.post_id GROUP BY blog_post.id) AS anon_1 WHERE anon_1.n > $1::INTEGER ORDER BY anon_1.n DESC LIMIT $2::INTEGER OFFSET $3::INTEGER;
SELECT EXISTS (SELECT * FROM blog_post WHERE blog_post.slug = $1::VARCHAR) AS anon_1;
SELECT blog_post.id FROM blog_post WHERE lower(blog_post.title) LIKE lower($1::VARCHAR) AND blog_post.id IN (SELECT blog_comment.post_id FROM blog_comment) AND blog_post.status IN ($2::SMALLINT, $3::SMALLINT);
SELECT CAST(blog_post.views AS VARCHAR) AS v, CAST(blog_post.price AS NUMERIC(10, 2)) AS p, blog_post.title || ' ' || blog_post.slug AS anon_1 FROM blog_post;
SELECT blog_post.meta ->> 'a' AS x, CAST(blog_post.meta ->> 'n' AS INTEGER) AS n, jsonb_array_length(blog_post.meta -> 'l') AS l FROM blog_post;
SELECT blog_author.mood FROM blog_author WHERE blog_author.mood = $1::mood OR blog_author.mood IN ('sad', 'ok') ORDER BY blog_author.mood;
WITH top AS MATERIALIZED (SELECT blog_post.author_id AS author_id, sum(blog_post.views) AS total FROM blog_post GROUP BY blog_post.author_id) SELECT blog_author.name, top.total FROM blog_author JOIN top ON top.author_id = blog_author.id;
SELECT row_number() OVER (PARTITION BY blog_post.author_id ORDER BY blog_post.views DESC) AS rn, lag(blog_post.views, 1) OVER w AS prev FROM blog_post WINDOW w AS (ORDER BY blog_post.id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);
SELECT blog_post.id FROM blog_post WHERE (blog_post.author_id, blog_post.id) > ($1, $2) ORDER BY blog_post.author_id, blog_post.id LIMIT 10;

-- JSON and arrays
SELECT json_build_object('id', id, 'title', title, 'tags', to_json(tags)) FROM blog_post;
SELECT jsonb_build_object('a', views, 'b', jsonb_build_array(1, 'x')), to_jsonb(tags), row_to_json(b) FROM blog_post b;
SELECT json_agg(t ORDER BY t.label) FROM tags t;
SELECT jsonb_agg(jsonb_build_object('id', id)) FILTER (WHERE id > 3), jsonb_object_agg(label, id) FROM tags;
SELECT coalesce(json_agg(row_to_json(x)), '[]'::json) FROM (SELECT id, label FROM tags ORDER BY id LIMIT 5) x;
SELECT meta -> 'a' -> 0, meta #>> '{a,0}', raw ->> 'k', meta - 'x', meta || '{"y": 1}', jsonb_set(meta, '{a}', '2') FROM blog_post WHERE meta ?| array['a', 'b'] AND meta ?& array['a'];
SELECT jsonb_path_query(meta, '$.a[*] ? (@ > 1)'), jsonb_path_exists(meta, '$.b'), meta @? '$.c', meta @@ '$.d > 1' FROM blog_post;
SELECT key, value FROM blog_post, jsonb_each_text(meta);
SELECT e.value ->> 'x' FROM blog_post p CROSS JOIN LATERAL jsonb_array_elements(p.meta -> 'items') AS e(value);
SELECT x.a, x.b FROM blog_post, jsonb_to_record(meta) AS x(a int, b text);
SELECT * FROM jsonb_to_recordset('[{"a": 1}]') AS r(a int, b numeric);
SELECT jsonb_pretty(meta), jsonb_typeof(meta), jsonb_strip_nulls(meta), json_typeof(raw), jsonb_object_keys(meta) FROM blog_post;
SELECT array_agg(id ORDER BY id), string_agg(DISTINCT label, ', '), array_to_string(array_agg(label), ',') FROM tags;
SELECT unnest(tags), cardinality(tags), tags[1], tags[1:2], array_length(tags, 1), tags || 'x'::text, array_append(ratings, 1), array_position(tags, 'x'), array_remove(tags, 'y') FROM blog_post;
SELECT id FROM blog_post WHERE id = ANY($1::bigint[]) OR id = ANY(ARRAY[1, 2]::bigint[]) OR views <> ALL('{1,2}');
SELECT ARRAY(SELECT id FROM tags ORDER BY id), ARRAY[[1, 2], [3, 4]];
SELECT u.tag, u.n FROM blog_post, unnest(tags) WITH ORDINALITY AS u(tag, n);
SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b'])) AS f(n, s);
SELECT string_to_array('a,b', ','), regexp_split_to_array('a b', ' '), (regexp_matches('abc', 'b'))[1], regexp_replace(title, 'a', 'b', 'g') FROM blog_post;

-- Dates
SELECT generate_series(date '2024-01-01', date '2024-02-01', interval '1 day');
SELECT d::date FROM generate_series('2024-01-01'::timestamp, '2024-01-31'::timestamp, '1 day'::interval) d;
SELECT date_trunc('hour', published_at), date_part('dow', published_at), extract(epoch FROM published_at), to_char(published_at, 'YYYY-MM-DD HH24:MI') FROM blog_post;
SELECT published_at + interval '1 day', published_at - interval '2 hours', published_at - created_at, born - 3, born + 1, date '2024-05-01' - born FROM blog_post, blog_author;
SELECT published_at::date, created_at::timestamptz, born::timestamp, wait * 2, justify_days(wait), make_date(2024, 1, 2), to_date('2024', 'YYYY'), to_timestamp(0) FROM blog_post, blog_author;
SELECT id FROM blog_post WHERE published_at >= '2024-01-01' AND published_at < '2024-02-01'::timestamptz AND created_at BETWEEN timestamp '2024-01-01' AND timestamp '2024-02-01 00:00' AND at > '10:00';
SELECT (published_at, interval '1 hour') OVERLAPS (timestamptz '2024-01-01 UTC', timestamptz '2024-01-02 UTC'), date_bin('15 minutes', published_at, timestamptz '2001-01-01 UTC') FROM blog_post;
SELECT age(timestamp '2024-05-01', timestamp '2024-01-01'), age(born, date '2020-01-01') FROM blog_author;
SELECT count(*) FROM measurements WHERE at >= $1 AND at < $2 AND device = $3 GROUP BY date_trunc('day', at);

-- Ranges, networks, text, numbers
SELECT during && tstzrange('2024-01-01', '2024-02-01'), lower(span), span @> 3, int4range(1, 5) * span, isempty(span), upper_inf(during) FROM blog_post;
SELECT host(ip), ip << inet '10.0.0.0/8', masklen(ip), public_id, public_id = $1::uuid, flags & B'1010', encode(blob, 'hex'), length(blob), sha256(blob) FROM blog_post;
SELECT upper(title), initcap(title), lpad(title, 5), trim(both ' ' from title), position('a' in title), overlay(title placing 'x' from 1), split_part(title, ' ', 1), left(title, 3), reverse(title), format('%s-%s', title, slug), quote_literal(title), md5(title), translate(title, 'a', 'b'), ascii(title), chr(65), starts_with(title, 'a') FROM blog_post;
SELECT round(price, 1), ceil(price), floor(score), abs(-1), sqrt(2), power(2, 3), mod(views, 3), views % 10, trunc(price), greatest(views, 1), least(1, 2), nullif(views, 0), width_bucket(price, 0, 10, 5), div(7, 2), sign(score), 5 / 2.0, |/ 4, @ -5 FROM blog_post, blog_author;
SELECT title COLLATE "C" FROM blog_post ORDER BY title COLLATE "C" NULLS LAST;
SELECT title LIKE 'a%' ESCAPE '!', title SIMILAR TO '(a|b)%', title IS DISTINCT FROM slug, title NOT ILIKE '%z', views IS NOT NULL, (views > 1) IS TRUE FROM blog_post;
SELECT to_tsvector('english', body) @@ websearch_to_tsquery('english', 'a b'), ts_headline('english', body, to_tsquery('english', 'a')), setweight(search, 'A'), ts_rank_cd(search, plainto_tsquery('simple', 'x')), phraseto_tsquery('a b'), numnode('a & b'::tsquery) FROM blog_post;
SELECT 'a & b'::tsquery && 'c'::tsquery, strip(search), search || to_tsvector('x') FROM blog_post;

-- Set operations, groups, windows, recursion
SELECT id FROM tags UNION ALL SELECT tag_id FROM post_tags EXCEPT SELECT 3 INTERSECT SELECT 4 ORDER BY 1;
VALUES (1, 'a'), (2, 'b') ORDER BY 1;
SELECT v.id, v.s FROM (VALUES (1, 'a'), (2, 'b')) AS v(id, s) JOIN tags USING (id);
TABLE tags;
(SELECT id FROM tags ORDER BY id LIMIT 1) UNION (SELECT id FROM tags ORDER BY id DESC LIMIT 1);
SELECT department, hired, sum(salary), grouping(department, hired) FROM employee GROUP BY GROUPING SETS ((department, hired), (department), ());
SELECT department, count(*) FROM employee GROUP BY CUBE (department, hired) HAVING count(*) > 1;
SELECT department, percentile_cont(0.5) WITHIN GROUP (ORDER BY salary), mode() WITHIN GROUP (ORDER BY name), stddev(salary), corr(salary, id), bool_and(salary > 1), every(id > 0), bit_or(id), array_agg(name) FROM employee GROUP BY department;
SELECT name, first_value(salary) OVER w, ntile(4) OVER w, dense_rank() OVER w, sum(salary) OVER (ORDER BY hired RANGE BETWEEN interval '1 year' PRECEDING AND CURRENT ROW), count(*) FILTER (WHERE salary > 10) OVER (PARTITION BY department) FROM employee WINDOW w AS (PARTITION BY department ORDER BY salary DESC);
WITH RECURSIVE t(id, path) AS (SELECT id, ARRAY[id] FROM employee WHERE manager_id IS NULL UNION ALL SELECT e.id, t.path || e.id FROM employee e JOIN t ON e.manager_id = t.id WHERE NOT e.id = ANY(t.path)) SELECT * FROM t;
WITH RECURSIVE t(n) AS (VALUES (1) UNION SELECT n + 1 FROM t WHERE n < 10) SELECT sum(n) FROM t;
WITH a AS (SELECT 1 AS x), b AS NOT MATERIALIZED (SELECT x + 1 AS y FROM a) SELECT * FROM a, b;
SELECT e.name, m.name FROM employee e LEFT JOIN LATERAL (SELECT name FROM employee m WHERE m.id = e.manager_id) m ON true;
SELECT * FROM employee e NATURAL JOIN (SELECT id, department FROM employee) d FULL JOIN tags t ON t.id = e.id;
SELECT id FROM employee ORDER BY salary FETCH FIRST 3 ROWS WITH TIES;
SELECT employee.* FROM employee WHERE ROW(id, department) = ROW(1, 'x') OR (id, name) IN ((1, 'a'), (2, 'b'));
SELECT (e).name FROM employee e;
SELECT e FROM employee e WHERE e.id = 1;
SELECT count(*), count(e), count(DISTINCT e.department) FROM employee e;
SELECT id FROM employee WHERE salary > (SELECT avg(salary) FROM employee) AND salary >= SOME (SELECT salary FROM employee);
SELECT sum(n) FROM counters;

-- Views, partitions, inheritance
SELECT * FROM published WHERE title LIKE 'a%';
SELECT * FROM post_counts ORDER BY posts DESC LIMIT 5;
SELECT * FROM ranked WHERE place = 1;
SELECT * FROM chain;
SELECT * FROM post_totals;
SELECT at, value FROM measurements WHERE at >= '2024-05-01' ORDER BY at;
SELECT * FROM measurements_2024;
SELECT name FROM cities;
SELECT name FROM ONLY cities;
SELECT * FROM public.capitals;

-- XML
SELECT xmlelement(name post, xmlattributes(id AS id), title), xmlforest(title, slug), xmlconcat(doc, '<a/>') FROM blog_post;
SELECT xpath('/a/text()', doc), xmlserialize(content doc AS text), doc IS DOCUMENT, xmlparse(document '<a/>'), xmlagg(doc) OVER () FROM blog_post;
SELECT x.* FROM blog_post, XMLTABLE('/rows/row' PASSING doc COLUMNS id int PATH '@id', name text PATH 'name' DEFAULT 'none', n FOR ORDINALITY) AS x;
