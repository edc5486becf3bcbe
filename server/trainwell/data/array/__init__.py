"""NumPy arrays: files looked at by their headers, inputs scaled."""
