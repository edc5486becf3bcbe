"""One file a scene: its docstring heads the page, `refusals(root)` brings them about in an empty folder."""
