"""Bytes on this disk: rows of other people's files, tables, append-only logs, and a run's directory."""
