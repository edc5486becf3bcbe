"""How to train where the agent left it open: the recipe of the network's family, else the general rule.

The general rates come from trials on digits, breast cancer, diabetes and synthetic tables with AdamW; those of the
other optimizers keep a ratio to it that was tried on digits. A batch larger than the usual one takes a higher rate: by
the root of the ratio for Adam's kin (Malladi et al. 2022, arXiv 2205.10287), in proportion for SGD (Goyal et al. 2017,
arXiv 1706.02677).

What a network learns in a run goes by its optimizer steps more than by its epochs: few rows are seen often, many rows
a few times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell import architectures
from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.specs import TrainConfig
from trainwell.training import augment
from trainwell.training.batches import automatic_batch_size, batch_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainwell.contract.specs import ModelSpec, PreparedData, Recipe

LR, WEIGHT_DECAY = 2e-3, 0.01
# Steps that a run should have, and the epochs that it has at least and at most, whatever the rows.
STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 2400, 10, 40
# Factors on AdamW's rate.
LR_OF_OPTIMIZER = {"adamw": 1.0, "sgd": 25.0, "muon": 1.0, "schedule_free": 2.0}
LARGEST_LR = 1.0
# A given rate for a batch this many times the usual one is obeyed, and what scaling would take is told.
LARGE_BATCH = 2
AUGMENTATIONS = ("flip", "crop", "rotate", "cutout", "color", "mixup", "cutmix")


def resolve(
    asked: dict[str, Any], model: ModelSpec, data: PreparedData, limits: Mapping[str, tuple[float, float]] | None = None
) -> tuple[TrainConfig, list[str]]:
    """Close every choice that was left open.

    Args:
        asked: The fields of `TrainConfig`; None is open.
        model: The network, for its family's recipe.
        data: What it trains on.
        limits: Smallest and largest value of train's arguments, which hold for automatic values too.

    Returns: The config, and what was chosen, in sentences.

    Raises:
        TrainwellError: `unknown_augmentation`, `augmentation_does_not_fit`.
    """
    rows = data.splits["train"]
    shapes = model.shapes.model_copy(update={"rows": rows, "task": data.task})
    recipe = architectures.recipe(model.architecture, model.options, shapes)
    if asked.get("augment") is not None:
        _check_augmentations(tuple(asked["augment"]), data)
    batches = _BatchChoice(asked.get("batch_size"), recipe, rows, limits or {})
    rate, rate_words = _rate(recipe, asked["optimizer"], batches)
    automatic: dict[str, int | float | tuple[str, ...]] = {
        "epochs": recipe.epochs or epochs_for(rows, batches.size, recipe.most_epochs or MOST_EPOCHS),
        "lr": rate,
        "weight_decay": WEIGHT_DECAY if recipe.weight_decay is None else recipe.weight_decay,
        "label_smoothing": recipe.label_smoothing or 0.0,
        "augment": recipe.augment or (),
        "ema": recipe.ema or 0.0,
    }
    chosen = {name: value for name, value in automatic.items() if asked.get(name) is None}
    words = [*_told(chosen, model.architecture, rate_words), *batches.words(asked, rate)]
    for name, value in chosen.items():
        chosen[name], more = _within(limits or {}, name, value)
        words += more
    return TrainConfig.model_validate({**asked, **chosen, "batch_size": batches.given}), words


def epochs_for(rows: int, batch_size: int, most: int = MOST_EPOCHS) -> int:
    """Epochs that give a run about enough optimizer steps."""
    return max(FEWEST_EPOCHS, min(most, round(STEPS / len(batch_sizes(rows, batch_size)))))


class _BatchChoice:
    """The usual batch of a network, and the one that is taken.

    Attributes:
        usual: Rows of the batch that the rates are for.
        size: Rows of the batch that is taken.
        given: What the config says: None leaves it to the general rule.
    """

    def __init__(self, asked: int | None, recipe: Recipe, rows: int, limits: Mapping[str, tuple[float, float]]) -> None:
        automatic = recipe.batch_size or automatic_batch_size(rows)
        self.usual = max(1, min(automatic, rows))
        allowed, _ = _within(limits, "batch_size", automatic)
        own = None if recipe.batch_size is None and allowed == automatic else int(allowed)  # pyright: ignore[reportArgumentType]
        self.given = own if asked is None else asked
        self.size = max(1, min(self.given or automatic, rows))

    @property
    def growth(self) -> float:
        """How many times the usual batch is taken, at least 1."""
        return max(1.0, self.size / self.usual)

    def words(self, asked: dict[str, Any], rate: float) -> list[str]:
        """What scaling would take where a rate was given for a large batch."""
        if asked.get("lr") is None or self.growth < LARGE_BATCH or asked["lr"] >= rate:
            return []
        return [
            f"lr {asked['lr']:g}: as asked; for a batch {self.growth:.3g} times the usual {self.usual} it could be "
            f"{rate:g}"
        ]


def _rate(recipe: Recipe, optimizer: str, batches: _BatchChoice) -> tuple[float, str]:
    """The rate for the batch that is taken, and where it comes from when that is not the usual one."""
    usual = (recipe.lr or LR) * LR_OF_OPTIMIZER[optimizer]
    scaled = usual * (batches.growth if optimizer == "sgd" else batches.growth**0.5)
    rate = float(f"{min(LARGEST_LR, scaled):.3g}")
    grown = f", {usual:g} scaled for a batch {batches.growth:.3g} times the usual {batches.usual}"
    return rate, grown if batches.growth > 1 else ""


def _within(
    limits: Mapping[str, tuple[float, float]], name: str, value: float | tuple[str, ...]
) -> tuple[float | tuple[str, ...], list[str]]:
    """A value held within the manifest's limits, and a sentence where they changed it."""
    if name not in limits or isinstance(value, tuple):
        return value, []
    low, high = limits[name]
    held = type(value)(min(max(value, low), high))
    return held, [f"{name} {held:g}: the manifest allows {low:g} to {high:g}"] if held != value else []


def _check_augmentations(asked: tuple[str, ...], data: PreparedData) -> None:
    for number, name in enumerate(asked):
        if name not in AUGMENTATIONS:
            raise TrainwellError(
                "unknown_augmentation", "There is no augmentation of this name.", argument=f"augment/{number}",
                got=name, allowed=list(AUGMENTATIONS), hint=did_you_mean(name, AUGMENTATIONS),
            )  # fmt: skip
    augment.check(set(asked), data)


def _told(chosen: Mapping[str, float | tuple[str, ...]], architecture: str, rate_words: str) -> list[str]:
    words: list[str] = []
    for name, value in chosen.items():
        if value:
            text = f"{value:g}" if isinstance(value, int | float) else ", ".join(value)
            words.append(f"{name} {text}: chosen for {architecture}{rate_words if name == 'lr' else ''}")
    return words
