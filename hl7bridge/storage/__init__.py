"""The database: encrypted SQLite behind plain functions."""
