"""Faults of the data: spoiled files, spoiled tensors, spoiled splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from tests.corpus import sources
from tests.corpus.cases import Collection, Rows
from tests.corpus.networks import file, stack
from tests.corpus.sources import (
    images,
    in_order,
    mixed_labels,
    noisy_labels,
    renamed_labels,
    repeated_rows,
    rolled_labels,
    split_table,
    table,
    tensors,
    texts,
    with_answer,
)

GROUP = "data"


def add(to: Collection) -> None:
    """All faults of the data."""
    _labels(to)
    _leaks(to)
    _scales(to)
    _columns_and_classes(to)
    _encodings(to)
    _splits(to)


def _labels(to: Collection) -> None:
    noise = "label_noise memorised_noise"
    to.fault("label noise in a table", GROUP, "digits mlp split", noise,
             data=split_table("digits", train=[noisy_labels(0.3)]), train={"epochs": 40}, mends=False)  # fmt: skip
    to.fault("label noise of two classes", GROUP, "cancer mlp split", noise,
             data=split_table("breast_cancer", train=[noisy_labels(0.25)]), train={"epochs": 40},
             mends=False)  # fmt: skip
    to.fault("label noise of pictures", GROUP, "python cnn", noise,
             rows=tensors("digits", shape=(1, 8, 8), train=[noisy_labels(0.35)]), mends=False)  # fmt: skip
    misaligned = "labels_misaligned"
    to.fault("labels mixed up in a table", GROUP, "digits mlp", misaligned, data=table("digits", mixed_labels),
             mends=False)  # fmt: skip
    to.fault("labels one row off", GROUP, "wine tabular", misaligned, data=table("wine", rolled_labels), mends=False)
    to.fault("labels mixed up in series", GROUP, "waves gru", misaligned, data=sources.renamed_waves, mends=False)
    to.fault("labels mixed up in texts", GROUP, "texts bag", misaligned, data=texts(change=_other_topics), mends=False)
    to.fault("labels mixed up in a regression", GROUP, "python diabetes", misaligned,
             rows=tensors("diabetes", train=[mixed_labels], others=[mixed_labels]), mends=False)  # fmt: skip
    to.fault("classes numbered differently in validation", GROUP, "python digits", misaligned,
             rows=tensors("digits", others=[renamed_labels]), mends=False)  # fmt: skip


def _other_topics(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    topics = np.random.default_rng(0).permutation([topic for _, topic in rows]).tolist()
    return [(text, topic) for (text, _), topic in zip(rows, topics, strict=True)]


def _leaks(to: Collection) -> None:
    to.fault("rows repeated before the split", GROUP, "digits mlp", "split_leakage",
             data=table("digits", repeated_rows(3)), mends=False)  # fmt: skip
    to.fault("validation pictures seen in training", GROUP, "python cnn", "split_leakage", rows=_judged_on_training,
             mends=False)  # fmt: skip
    to.fault("texts repeated before the split", GROUP, "texts bag", "split_leakage",
             data=texts(rows=400, change=_twice), mends=False)  # fmt: skip
    to.fault("a column that is the class", GROUP, "cancer mlp", "target_leakage",
             data=table("breast_cancer", with_answer()))  # fmt: skip
    to.fault("a column that is the quantity", GROUP, "diabetes mlp", "target_leakage",
             data=table("diabetes", with_answer(2.0)))  # fmt: skip
    to.fault("a column that is nearly the quantity", GROUP, "python diabetes", "target_leakage",
             rows=_with_answer_column, network=stack(11, 1, (32,)), mends=False)  # fmt: skip
    to.fault("a column that is the class, in Python", GROUP, "python wine", "target_leakage", rows=_with_class_column,
             network=stack(14, 3), mends=False)  # fmt: skip


def _judged_on_training() -> Rows:
    x, y, _, _ = tensors("digits", shape=(1, 8, 8))()
    return x, y, x[100:400].clone(), y[100:400].clone()


def _twice(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    order = np.random.default_rng(0).permutation(2 * len(rows))
    return [(rows * 2)[place] for place in order]


def _with_answer_column() -> Rows:
    x, y, x_val, y_val = tensors("diabetes")()
    noise = torch.Generator().manual_seed(0)
    own, others = (part + 0.03 * torch.randn(len(part), generator=noise) for part in (y, y_val))
    return torch.cat([x, own[:, None]], 1), y, torch.cat([x_val, others[:, None]], 1), y_val


def _with_class_column() -> Rows:
    x, y, x_val, y_val = tensors("wine")()
    return torch.cat([x, y[:, None] - 1.0], 1), y, torch.cat([x_val, y_val[:, None] - 1.0], 1), y_val


def _scales(to: Collection) -> None:
    to.fault("raw measurements", GROUP, "python cancer with sgd", "inputs_not_normalised",
             rows=tensors("breast_cancer", scaled=False), mends=False)  # fmt: skip
    to.fault("one column a hundred thousand times larger", GROUP, "python wine", "inputs_not_normalised",
             rows=tensors("wine", train=[_one_large], others=[_one_large]), mends=False)  # fmt: skip
    to.fault("tiny numbers", GROUP, "python digits", "inputs_not_normalised", rows=_scaled_digits(1e-4), mends=False)
    to.fault("raw pixels in a network of one's own", GROUP, "digits image module", "inputs_not_normalised",
             network=file(
                 "self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))",
                 "return self.layers(x.float())",
             ), mends=False)  # fmt: skip
    to.fault("a target in thousands", GROUP, "python diabetes", "target_not_normalised",
             rows=tensors("diabetes", train=[sources.scaled_target(1e3, 5e3)],
                                                  others=[sources.scaled_target(1e3, 5e3)]), mends=False)  # fmt: skip
    to.fault("NaN in two rows", GROUP, "python digits", "non_finite_inputs",
             rows=tensors("digits", train=[sources.with_nan(2)]), mends=False)  # fmt: skip
    to.fault("infinity in a picture", GROUP, "python cnn", "non_finite_inputs",
             rows=tensors("digits", shape=(1, 8, 8), train=[sources.with_nan(1, np.inf)]), mends=False)  # fmt: skip
    to.fault("a target that is NaN", GROUP, "python diabetes", "non_finite_inputs",
             rows=tensors("diabetes", train=[sources.targets_with(np.nan)]), mends=False)  # fmt: skip


def _one_large(x: Any, y: Any, random: Any) -> tuple[Any, Any]:
    x[:, 3] = x[:, 3] * 1e5
    return x, y


def _scaled_digits(factor: float) -> Any:
    return tensors("digits", train=[sources.scaled_columns(factor)], others=[sources.scaled_columns(factor)])


def _columns_and_classes(to: Collection) -> None:
    to.fault("most columns lost", GROUP, "python digits", "constant_features",
             rows=tensors("digits", train=[sources.blank_columns(0.92)], others=[sources.blank_columns(0.92)]),
             mends=False)  # fmt: skip
    to.fault("texts that became one word", GROUP, "texts bag", "constant_features labels_misaligned",
             data=texts(change=_one_word), mends=False)  # fmt: skip
    to.fault("pictures mostly black", GROUP, "digits cnn", "constant_features", data=images(change=_black), mends=False)
    to.fault("a rare class in a table", GROUP, "digits mlp", "class_imbalance", data=table("digits", _rare_eight),
             options={"hidden_dims": [4]}, train={"epochs": 6}, metric="recall")  # fmt: skip
    to.fault("a rare class in Python", GROUP, "python cancer", "class_imbalance",
             rows=tensors("breast_cancer", train=[sources.rare(0, 8)], others=[sources.rare(0, 8)]), metric="recall",
             train={"epochs": 4})  # fmt: skip
    to.fault("rows in the order of their classes", GROUP, "python stream", "unshuffled_data",
             rows=tensors("digits", train=[sources.sorted_rows]), loader=in_order)  # fmt: skip
    to.fault("pictures in the order of their classes", GROUP, "python cnn", "unshuffled_data",
             rows=tensors("digits", shape=(1, 8, 8), train=[sources.sorted_rows]), loader=in_order,
             train={"stream": True})  # fmt: skip


def _one_word(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(" ".join("unk" for _ in text.split()), topic) for text, topic in rows]


def _black(pixels: np.ndarray) -> np.ndarray:
    masked = np.zeros_like(pixels)
    masked[..., 3, 2:4] = pixels[..., 3, 2:4]
    return masked


def _rare_eight(x: Any, y: Any, random: Any) -> tuple[Any, Any]:
    """Is it an 8? Only one row in forty is."""
    y = (y == 8).astype(np.int64)
    return sources.rare(1, 40)(x, y, random)


def _encodings(to: Collection) -> None:
    to.fault("classes taken for a quantity", GROUP, "digits mlp", "wrong_target_encoding",
             prepare={"task": "regression"})  # fmt: skip
    to.fault("classes taken for a quantity, in Python", GROUP, "python digits", "wrong_target_encoding",
             rows=tensors("digits", train=[sources.as_quantity], others=[sources.as_quantity]), network=stack(64, 1),
             mends=False)  # fmt: skip
    to.fault("a quantity taken for classes", GROUP, "diabetes mlp", "wrong_target_encoding",
             prepare={"task": "classification"})  # fmt: skip
    to.fault("texts cut after two words", GROUP, "texts bag", "truncated_sequences", data=texts(length=2))
    to.fault("texts cut for a transformer", GROUP, "texts transformer", "truncated_sequences", data=texts(length=3))
    to.fault("pictures torn apart", GROUP, "digits cnn", "augmentation_too_strong",
             train={"augment": ["flip", "crop", "cutout", "mixup", "cutmix"]})  # fmt: skip
    to.fault("noise over every picture", GROUP, "python cnn", "augmentation_too_strong", loader=_noisy_pictures,
             mends=False)  # fmt: skip


class _Noisy(Dataset):
    """Rows under so much noise that little is left of them, another each time."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.rows = TensorDataset(x, y)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        x, y = self.rows[place]
        return x + 4 * torch.randn_like(x), y


def _noisy_pictures(x: Tensor, y: Tensor, batch_size: int) -> DataLoader[Any]:
    return DataLoader(_Noisy(x, y), batch_size=batch_size, shuffle=True)


def _splits(to: Collection) -> None:
    to.fault("five rows to validate by", GROUP, "cancer mlp", "small_validation_set",
             prepare={"validation_fraction": 0.01})  # fmt: skip
    to.fault("eight rows to validate by, in Python", GROUP, "python cancer", "small_validation_set", rows=_few_judged,
             mends=False)  # fmt: skip
    to.fault("validation from elsewhere", GROUP, "cancer mlp split", "distribution_shift",
             data=split_table("breast_cancer", others=[sources.moved_columns(2.0, every=2)]), mends=False)  # fmt: skip
    to.fault("validation from elsewhere, in Python", GROUP, "python digits", "distribution_shift",
             rows=tensors("digits", others=[sources.moved_columns(2.5, every=3)]), mends=False)  # fmt: skip
    to.fault("validation not scaled", GROUP, "python cancer", "preprocessing_mismatch", rows=_scaled_in_training_alone,
             mends=False)  # fmt: skip
    to.fault("validation in other units", GROUP, "digits mlp split", "preprocessing_mismatch",
             data=split_table("digits", others=[sources.scaled_columns(40.0)]), mends=False)  # fmt: skip
    to.fault("validation pictures from 0 to 255", GROUP, "python cnn", "preprocessing_mismatch",
             rows=tensors("digits", shape=(1, 8, 8), others=[sources.scaled_columns(50.0)]), mends=False)  # fmt: skip


def _few_judged() -> Rows:
    x, y, x_val, y_val = tensors("breast_cancer")()
    return x, y, x_val[:8], y_val[:8]


def _scaled_in_training_alone() -> Rows:
    x, y, _, _ = tensors("breast_cancer")()
    _, _, x_val, y_val = tensors("breast_cancer", scaled=False)()
    return x, y, x_val, y_val
