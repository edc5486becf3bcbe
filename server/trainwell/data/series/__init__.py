"""Series: whole ones to be told apart or measured, and tables of past values from which the next are forecast."""
