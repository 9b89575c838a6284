"""Read a run in the browser: its records in SQLite, served by Datasette with our pages on top."""

from __future__ import annotations
