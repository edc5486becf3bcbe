"""Pictures: found in folders and tables, decoded once into bytes of one size."""
