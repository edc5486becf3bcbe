"""How good it is: metrics with intervals beside a baseline, the worst rows, and predictions.

Importing this package loads no torch.
"""
