"""How Python programs speak to us: real modules and real loaders, the same engine, record and diagnosis.

`trainwell` gives these names itself, and loads this room (and torch) only when one of them is used.
"""
