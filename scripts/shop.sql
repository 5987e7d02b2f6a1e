-- A small shop for the scratch server of scripts/run: the same rows every time.
CREATE TABLE customers (
    id integer PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE,
    city text NOT NULL,
    since date NOT NULL
);
CREATE TABLE products (
    id integer PRIMARY KEY,
    name text NOT NULL,
    category text NOT NULL,
    price numeric(10, 2) NOT NULL,
    stock integer NOT NULL
);
CREATE TABLE orders (
    id integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    placed timestamp NOT NULL,
    status text NOT NULL
);
CREATE TABLE order_items (
    order_id integer NOT NULL REFERENCES orders,
    line integer NOT NULL,
    product_id integer NOT NULL REFERENCES products,
    quantity integer NOT NULL,
    price numeric(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line)
);

INSERT INTO customers
SELECT i, 'Customer ' || i, 'customer' || i || '@example.com',
    (ARRAY['Berlin', 'Lyon', 'Porto', 'Oslo', 'Turin', 'Ghent', 'Brno'])[1 + i % 7],
    date '2020-01-01' + i % 1500
FROM generate_series(1, 2000) AS i;

INSERT INTO products
SELECT i, 'Product ' || i,
    (ARRAY['books', 'garden', 'kitchen', 'music', 'tools'])[1 + i % 5],
    5 + (i * 37 % 9500) / 100.0, 100 + i % 50
FROM generate_series(1, 500) AS i;

INSERT INTO orders
SELECT i, 1 + i * 7919 % 2000, timestamp '2024-01-01' + i * interval '37 minutes',
    (ARRAY['open', 'paid', 'sent', 'sent', 'sent'])[1 + i % 5]
FROM generate_series(1, 6000) AS i;

INSERT INTO order_items
SELECT o.id, line, p.id, 1 + (o.id + line) % 4, p.price
FROM orders AS o, generate_series(1, 3) AS line, products AS p
WHERE p.id = 1 + (o.id * 31 + o.id / 7 + line * 173) % 500;

CREATE INDEX ON orders (customer_id);
CREATE INDEX ON order_items (product_id);

CREATE VIEW order_totals AS
SELECT o.id, o.customer_id, o.status, sum(i.quantity * i.price) AS total
FROM orders AS o JOIN order_items AS i ON i.order_id = o.id
GROUP BY o.id;

ANALYZE;
