"""How a run lives: its states and legal moves, who carries it, when it is tried again, how it is started."""
