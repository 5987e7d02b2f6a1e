-- What Postgres can do, feature by feature: all of it is deterministic and cached.

-- Dates, times, intervals
SELECT to_char(published_at, 'Day, DD Mon YYYY HH12:MI:SS AM TZ'), to_char(wait, 'HH24:MI'), to_char(views, 'FM999,999'), to_char(price, 'L9999D99') FROM blog_post;
SELECT date_trunc('month', published_at, 'Europe/Berlin'), date_trunc('day', wait), extract(epoch FROM wait), extract(isodow FROM born), date_part('week', created_at) FROM blog_post, blog_author;
SELECT published_at AT TIME ZONE 'America/New_York', created_at AT TIME ZONE 'UTC' AT TIME ZONE 'Asia/Tokyo', timezone('UTC', published_at) FROM blog_post;
SELECT date '2024-02-29' + interval '1 year', timestamp '2024-01-31' + '1 mon'::interval, timestamptz '2024-03-31 01:00:00+01' - interval '90 minutes', interval '1 day' * 3 / 2, -interval '1 day', make_interval(days => 10), justify_interval(interval '25 hours');
SELECT make_timestamptz(2024, 1, 2, 3, 4, 5.6, 'UTC'), make_timestamp(2024, 1, 2, 3, 4, 5), to_timestamp('2024-01-02', 'YYYY-MM-DD'), to_date('02.01.2024', 'DD.MM.YYYY'), isfinite(born), date 'infinity' > born FROM blog_author;
SELECT count(*) FILTER (WHERE published_at >= '2024-01-01' AND published_at < timestamptz '2024-01-01' + interval '1 month'), min(published_at), max(created_at) - min(created_at) FROM blog_post;
SELECT t::date, t::timestamptz FROM generate_series('2024-01-01 00:00'::timestamp, '2024-01-02', interval '6 hours') AS t;
SELECT extract(hour FROM at), at + interval '1 hour', at - time '01:00' FROM blog_post WHERE at BETWEEN '08:00' AND time '17:30';

-- Full text search
SELECT id FROM blog_post WHERE to_tsvector('english', coalesce(title, '') || ' ' || coalesce(body, '')) @@ to_tsquery('english', 'cat & !dog');
SELECT id, ts_rank_cd(search, q) AS rank FROM blog_post, websearch_to_tsquery('english', 'fat -rat') AS q WHERE search @@ q ORDER BY rank DESC LIMIT 10;
SELECT ts_headline('english', body, q, 'StartSel=<b>, StopSel=</b>') FROM blog_post, plainto_tsquery('english', $1) q WHERE search @@ q;
SELECT setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', body), 'B'), tsvector_to_array(search), ts_filter(search, '{a}'), querytree(to_tsquery('a & b')), to_tsvector('english', meta), array_to_tsvector(tags) FROM blog_post;
SELECT id FROM blog_post WHERE search @@ phraseto_tsquery('english', 'fat cats') AND search @@ 'a:*'::tsquery;

-- Aggregates, groups, windows
SELECT department, string_agg(name, ', ' ORDER BY salary DESC, name), array_agg(DISTINCT salary ORDER BY salary), json_agg(employee ORDER BY id), json_object_agg(name, salary), xmlagg(xmlelement(name e, name) ORDER BY id) FROM employee GROUP BY department;
SELECT percentile_cont(ARRAY[0.25, 0.5]) WITHIN GROUP (ORDER BY salary), percentile_disc(0.9) WITHIN GROUP (ORDER BY hired), rank(5) WITHIN GROUP (ORDER BY salary), regr_slope(salary, id), covar_pop(salary, id), var_samp(salary) FROM employee;
SELECT department, extract(year FROM hired) AS y, sum(salary) FROM employee GROUP BY ROLLUP (department, y), CUBE (manager_id) ORDER BY 1, 2;
SELECT department, count(*) FROM employee GROUP BY DISTINCT GROUPING SETS ((department), (department, hired), ()) HAVING grouping(department) = 0;
SELECT sum(salary) OVER w, lead(name, 2, 'none') OVER w, cume_dist() OVER w, max(salary) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW), count(*) OVER (ORDER BY hired GROUPS 2 PRECEDING) FROM employee WINDOW w AS (PARTITION BY department ORDER BY hired);
SELECT count(*) FILTER (WHERE salary > 10), bool_or(salary IS NULL) FILTER (WHERE department = 'x'), range_agg(span), max(ip), any_value FROM blog_post, employee, (SELECT 1 AS any_value) v GROUP BY any_value;

-- Sets and JSON
SELECT n, n * n FROM generate_series(1, 10, 2) AS n;
SELECT * FROM generate_series(1, 3) a CROSS JOIN generate_series(1, 3) WITH ORDINALITY AS b(x, o);
SELECT row_to_json(e), row_to_json(ROW(1, 'a')), to_json(e.*), json_build_array(1, e.name) FROM employee e;
SELECT jsonb_path_query_array(meta, '$.a[*] ? (@.b > $x)', '{"x": 1}'), jsonb_path_query_first(meta, '$.a'), jsonb_insert(meta, '{a,0}', '1'), meta #- '{a}', jsonb_path_match(meta, '$.a == 1') FROM blog_post;
SELECT json_array_length(raw), json_extract_path_text(raw, 'a', 'b'), json_each.key FROM blog_post, json_each(raw);
SELECT k FROM blog_post, jsonb_object_keys(meta) AS k;
SELECT array_agg(x) FROM unnest(ARRAY[3, 1, 2]) AS t(x) WHERE x > 1;
SELECT array_cat(ratings, '{1}'), array_dims(ratings), array_fill(0, ARRAY[3]), array_prepend(1, ratings), array_replace(tags, 'a', 'b'), array_positions(tags, 'x'), array_ndims(ratings), trim_array(ratings, 1), ratings[:2], tags @> '{a}' FROM blog_post;
SELECT a.x, b.y FROM ROWS FROM (unnest(ARRAY[1, 2]), generate_series(1, 3)) AS a(x, y), (VALUES (1), (2)) AS b(y);

-- Rows that are cut off, in order or not: which ones is the database's own choice
SELECT id FROM blog_post LIMIT 5;
SELECT id FROM blog_post ORDER BY views LIMIT 5 OFFSET 2;
SELECT id FROM blog_post ORDER BY views DESC NULLS LAST FETCH FIRST 5 ROWS ONLY;
SELECT id FROM blog_post ORDER BY views FETCH FIRST ROW WITH TIES;
SELECT DISTINCT ON (author_id) id FROM blog_post;

-- Types of users
SELECT mood, mood::text, enum_range(NULL::mood), enum_first(mood), mood < 'happy', array_agg(mood), 'sad'::mood = ANY (ARRAY['ok', 'sad']::mood[]) FROM blog_author GROUP BY mood;
SELECT id, zip, zip || '-', length(zip), price FROM addresses WHERE zip = '12345' AND price > 3;
SELECT id, zip::text, max(zip) OVER () FROM addresses WHERE zip LIKE '1%' ORDER BY zip;
SELECT id, during * tstzrange('2024-01-01', NULL), during -|- tstzrange('2024-01-01', '2024-01-02'), span << int4range(1, 2), lower_inc(span), range_merge(span, int4range(3, 4)), multirange(span), int4multirange(span) @> 3 FROM blog_post WHERE during && '[2024-01-01,2024-02-01)'::tstzrange;
SELECT numrange(1.5, 2.5, '[]') @> 2.0, daterange('2024-01-01', '2024-01-31') @> date '2024-01-15', upper(daterange('2024-01-01', '2024-01-31', '[]')), unnest('{[1,3),[5,7)}'::int4multirange);

-- Text and numbers
SELECT regexp_replace(title, '(\w+)', '<\1>', 'g'), regexp_match(title, 'a(b)?'), regexp_split_to_table(title, '\s'), substring(title FROM 'a.c'), title ~ '^\d+$', regexp_count(title, 'a'), regexp_like(title, 'a'), string_to_table('a,b', ','), unistr('\0041'), normalize(title), title IS NORMALIZED, convert_from(convert_to(title, 'UTF8'), 'UTF8') FROM blog_post;
SELECT format('%s %I %L', title, 'a b', slug), concat_ws(',', title, NULL, views), rpad(title, 10, '-'), repeat('x', 3), strpos(title, 'a'), char_length(title), octet_length(title), bit_length(title), quote_ident(title), to_hex(views), encode(blob, 'base64'), decode('00', 'hex'), parse_ident('a.b') FROM blog_post;
SELECT factorial(5), gcd(12, 8), lcm(4, 6), exp(1), ln(2), log(2, 8), pi(), degrees(1), sin(0), atan2(1, 2), cbrt(27), scale(price), min_scale(price), trim_scale(price), round(score), random.n FROM blog_post, blog_author, (SELECT 1 AS n) random;
SELECT inet '10.0.0.1' + 5, network(ip), set_masklen(ip, 16), abbrev(ip), family(ip), ip::text, macaddr '08:00:2b:01:02:03', '1'::bit(3) | B'010', get_bit(blob, 0), point(1, 2) <-> point(3, 4), box '((0,0),(1,1))' @> point '(0.5,0.5)', 1.5::money FROM blog_post;
SELECT uuid '00000000-0000-0000-0000-000000000001' < public_id, public_id::text FROM blog_post;
