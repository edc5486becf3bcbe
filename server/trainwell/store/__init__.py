"""What is remembered: the workspace's folders, and its database. Rows for facts, files for bulk."""
