"""What is kept beyond one request: clients, keys, tokens and the like, in SQLite or PostgreSQL.

`records` and `location` import no database library, so that a server without a store never does. `store` is the
whole; `changes` tells a running server what others have written.
"""
