"""PostgreSQL 15 or newer: the portable store."""
