// node-postgres: simple, extended and named statements, transactions.
const { Client, Pool } = require('pg');
const [port, database] = process.argv.slice(2);
const show = (name, value) => console.log(`${name}: ${JSON.stringify(value)}`);

async function main() {
    const where = { host: '127.0.0.1', port: Number(port), user: 'postgres', database };
    const db = new Client(where);
    await db.connect();
    for (let i = 0; i < 3; i++) {
        show('all', (await db.query('select * from things order by id')).rows);
        for (const id of [1, 2, 99]) {
            show('one', (await db.query('select name, price from things where id = $1', [id])).rows);
            const named = { name: 'by_thing', text: 'select label from parts where thing_id = $1 order by id', values: [id] };
            show('named', (await db.query(named)).rows);
        }
    }
    await db.query('begin');
    show('insert', (await db.query('insert into notes (t) values ($1)', ['kept'])).rowCount);
    show('own write', (await db.query('select t from notes')).rows);
    await db.query('commit');
    await db.query('begin');
    await db.query("update notes set t = 'lost'");
    await db.query('rollback');
    show('rolled back', (await db.query('select t from notes')).rows);
    await db.query("insert into things (id, name) values (1, 'x')").catch((error) => show('duplicate', error.code));
    await db.query('begin');
    await db.query('select 1/0').catch((error) => show('division', error.code));
    await db.query('select 1').catch((error) => show('failed block', error.code));
    await db.query('rollback');
    const many = await Promise.all(Array.from({ length: 30 }, (_, i) => db.query('select name from things where id = $1', [1 + (i % 3)])));
    show('queued', many.map((result) => result.rows[0].name));
    show('several', (await db.query('select 1 as a; select 2 as a')).map((result) => result.rows));
    show('parameters', (await db.query('select $1::text, $2::int, $3::text[]', [null, 7, ['it\'s', '☃']])).rows);
    await db.query("set timezone to 'Asia/Tokyo'");
    show('at', (await db.query('select at::text from things where id = 1')).rows);
    await db.query('reset timezone');
    const heard = new Promise((resolve) => db.on('notification', resolve));
    await db.query('listen channel');
    await db.query("notify channel, 'hello'");
    const { channel, payload } = await heard;
    show('notify', { channel, payload });
    show('delete', (await db.query('delete from notes')).rowCount);
    const pool = new Pool({ ...where, max: 4 });
    const pooled = await Promise.all(Array.from({ length: 20 }, (_, i) => pool.query('select name from things where id = $1', [1 + (i % 3)])));
    show('pool', pooled.map((result) => result.rows[0].name));
    await pool.end();
    await db.end();
}

main().catch((error) => { console.log(error); process.exit(1); });
