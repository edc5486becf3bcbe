"""How to train where the agent left it open: the recipe of the network's family, else the general rule.

The general rates come from trials on digits, breast cancer, diabetes and synthetic tables with AdamW; those of the
other optimizers keep the usual ratio to it (SGD with momentum 0.9: 0.05; Muon: its matrices take ten times AdamW's).
A batch larger than the automatic one takes a higher rate: by the root of the ratio for Adam's kin (Malladi et al.
2022, arXiv 2205.10287), in proportion for SGD (Goyal et al. 2017, arXiv 1706.02677).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell import architectures
from trainwell.contract.errors import TrainwellError, did_you_mean
from trainwell.contract.specs import TrainConfig
from trainwell.training.batches import automatic_batch_size

if TYPE_CHECKING:
    from trainwell.contract.specs import ModelSpec, PreparedData, Recipe

EPOCHS, LR, WEIGHT_DECAY = 40, 2e-3, 0.01
# Factors on AdamW's rate.
LR_OF_OPTIMIZER = {"adamw": 1.0, "sgd": 25.0, "muon": 10.0, "schedule_free": 2.0}
LARGEST_LR = 1.0
AUGMENTATIONS = ("flip", "crop", "rotate", "cutout", "color", "mixup", "cutmix")
ONLY_IMAGES = frozenset(AUGMENTATIONS) - {"mixup"}


def resolve(asked: dict[str, Any], model: ModelSpec, data: PreparedData) -> tuple[TrainConfig, list[str]]:
    """Close every choice that was left open.

    Args:
        asked: The fields of `TrainConfig`; None is open.
        model: The network, for its family's recipe.
        data: What it trains on.

    Returns: The config, and what was chosen, in sentences.

    Raises:
        TrainwellError: `unknown_augmentation`, `augmentation_does_not_fit`.
    """
    shapes = model.shapes.model_copy(update={"rows": data.splits["train"], "task": data.task})
    recipe = architectures.recipe(model.architecture, model.options, shapes)
    if asked.get("augment") is not None:
        _check_augmentations(tuple(asked["augment"]), data)
    rows = data.splits["train"]
    usual = min(recipe.batch_size or automatic_batch_size(rows), rows)
    rate = _rate(recipe, asked["optimizer"], asked.get("batch_size") or usual, usual)
    automatic: dict[str, float | tuple[str, ...]] = {
        "epochs": recipe.epochs or EPOCHS,
        "lr": rate,
        "weight_decay": WEIGHT_DECAY if recipe.weight_decay is None else recipe.weight_decay,
        "label_smoothing": recipe.label_smoothing or 0.0,
        "augment": recipe.augment or (),
        "ema": recipe.ema or 0.0,
        "batch_size": usual,
    }
    chosen = {name: value for name, value in automatic.items() if asked.get(name) is None}
    told = {name: value for name, value in chosen.items() if value and name != "batch_size"}
    words = [f"{name} {_told(value)}: chosen for {model.architecture}" for name, value in told.items()]
    return TrainConfig.model_validate({**asked, **chosen}), words


def _rate(recipe: Recipe, optimizer: str, batch_size: int, usual: int) -> float:
    rate = (recipe.lr or LR) * LR_OF_OPTIMIZER[optimizer]
    growth = max(1.0, batch_size / usual)
    return float(f"{min(LARGEST_LR, rate * (growth if optimizer == 'sgd' else growth**0.5)):.3g}")


def _check_augmentations(asked: tuple[str, ...], data: PreparedData) -> None:
    for number, name in enumerate(asked):
        if name not in AUGMENTATIONS:
            raise TrainwellError(
                "unknown_augmentation", "There is no augmentation of this name.", argument=f"augment/{number}",
                got=name, allowed=list(AUGMENTATIONS), hint=did_you_mean(name, AUGMENTATIONS),
            )  # fmt: skip
        if name in ONLY_IMAGES and data.inputs[0].role != "image":
            raise TrainwellError(
                "augmentation_does_not_fit", f"{name} is for images.", argument=f"augment/{number}", got=name,
                allowed=["mixup"] if data.task != "reconstruction" else [], hint="Leave it out.",
            )  # fmt: skip


def _told(value: float | tuple[str, ...]) -> str:
    return f"{value:g}" if isinstance(value, int | float) else ", ".join(value)
