"""Teachers in this process from a GGUF file: the engines, and what their files say."""
