-- More of what applications send, library by library: all of it is deterministic and cached.

-- Django: the admin, pagination, aggregates, annotations, subqueries
SELECT COUNT(*) AS "__count" FROM "blog_post" WHERE ("blog_post"."title"::text ILIKE '%x%' OR "blog_post"."slug"::text ILIKE '%x%');
SELECT "blog_post"."id", "blog_post"."title", "blog_author"."id", "blog_author"."name" FROM "blog_post" LEFT OUTER JOIN "blog_author" ON ("blog_post"."author_id" = "blog_author"."id") ORDER BY "blog_post"."id" DESC LIMIT 100;
SELECT "blog_post"."id", "blog_post"."title" FROM "blog_post" WHERE "blog_post"."status" IN (SELECT DISTINCT U0."status" FROM "blog_post" U0 WHERE U0."views" > 3) ORDER BY "blog_post"."title" ASC NULLS FIRST LIMIT 25 OFFSET 25;
SELECT (EXTRACT(YEAR FROM MIN("blog_post"."published_at" AT TIME ZONE 'UTC'))) AS "first", MAX("blog_post"."published_at") AS "last" FROM "blog_post";
SELECT DISTINCT DATE_TRUNC('year', "blog_post"."published_at" AT TIME ZONE 'UTC') AS "datetimefield" FROM "blog_post" WHERE "blog_post"."published_at" IS NOT NULL ORDER BY 1 ASC;
SELECT "blog_author"."id", COUNT(DISTINCT "blog_post"."id") FILTER (WHERE "blog_post"."views" >= 10) AS "popular", SUM(CASE WHEN "blog_post"."status" = 1 THEN 1 ELSE 0 END) AS "open" FROM "blog_author" LEFT OUTER JOIN "blog_post" ON "blog_author"."id" = "blog_post"."author_id" GROUP BY "blog_author"."id", "blog_author"."name";
SELECT "blog_post"."id", EXISTS(SELECT 1 AS "a" FROM "blog_comment" U0 WHERE U0."post_id" = "blog_post"."id" LIMIT 1) AS "has_comments" FROM "blog_post" WHERE NOT EXISTS(SELECT 1 AS "a" FROM "post_tags" U0 WHERE U0."post_id" = "blog_post"."id" LIMIT 1);
SELECT "blog_post"."id", COALESCE((SELECT COUNT(*) AS "c" FROM "blog_comment" U0 WHERE U0."post_id" = ("blog_post"."id") GROUP BY U0."post_id"), 0) AS "n" FROM "blog_post" ORDER BY "n" DESC, "blog_post"."id" ASC LIMIT 20;
SELECT "blog_post"."id", ROW_NUMBER() OVER (PARTITION BY "blog_post"."author_id" ORDER BY "blog_post"."published_at" DESC) AS "rank", AVG("blog_post"."price") OVER (ORDER BY "blog_post"."id" ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS "mean" FROM "blog_post";
SELECT * FROM (SELECT "blog_post"."id" AS "col1", ROW_NUMBER() OVER (PARTITION BY "blog_post"."author_id" ORDER BY "blog_post"."id") AS "qual0" FROM "blog_post") "qualify" WHERE "qual0" <= 3;
SELECT ("blog_post"."price" * 1.19)::numeric(10, 2) AS "gross", ROUND("blog_post"."price"::numeric, 1) AS "r", LENGTH("blog_post"."title") AS "l", LOWER("blog_post"."title") AS "low", LEFT("blog_post"."title", 10) AS "start", SUBSTRING("blog_post"."title", 1, 5) AS "sub" FROM "blog_post";
SELECT "blog_post"."id" FROM "blog_post" WHERE ("blog_post"."published_at" + INTERVAL '7 days') > '2024-01-01T00:00:00+00:00'::timestamptz;
SELECT "blog_post"."id" FROM "blog_post" WHERE "blog_post"."published_at" BETWEEN '2024-01-01 00:00:00+00:00'::timestamptz AND '2024-12-31 23:59:59.999999+00:00'::timestamptz;
SELECT "blog_post"."id" FROM "blog_post" WHERE (EXTRACT(DOW FROM "blog_post"."published_at") = 2) IS NOT TRUE OR "blog_post"."id" = 1;
SELECT "blog_post"."id" FROM "blog_post" WHERE EXTRACT('month' FROM "blog_post"."published_at" AT TIME ZONE 'Europe/Berlin') = 5 AND EXTRACT(dow FROM "blog_post"."created_at") + 1 = 2;
SELECT "blog_post"."id" FROM "blog_post" WHERE "blog_post"."meta" @> '{"owner": {"name": "x"}}'::jsonb AND NOT ("blog_post"."meta" ? 'deleted') AND ("blog_post"."meta" #>> ARRAY['owner','age'])::int > 3;
SELECT "blog_post"."id" FROM "blog_post" WHERE CASE WHEN (jsonb_typeof("blog_post"."meta" -> 'a') = 'array') THEN jsonb_array_length("blog_post"."meta" -> 'a') ELSE NULL END = 2;
SELECT ARRAY_AGG("tags"."label" ORDER BY "tags"."label") AS "labels", STRING_AGG("tags"."label", ', ' ORDER BY "tags"."id" DESC) AS "s", BOOL_OR("tags"."id" > 3) AS "b", JSONB_AGG("tags"."label") AS "j" FROM "tags";
SELECT ts_rank(to_tsvector('english'::regconfig, COALESCE("blog_post"."title", '') || ' ' || COALESCE("blog_post"."body", '')), plainto_tsquery('english'::regconfig, 'cats')) AS "rank" FROM "blog_post" WHERE to_tsvector('english'::regconfig, COALESCE("blog_post"."title", '')) @@ (plainto_tsquery('english'::regconfig, 'cats')) ORDER BY "rank" DESC;
(SELECT "tags"."id" AS "col1" FROM "tags" WHERE "tags"."id" > 1) UNION (SELECT "post_tags"."tag_id" AS "col1" FROM "post_tags") ORDER BY "col1" ASC LIMIT 3;
SELECT "blog_author"."id" FROM "blog_author" WHERE "blog_author"."mood" IN ('sad', 'ok') AND "blog_author"."mood" >= 'ok'::mood ORDER BY "blog_author"."mood" DESC;
SELECT "post_tags"."tag_id", "tags"."label" FROM "tags" INNER JOIN "post_tags" ON ("tags"."id" = "post_tags"."tag_id") WHERE "post_tags"."post_id" IN (1, 2, 3, 4, 5);
SELECT (1) AS "a" FROM "auth_user" WHERE ("auth_user"."username" = 'x' AND NOT ("auth_user"."id" = 3)) LIMIT 1;
SELECT "blog_author"."id", ("blog_author"."score" - LAG("blog_author"."score", 1) OVER (ORDER BY "blog_author"."born")) AS "change", MD5("blog_author"."name") AS "h" FROM "blog_author" WHERE "blog_author"."born" >= '1990-01-01'::date;

-- Rails: includes, joins, pluck, enum, jsonb, array
SELECT "blog_comment".* FROM "blog_comment" WHERE "blog_comment"."post_id" IN ($1, $2, $3, $4, $5) ORDER BY "blog_comment"."created_at" ASC;
SELECT DISTINCT "blog_post"."id", "blog_post"."title" FROM "blog_post" INNER JOIN "blog_comment" ON "blog_comment"."post_id" = "blog_post"."id" LEFT OUTER JOIN "blog_author" ON "blog_author"."id" = "blog_post"."author_id" WHERE "blog_author"."name" = $1 AND "blog_post"."status" = $2;
SELECT "blog_post"."id", "blog_post"."title" FROM "blog_post" WHERE "blog_post"."status" IN (0, 2) AND "blog_post"."author_id" IS NULL;
SELECT "blog_post".* FROM "blog_post" WHERE (meta->>'color' = 'red') AND (meta @> '{"size":3}') AND (tags && ARRAY['a','b']::text[]) LIMIT 11;
SELECT "blog_post".* FROM "blog_post" WHERE ('x' = ANY (tags)) AND (array_length(tags, 1) > 1) AND (cardinality(ratings) = 0 OR ratings IS NULL);
SELECT COUNT(DISTINCT "blog_post"."id") FROM "blog_post" LEFT OUTER JOIN "post_tags" ON "post_tags"."post_id" = "blog_post"."id" WHERE "post_tags"."post_id" IS NULL;
SELECT AVG("blog_post"."price") FROM "blog_post" WHERE "blog_post"."created_at" BETWEEN '2024-01-01 00:00:00' AND '2024-12-31 23:59:59.999999';
SELECT date_trunc('week', published_at::timestamptz AT TIME ZONE 'Etc/UTC')::timestamptz AS week, COUNT(*) AS count_all FROM "blog_post" WHERE published_at >= '2024-01-01' GROUP BY week ORDER BY week;
SELECT DATE("blog_post"."published_at") AS date_published_at, COUNT(*) AS count_all FROM "blog_post" GROUP BY DATE("blog_post"."published_at");
SELECT to_char("blog_post"."published_at", 'YYYY-MM') AS month, sum(views)::int FROM "blog_post" GROUP BY 1 ORDER BY 1;
SELECT "blog_post".* FROM "blog_post" WHERE "blog_post"."id" > $1 ORDER BY "blog_post"."id" ASC LIMIT $2;
SELECT "blog_post"."author_id" FROM "blog_post" WHERE "blog_post"."published_at" IS NOT NULL GROUP BY "blog_post"."author_id" HAVING (COUNT(*) > 5 AND MAX(views) < 100) ORDER BY COUNT(*) DESC;
SELECT "blog_post".*, (SELECT COUNT(*) FROM blog_comment WHERE blog_comment.post_id = blog_post.id) AS comments_count FROM "blog_post" ORDER BY comments_count DESC NULLS LAST LIMIT 5;
WITH RECURSIVE "thread" AS ((SELECT "blog_comment".* FROM "blog_comment" WHERE "blog_comment"."parent_id" IS NULL) UNION ALL (SELECT "blog_comment".* FROM "blog_comment" INNER JOIN "thread" ON "blog_comment"."parent_id" = "thread"."id")) SELECT "thread".* FROM "thread";
SELECT pg_catalog.count(*), "blog_author"."mood" FROM "blog_author" GROUP BY "blog_author"."mood" ORDER BY array_position(ARRAY['happy','ok','sad']::mood[], "blog_author"."mood");

-- SQLAlchemy: CTEs, windows, lateral, json, selectinload
SELECT blog_comment.post_id AS blog_comment_post_id, blog_comment.id AS blog_comment_id FROM blog_comment WHERE blog_comment.post_id IN ($1::INTEGER, $2::INTEGER, $3::INTEGER);
SELECT blog_post_1.id AS blog_post_1_id, tags_1.label FROM blog_post AS blog_post_1 JOIN post_tags AS post_tags_1 ON blog_post_1.id = post_tags_1.post_id JOIN tags AS tags_1 ON tags_1.id = post_tags_1.tag_id WHERE blog_post_1.id IN (1, 2, 3) ORDER BY tags_1.label;
WITH anon_1 AS (SELECT blog_post.author_id AS author_id, count($1::INTEGER) AS n FROM blog_post GROUP BY blog_post.author_id), anon_2 AS (SELECT max(anon_1.n) AS m FROM anon_1) SELECT anon_1.author_id, anon_1.n FROM anon_1, anon_2 WHERE anon_1.n = anon_2.m;
SELECT blog_author.id, latest.title FROM blog_author JOIN LATERAL (SELECT blog_post.title AS title FROM blog_post WHERE blog_post.author_id = blog_author.id ORDER BY blog_post.published_at DESC LIMIT $1::INTEGER) AS latest ON true;
SELECT anon_1.value AS v FROM blog_post, jsonb_array_elements_text(blog_post.meta -> $1::TEXT) AS anon_1(value) WHERE blog_post.id = $2::INTEGER;
SELECT blog_post.meta[$1::TEXT] AS anon_1 FROM blog_post;
SELECT CAST(blog_post.meta #>> '{a, b}' AS FLOAT) AS anon_1, (blog_post.meta ->> 'flag')::BOOLEAN AS b FROM blog_post WHERE CAST((blog_post.meta ->> 'n') AS INTEGER) = $1::INTEGER;
SELECT sum(blog_post.views) OVER (PARTITION BY blog_post.author_id ORDER BY blog_post.id RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running, percent_rank() OVER (ORDER BY blog_post.views) AS pr, nth_value(blog_post.title, 2) OVER (ORDER BY blog_post.id) AS second FROM blog_post;
SELECT blog_post.id FROM blog_post WHERE blog_post.title IN (SELECT CAST(NULL AS VARCHAR) WHERE 1!=1);
SELECT coalesce(nullif(blog_post.title, $1::VARCHAR), $2::VARCHAR) AS t, CASE blog_post.status WHEN $3::INTEGER THEN 'a' ELSE 'b' END AS s FROM blog_post WHERE blog_post.title NOT LIKE '%' || $4::VARCHAR || '%' ESCAPE '/';
SELECT blog_post.id, aggregate_strings.s FROM blog_post JOIN (SELECT post_tags.post_id AS post_id, string_agg(tags.label, $1::VARCHAR ORDER BY tags.label) AS s FROM post_tags JOIN tags ON tags.id = post_tags.tag_id GROUP BY post_tags.post_id) AS aggregate_strings ON aggregate_strings.post_id = blog_post.id;
SELECT blog_post.id FROM blog_post WHERE blog_post.public_id = $1::UUID AND blog_post.during @> $2::TIMESTAMP WITH TIME ZONE AND blog_post.ip <<= $3::INET;
SELECT count(*) AS count_1 FROM (SELECT blog_post.id AS blog_post_id FROM blog_post WHERE blog_post.views > $1::INTEGER) AS anon_1;
SELECT blog_post.id FROM blog_post WHERE blog_post.tags @> $1::TEXT[] AND blog_post.tags[$2::INTEGER] = $3::TEXT AND $4::INTEGER = ANY (blog_post.ratings);
SELECT DISTINCT ON (blog_post.author_id) blog_post.author_id, blog_post.id FROM blog_post ORDER BY blog_post.author_id, blog_post.published_at DESC;
SELECT v.x, v.y FROM (VALUES ($1::INTEGER, $2::TEXT), ($3::INTEGER, $4::TEXT)) AS v (x, y) WHERE v.x > 0;
SELECT series.d, count(blog_post.id) FROM generate_series($1::TIMESTAMP, $2::TIMESTAMP, '1 day'::INTERVAL) AS series(d) LEFT JOIN blog_post ON date_trunc('day', blog_post.created_at) = series.d GROUP BY series.d ORDER BY series.d;

-- Hibernate
select p1_0.id,p1_0.author_id,p1_0.title from blog_post p1_0 where p1_0.id=$1;
select p1_0.id,p1_0.title from blog_post p1_0 order by p1_0.id offset $1 rows fetch first $2 rows only;
select p1_0.id,p1_0.title from blog_post p1_0 where p1_0.title like $1 escape '' order by p1_0.id desc fetch first 20 rows only;
select a1_0.id,a1_0.name,p1_0.id,p1_0.title from blog_author a1_0 left join blog_post p1_0 on a1_0.id=p1_0.author_id where a1_0.id in ($1,$2,$3,$4);
select count(p1_0.id) from blog_post p1_0 where lower(p1_0.title)=lower($1) and p1_0.status=cast($2 as smallint);
select p1_0.id from blog_post p1_0 where exists(select 1 from blog_comment c1_0 where p1_0.id=c1_0.post_id and c1_0.body is not null) and (p1_0.views between $1 and $2);
select post0_.id as id1_0_, post0_.title as title2_0_ from blog_post post0_ inner join blog_author author1_ on post0_.author_id=author1_.id where author1_.name=$1 order by post0_.published_at desc nulls last limit $2 offset $3;
select extract(year from p1_0.published_at), sum(p1_0.views), cast(sum(p1_0.price) as float8) from blog_post p1_0 group by extract(year from p1_0.published_at) having count(*)>=$1;
select u1_0.id from auth_user u1_0 where (u1_0.username,u1_0.email)=($1,$2);
select case when count(*)>0 then true else false end from auth_user u1_0 where u1_0.username=$1;
select p1_0.id, row_number() over(order by p1_0.id), p1_0.blob, p1_0.public_id from blog_post p1_0 where p1_0.created_at < timestamp '2024-01-01 00:00:00' + interval '3' day;

-- Others: Prisma, Ecto, TypeORM, sqlx, jOOQ, Sequelize, Knex
SELECT "public"."blog_post"."id", "public"."blog_post"."title" FROM "public"."blog_post" WHERE ("public"."blog_post"."id" = $1 AND 1=1) LIMIT $2 OFFSET $3;
SELECT "public"."blog_post"."id" FROM "public"."blog_post" WHERE ("public"."blog_post"."id") IN (SELECT "t1"."post_id" FROM "public"."blog_comment" AS "t1" WHERE ("t1"."body"::text ILIKE $1 AND "t1"."post_id" IS NOT NULL)) ORDER BY "public"."blog_post"."id" ASC OFFSET $2;
SELECT COALESCE(JSONB_AGG("__prisma_data__"), '[]') AS "__prisma_data__" FROM (SELECT "t2"."__prisma_data__" FROM (SELECT JSONB_BUILD_OBJECT('id', "t1"."id", 'title', "t1"."title") AS "__prisma_data__" FROM (SELECT "t0".* FROM "public"."blog_post" AS "t0" WHERE "t0"."author_id" = $1) AS "t1") AS "t2") AS "t3";
SELECT b0."id", b0."title", b0."views" FROM "blog_post" AS b0 WHERE (b0."id" = ANY($1)) AND NOT (b0."published_at" IS NULL) ORDER BY b0."id";
SELECT count('*') FROM "blog_post" AS b0 WHERE (b0."title" ILIKE $1::varchar) AND (b0."created_at" > $2) LIMIT 1;
SELECT "post"."id" AS "post_id", "post"."title" AS "post_title", "author"."id" AS "author_id" FROM "blog_post" "post" LEFT JOIN "blog_author" "author" ON "author"."id"="post"."author_id" WHERE (("post"."status" = $1)) AND ( "post"."id" IN ($2, $3) );
SELECT DISTINCT "distinctAlias"."post_id" AS "ids_post_id" FROM (SELECT "post"."id" AS "post_id" FROM "blog_post" "post" LEFT JOIN "blog_comment" "c" ON "c"."post_id" = "post"."id") "distinctAlias" ORDER BY "post_id" ASC LIMIT 10;
SELECT "Post"."id", "comments"."id" AS "comments.id" FROM (SELECT "Post"."id" FROM "blog_post" AS "Post" WHERE ( SELECT "post_id" FROM "blog_comment" AS "c" WHERE ("c"."post_id" = "Post"."id") LIMIT 1 ) IS NOT NULL ORDER BY "Post"."id" LIMIT 20) AS "Post" LEFT OUTER JOIN "blog_comment" AS "comments" ON "Post"."id" = "comments"."post_id";
select count(*) as "total" from "blog_post" where "title" ilike $1 and "views" between $2 and $3 and ("status" = $4 or "status" is null);
select "t"."id", (select coalesce(json_agg(json_build_object('id', "c"."id", 'body', "c"."body")), '[]'::json) from "blog_comment" as "c" where "c"."post_id" = "t"."id") as "comments" from "blog_post" as "t" where "t"."id" = cast($1 as bigint) fetch next $2 rows only;
