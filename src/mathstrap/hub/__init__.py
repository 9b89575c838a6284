"""What comes from the Hugging Face hub: rows, models and tokenizers, or their copies in its cache."""
