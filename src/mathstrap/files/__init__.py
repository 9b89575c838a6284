"""Files on this disk: rows in foreign formats, tables, append-only logs, and a run's directory."""
