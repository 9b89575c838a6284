"""Load rows, models and tokenizers from the Hugging Face hub, or from its cache."""
