"""Faulty trainings with known causes and healthy ones, out of real data, and how well `diagnose` tells them apart.

`python -m tests.corpus` runs them. Faults are made through the product's front door: arguments of tools, files spoiled
on the disk, a person's own network or loader. Each fault is one change to a healthy job, its twin.

What is written by hand wears out as rules are mended by it. `python -m tests.corpus --draw SEED` draws faults that
nobody has seen; once rules were changed because of a seed, another one measures.
"""
