"""What other libraries call our arguments and values, so that a call in their words gets ours back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

# Their name -> ours; where tools differ, the first one that the tool knows. "options/x" lies inside an object.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "learning_rate": ("lr",),
    "max_lr": ("lr",),
    "eta": ("lr",),
    "num_epochs": ("epochs",),
    "n_epochs": ("epochs",),
    "max_epochs": ("epochs",),
    "num_train_epochs": ("epochs",),
    "epoch": ("epochs",),
    "bs": ("batch_size",),
    "batch": ("batch_size",),
    "minibatch_size": ("batch_size",),
    "wd": ("weight_decay",),
    "l2": ("weight_decay",),
    "opt": ("optimizer",),
    "optim": ("optimizer",),
    "schedule": ("scheduler",),
    "lr_scheduler": ("scheduler",),
    "lr_schedule": ("scheduler",),
    "warmup_ratio": ("warmup",),
    "mixed_precision": ("precision",),
    "dtype": ("precision",),
    "max_grad_norm": ("grad_clip",),
    "clip_grad_norm": ("grad_clip",),
    "gradient_clip_val": ("grad_clip",),
    "clip": ("grad_clip",),
    "gradient_accumulation_steps": ("accumulate",),
    "accumulate_grad_batches": ("accumulate",),
    "accumulation_steps": ("accumulate",),
    "patience": ("early_stopping",),
    "early_stopping_patience": ("early_stopping",),
    "class_weight": ("class_weights",),
    "smoothing": ("label_smoothing",),
    "random_state": ("seed",),
    "random_seed": ("seed",),
    "wait": ("wait_seconds",),
    "timeout": ("wait_seconds",),
    "timeout_seconds": ("wait_seconds",),
    "resume_from": ("checkpoint",),
    "ckpt": ("checkpoint",),
    "checkpoint_id": ("checkpoint",),
    "run_name": ("name",),
    "dataset": ("data", "train_loader", "source"),
    "data": ("train_loader", "source"),
    "data_id": ("data", "train_loader"),
    "data_handle": ("data", "train_loader"),
    "train_data": ("data", "train_loader"),
    "loader": ("train_loader", "data"),
    "dataloader": ("train_loader", "data"),
    "train_loader": ("data",),
    "run_id": ("run",),
    "id": ("run",),
    "job_id": ("run",),
    "model_id": ("model",),
    "network": ("model",),
    "net": ("model",),
    "arch": ("architecture",),
    "model": ("architecture", "run"),
    "file": ("source", "path"),
    "filename": ("source", "path"),
    "file_path": ("source", "path"),
    "filepath": ("source", "path"),
    "path": ("source", "output"),
    "csv": ("source",),
    "output_path": ("output", "path"),
    "records": ("rows",),
    "inputs": ("rows",),
    "label": ("target",),
    "y": ("target",),
    "target_column": ("target",),
    "label_column": ("target",),
    "val_fraction": ("validation_fraction",),
    "val_split": ("validation_fraction",),
    "test_size": ("test_fraction",),
    "test_split": ("test_fraction",),
    "features": ("columns",),
    "drop": ("drop_columns",),
    "order_by": ("sort_by",),
    "status": ("state",),
    "tag": ("tags",),
    "tags": ("tag",),
    "symptom": ("symptoms",),
    "error": ("log",),
    "logs": ("log",),
    "verbose": ("detail",),
    "force": ("overwrite",),
    "best": ("which",),
    "hidden_dims": ("options/hidden_dims",),
    "hidden_sizes": ("options/hidden_dims",),
    "hidden_layers": ("options/hidden_dims",),
    "dropout": ("options/dropout",),
    "batch_norm": ("options/batch_norm",),
    "activation": ("options/activation",),
    "init": ("options/init",),
}

# Their value -> ours, both without case and signs.
VALUES: dict[str, tuple[str, ...]] = {
    "adam": ("adamw",),
    "onecyclelr": ("onecycle",),
    "cosineannealinglr": ("cosine",),
    "cosineannealing": ("cosine",),
    "reducelronplateau": ("plateau",),
    "constantlr": ("constant",),
    "half": ("fp16",),
    "float16": ("fp16",),
    "bfloat16": ("bf16",),
    "float32": ("fp32",),
    "amp": ("auto",),
    "val": ("validation",),
    "valid": ("validation",),
    "training": ("train",),
    "testing": ("test",),
    "done": ("completed",),
    "finished": ("completed",),
    "succeeded": ("completed",),
    "error": ("failed",),
    "cancelled": ("stopped",),
    "detailed": ("full",),
    "concise": ("brief",),
    "short": ("brief",),
    "table": ("tabular",),
    "csv": ("tabular",),
}


def argument_for(word: str, known: Container[str]) -> str | None:
    """Our argument for a word of somebody else, if the tool has it; "options/x" when it belongs into `options`."""
    for ours in ARGUMENTS.get(word.lower().replace("-", "_"), ()):
        if ours.split("/")[0] in known:
            return ours
    return None


def value_for(word: str, allowed: Iterable[str]) -> str | None:
    """Our value for somebody else's, or for ours in another spelling (`AdamW`, `one_cycle`)."""
    plain = _plain(word)
    by_plain = {_plain(value): value for value in allowed}
    for candidate in (plain, *VALUES.get(plain, ())):
        if candidate in by_plain:
            return by_plain[candidate]
    return None


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())
