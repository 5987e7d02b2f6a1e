-- Extensions of contrib: what computes from its arguments is cached.
SELECT email, name FROM members WHERE email = 'A@B.C' AND name <> 'x';
SELECT "members".* FROM "members" WHERE "members"."email" = $1 LIMIT $2;
SELECT email::text, name::citext, 'a'::citext = 'A', max(email), count(DISTINCT email) FROM members WHERE email LIKE 'a%' AND email ~ '^b' GROUP BY email, name ORDER BY email DESC;
SELECT replace(email, 'a', 'b'), split_part(email, '@', 2), lower(email), email || '!', strpos(email, 'x'), regexp_replace(email, 'A', 'b') FROM members;
SELECT id FROM members WHERE email IN ('a', 'b') OR email = ANY ($1::citext[]) OR email = $2::citext;
SELECT attrs -> 'color', attrs ? 'size', attrs @> 'color=>red', attrs || hstore('a', 'b'), akeys(attrs), hstore_to_jsonb(attrs), attrs - 'x'::text, exist(attrs, 'y'), attrs['z'] FROM members WHERE attrs @> 'a=>1' AND attrs ?| ARRAY['a', 'b'];
SELECT (each(attrs)).key, k FROM members, skeys(attrs) AS k;
SELECT path, subpath(path, 0, 1), nlevel(path), lca(path, 'a.b'), path || 'x', index(path, 'b') FROM members WHERE path <@ 'top.science' AND path ~ '*.a.*'::lquery AND path @ 'a & b';
SELECT similarity(name, 'x'), word_similarity('x', name), name <-> 'y', show_trgm(name) FROM members WHERE similarity(name, 'word') > 0.3 ORDER BY name <-> 'word' LIMIT 5;
SELECT unaccent(name), unaccent('unaccent', name) FROM members WHERE unaccent(lower(name)) LIKE unaccent('%x%');
SELECT levenshtein(name, 'x'), soundex(name), metaphone(name, 4), dmetaphone(name), difference(name, 'y') FROM members;
SELECT encode(digest(name, 'sha256'), 'hex'), hmac(name, 'k', 'md5'), crypt(name, '$1$ab'), uuid_generate_v5(uuid_ns_url(), name), uuid_nil() FROM members;
SELECT ratings + 1, ratings & '{1,2}', ratings @> '{1}', ratings @@ '1&2'::query_int, sort(ratings), uniq(ratings), icount(ratings), idx(ratings, 3) FROM blog_post;
SELECT box3, cube_distance(box3, '(1,2,3)'), box3 && '(0,0,0),(1,1,1)'::cube, cube(1.5, 2.5), weight, weight << '1.0', seg_center(weight) FROM members;
SELECT views <-> 5, born <-> date '2024-01-01', price % 3, views % 10 FROM blog_post, blog_author ORDER BY views <-> 5;
SELECT * FROM close_names WHERE email <> 'B' ORDER BY s DESC;
