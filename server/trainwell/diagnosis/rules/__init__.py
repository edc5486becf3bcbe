"""The rules: one file each, found by being there; the file's name is the finding's code."""
