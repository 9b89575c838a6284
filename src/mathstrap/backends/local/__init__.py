"""Teachers in this process: the engines, and the reader of GGUF files."""
