"""Groups of findings that a root cause brings with it; a rule names in `EXPLAINS` what follows from its finding."""

from __future__ import annotations

# Training and validation lie apart.
APART = ("overfitting",)
# The network does not get as far as it should.
POOR = (
    "underfitting", "plateau", "too_few_epochs", "stopped_too_early", "learning_rate_too_low", "vanishing_gradients",
    "not_learning", "unused_parameters", "schedule_ends_too_early",
)  # fmt: skip
# Losses, gradients or units that are out of bounds.
WILD = (
    "learning_rate_too_high", "non_finite_loss", "divergence", "exploding_gradients", "loss_spikes", "oscillation",
    "dead_units", "saturated_units", "bad_initialisation", "missing_warmup", "batch_norm_tiny_batches",
)  # fmt: skip
