"""trainwell: the tool an LLM agent picks up when it has to train a neural network."""

__version__ = "0.1.0"
