"""Features of rows that were seen before, so that a network that does not change is run over each row once."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

# Features kept at most: 384 numbers a row, then 170,000 rows.
LARGEST_BYTES = 256_000_000
_SEED = 0x5EED


class FeatureMemory:
    """Remembers what a fixed network says of a row, by a hash of 63 bits over the row.

    Padding (0) does not change the hash, so a row is known again in a shorter or longer batch. In deterministic mode
    nothing is remembered: the last bit of a feature depends on the batch that it was computed in, and a run that is
    resumed meets other batches first.

    Args:
        width: Numbers of a row's features.
    """

    def __init__(self, width: int) -> None:
        self.most = LARGEST_BYTES // (4 * width)
        self.places: dict[int, int] = {}
        self.kept: Tensor | None = None
        self.weights: dict[str, Tensor] = {}

    def clear(self) -> None:
        """Forget everything."""
        self.places, self.kept = {}, None

    def recall(self, inputs: tuple[Tensor, ...], run: Callable[[tuple[Tensor, ...]], Tensor]) -> Tensor:
        """The features of a batch: (B, width), without a gradient.

        Args:
            inputs: The batch; the first input tells the rows apart.
            run: Computes features where they are not known.
        """
        if inputs[0].is_meta or torch.are_deterministic_algorithms_enabled():
            with torch.no_grad():
                return run(inputs)
        # What is kept must be of use in training, also when it was computed in a validation.
        with torch.inference_mode(False), torch.no_grad():
            keys: list[int] = self._keys(inputs[0]).tolist()
            first = {key: row for row, key in reversed(list(enumerate(keys))) if key not in self.places}
            if not first:
                return self._known(keys)
            rows = torch.tensor(list(first.values()), device=inputs[0].device)
            found = run(tuple(x.index_select(0, rows) for x in inputs)).float()
            if len(self.places) + len(first) <= self.most:
                self._keep(list(first), found)
                return self._known(keys)
            return (
                run(inputs) if len(first) < len(keys) else found.index_select(0, self._order(keys, first, rows.device))
            )

    def _known(self, keys: list[int]) -> Tensor:
        assert self.kept is not None  # noqa: S101 - every key has a place, so something is kept
        places = torch.tensor([self.places[key] for key in keys], device=self.kept.device)
        return self.kept.index_select(0, places)

    def _order(self, keys: list[int], first: dict[int, int], device: torch.device) -> Tensor:
        numbers = {key: number for number, key in enumerate(first)}
        return torch.tensor([numbers[key] for key in keys], device=device)

    def _keep(self, keys: list[int], found: Tensor) -> None:
        used, needed = len(self.places), len(self.places) + len(keys)
        if self.kept is None or needed > len(self.kept):
            grown = found.new_empty((min(self.most, max(needed, 2 * used, 1024)), found.shape[1]))
            if self.kept is not None:
                grown[:used] = self.kept[:used]
            self.kept = grown
        self.kept[used:needed] = found
        self.places |= {key: used + number for number, key in enumerate(keys)}

    def _keys(self, x: Tensor) -> Tensor:
        """(B,) int64: a sum of all numbers of a row, each times an odd number of its place, wrapping around."""
        flat = x.flatten(1)
        flat = flat.long() if not flat.is_floating_point() else flat.double().view(torch.int64)
        place = f"{flat.device}"
        weights = self.weights.get(place)
        if weights is None or len(weights) < flat.shape[1]:
            generator = torch.Generator().manual_seed(_SEED)
            drawn = torch.randint(-(2**62), 2**62, (max(1024, flat.shape[1]),), generator=generator)
            weights = self.weights[place] = (2 * drawn + 1).to(flat.device)
        return (flat * weights[: flat.shape[1]]).sum(1)
