"""What goes out: export formats, and the push to a hub."""
