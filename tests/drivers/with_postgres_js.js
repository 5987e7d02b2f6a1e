// postgres.js: prepared statements in pipelines, transactions, cursors.
const postgres = require('postgres');
const [port, database] = process.argv.slice(2);
const show = (name, value) => console.log(`${name}: ${JSON.stringify(value)}`);

async function main() {
    const sql = postgres({ host: '127.0.0.1', port: Number(port), user: 'postgres', database, max: 3, onnotice: () => {} });
    for (let i = 0; i < 3; i++) {
        show('all', await sql`select * from things order by id`);
        for (const id of [1, 2, 99])
            show('one', await sql`select name, price from things where id = ${id}`);
    }
    show('pipelined', (await Promise.all([1, 2, 3, 1, 2, 3].map((id) => sql`select name from things where id = ${id}`))).flat());
    await sql.begin(async (tx) => {
        await tx`insert into notes (t) values (${'kept'})`;
        show('own write', await tx`select t from notes`);
    });
    await sql.begin(async (tx) => {
        await tx`update notes set t = 'lost'`;
        throw new Error('back');
    }).catch((error) => show('rolled back', error.message));
    show('kept', await sql`select t from notes`);
    await sql`insert into things (id, name) values (1, 'x')`.catch((error) => show('duplicate', error.code));
    await sql.begin(async (tx) => {
        await tx.savepoint(async (inner) => { await inner`select 1/0`; }).catch((error) => show('savepoint', error.code));
        show('after savepoint', await tx`select name from things where id = 1`);
    });
    let total = 0;
    await sql`select g from generate_series(1, 1000) g`.cursor(100, (rows) => { for (const row of rows) total += row.g; });
    show('pieces', total);
    await sql`insert into notes ${sql(Array.from({ length: 20 }, (_, i) => ({ t: String(i) })))}`;
    show('count', await sql`select count(*) from notes`);
    show('in', await sql`select label from parts where id in ${sql([1, 2, 3])} order by id`);
    show('simple', await sql.unsafe('select 1 as a; select 2 as a'));
    show('unsafe', await sql.unsafe('select name from things where id = $1', [2]));
    await sql`delete from notes`;
    await sql.end();
}

main().catch((error) => { console.log(error); process.exit(1); });
