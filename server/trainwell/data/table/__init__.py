"""Tables: reading files into one frame, telling what columns are, turning them into numbers."""
