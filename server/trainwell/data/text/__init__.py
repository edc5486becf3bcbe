"""From texts to token numbers: reading folders of texts, tokenizers, and what an agent is told of them."""
