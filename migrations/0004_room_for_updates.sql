-- An order is written twice, as accepted and as decided. On PostgreSQL its page keeps room for the
-- second time, which then touches no index; SQLite updates in place anyway.
/* POSTGRES ALTER TABLE orders SET (fillfactor = 60); */
