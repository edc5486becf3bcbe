"""Shapes that do not fit: between layers, between output and target, between the rows of a batch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainwell.diagnosis.crashes import Crash

if TYPE_CHECKING:
    from re import Match


def _matrices(match: Match[str]) -> dict[str, str]:
    rows, given, wanted = (int(match[name]) for name in ("rows", "given", "wanted"))
    if rows * given % wanted == 0 and wanted % given == 0:
        return {"why": f"{wanted} is {wanted // given} x {given}: the rows were not flattened before the layer."}
    return {"why": "The layer was built for another width: another input size, or a layer before it was changed."}


def _channels(match: Match[str]) -> dict[str, str]:
    sizes = [size.strip() for size in match["shape"].split(",")]
    last = len(sizes) == 4 and sizes[-1] == match["wanted"]
    return {
        "why": "The channels stand last: the images are (B, H, W, C)."
        if last
        else "Grey images in a network for colour ones, or the other way round.",
        "first": "Move them: x.permute(0, 3, 1, 2)."
        if last
        else f"Make the first layer in_channels={match['given']}, or convert the images to {match['wanted']} channels.",
    }


def _checkpoint(match: Match[str]) -> dict[str, str]:
    text = match.string[match.start() : match.start() + 20_000]
    for prefix, writer in (("module.", "DataParallel or DistributedDataParallel"), ("_orig_mod.", "torch.compile")):
        if f'"{prefix}' in text:
            return {
                "why": f"The names differ by the prefix {prefix}, which {writer} adds.",
                "first": f"Take it off: {{name.removeprefix('{prefix}'): value for name, value in weights.items()}}.",
            }
    mismatch = re.search(
        r"size mismatch for ([\w.]{1,100}): .{0,60}shape torch\.Size\(\[([\d, ]*)\]\) .{0,60}shape in "
        r"current model is torch\.Size\(\[([\d, ]*)\]\)",
        text,
    )
    if mismatch:
        return {
            "why": f"{mismatch[1]} is ({mismatch[2]}) in the file and ({mismatch[3]}) in this network.",
            "first": "Build the network with the options it was trained with; for another number of classes load all "
            "but the last layer.",
        }
    return {
        "why": "The layers have other names: the file is of another version of the network, or holds more "
        "than weights.",
        "first": "Compare the names: set(weights) ^ set(model.state_dict()); pass checkpoint['state_dict'] where the "
        "weights lie inside.",
    }


CRASHES = (
    Crash(
        "layer_shape_mismatch",
        re.compile(
            r"mat1 and mat2 shapes cannot be multiplied \((?P<rows>\d+)x(?P<given>\d+) and "
            r"(?P<wanted>\d+)x(?P<out>\d+)\)"
        ),
        "A linear layer for {wanted} features got {given}.",
        "{why}",
        (
            (
                "Make the layer nn.Linear({given}, {out}), or nn.LazyLinear({out}), which finds its width itself.",
                "The forward pass goes through.",
            ),
            (
                "If {wanted} is right, look at the shape before the layer: x.flatten(1) keeps the rows and "
                "joins the rest.",
                "Its second size is {wanted}.",
            ),
        ),
        _matrices,
    ),
    Crash(
        "channel_mismatch",
        re.compile(r"expected input\[(?P<shape>[\d, ]+)\] to have (?P<wanted>\d+) channels, but got (?P<given>\d+)"),
        "A convolution for {wanted} channels got {given}.",
        "{why}",
        (("{first}", "The forward pass goes through."),),
        _channels,
    ),
    Crash(
        "missing_batch_dimension",
        re.compile(
            r"Expected \d+D \(unbatched\) or (?P<wanted>\d)D \(batched\) input to \w+, but got input of size: "
            r"\[(?P<shape>[\d, ]*)\]"
        ),
        "A layer that takes {wanted} dimensions got [{shape}].",
        "A single row without the dimension of the batch, or a dimension too many or too few (channels).",
        (
            (
                "Add what is missing: x.unsqueeze(0) for the batch, x.unsqueeze(1) for one channel.",
                "The input has {wanted} dimensions.",
            ),
        ),
    ),
    Crash(
        "input_too_small",
        re.compile(r"Kernel size can't be greater than actual input size|Output size is too small"),
        "A convolution or pooling got less than its kernel covers.",
        "Each pooling halves the image, and nothing was left for this layer.",
        (
            (
                "Use larger images, fewer poolings or strides, or padding.",
                "Every layer has at least one cell to look at.",
            ),
        ),
    ),
    Crash(
        "batch_size_mismatch",
        re.compile(r"Expected input batch_size \((?P<given>\d+)\) to match target batch_size \((?P<wanted>\d+)\)"),
        "The loss got {given} outputs for {wanted} targets.",
        "Outputs were reshaped across rows (a fixed number in view), or a sequence was not flattened with its targets.",
        (
            (
                "Keep the rows: x.flatten(1) or x.view(len(x), -1); of sequences flatten both, "
                "logits.flatten(0, 1) and "
                "target.flatten().",
                "As many outputs as targets.",
            ),
        ),
    ),
    Crash(
        "target_shape",
        re.compile(
            r"Target size \(torch\.Size\(\[(?P<target>[\d, ]*)\]\)\) must be the same as input size "
            r"\(torch\.Size\(\[(?P<output>[\d, ]*)\]\)\)|Using a target size \(torch\.Size\(\[(?P<target2>[\d, ]*)\]"
            r"\)\) that is different to the input size \(torch\.Size\(\[(?P<output2>[\d, ]*)\]\)\)"
        ),
        "The target has another shape than the output: [{target}{target2}] and [{output}{output2}].",
        "A column too many or too few. Where it is only warned of, every output is compared with every target, and the "
        "network learns the mean.",
        (("Give both one shape: output.squeeze(1), or target.unsqueeze(1).float().", "One loss a row; no warning."),),
    ),
    Crash(
        "target_not_class_numbers",
        re.compile(
            r"0D or 1D target tensor expected, multi-target not supported"
            r"|Expected floating point type for target with class probabilities"
        ),
        "Cross-entropy got targets that are no list of class numbers.",
        "One-hot rows of integers, or class numbers as a column (B, 1); or the outputs lost their classes "
        "(argmax) before.",
        (
            (
                "Pass outputs (B, K) and class numbers (B,) of int64: target.argmax(1) of one-hot rows, "
                "target.squeeze(1) of a "
                "column.",
                "The loss is about ln(number of classes) at first.",
            ),
        ),
    ),
    Crash(
        "broadcast_mismatch",
        re.compile(
            r"The size of tensor a \((?P<a>\d+)\) must match the size of tensor b \((?P<b>\d+)\) at non-singleton "
            r"dimension (?P<dim>\d+)"
        ),
        "Two tensors that are put together have {a} and {b} values along dimension {dim}.",
        "Skip connections whose sizes differ, odd sizes after strides, masks or positions of another length.",
        (
            (
                "Print both shapes just before the line; pad or cut one, or project it to the other's size.",
                "Equal sizes, or 1, along each dimension.",
            ),
        ),
        confidence=0.85,
    ),
    Crash(
        "join_mismatch",
        re.compile(
            r"Sizes of tensors must match except in dimension (?P<dim>\d+)\. Expected size (?P<a>\d+) but got size "
            r"(?P<b>\d+)"
        ),
        "Tensors that are joined along dimension {dim} differ elsewhere: {a} and {b}.",
        "Odd sizes after strides or poolings on the way down and up again (U-Net), or rows of different width.",
        (
            (
                "Pad or crop one to the other's size before torch.cat, or use sizes that halve evenly.",
                "They are joined.",
            ),
        ),
    ),
    Crash(
        "layer_shape_mismatch",
        re.compile(r"input\.size\(-1\) must be equal to input_size\. Expected (?P<wanted>\d+), got (?P<given>\d+)"),
        "A recurrent layer for {wanted} features got {given}.",
        "Another number of features a step, or the dimensions stand in another order.",
        (
            (
                "Build it with input_size={given}; if {wanted} is right, look at the order: "
                "batch_first=True takes (B, T, F).",
                "The last size is the number of features.",
            ),
        ),
    ),
    Crash(
        "unequal_rows",
        re.compile(
            r"stack expects each tensor to be equal size, but got \[(?P<a>[\d, ]*)\] at entry 0 and "
            r"\[(?P<b>[\d, ]*)\] at entry"
        ),
        "The rows of a batch have different sizes, [{a}] and [{b}].",
        "Images of different size or mode (grey, alpha), or sequences of different length.",
        (
            (
                "Bring them to one size in the dataset (Resize and crop, convert('RGB')), or pad them in collate_fn "
                "(torch.nn.utils.rnn.pad_sequence).",
                "Batches are made.",
            ),
        ),
    ),
    Crash(
        "reshape_mismatch",
        re.compile(r"shape '\[(?P<shape>[-\d, ]*)\]' is invalid for input of size (?P<size>\d+)"),
        "{size} values cannot be put into the shape [{shape}].",
        "A number in view or reshape that was true for another image size or for a full batch.",
        (
            (
                "Take the sizes from the tensor: x.view(x.size(0), -1); the last batch may be smaller.",
                "It holds for every batch.",
            ),
        ),
    ),
    Crash(
        "view_of_scattered_memory",
        re.compile(r"view size is not compatible with input tensor's size and stride"),
        "view was asked of a tensor whose values do not lie in order.",
        "permute or transpose before it.",
        (("Use reshape in place of view.", "The same values, copied where needed."),),
    ),
    Crash(
        "normalised_shape_mismatch",
        re.compile(
            r"Given normalized_shape=\[(?P<wanted>[\d, ]*)\], expected input with shape .{0,60}but got input of "
            r"size\s?\[(?P<given>[\d, ]*)\]"
        ),
        "LayerNorm for [{wanted}] got [{given}].",
        "The last dimension is not the one that is normalised.",
        (
            (
                "Build it for the last size of its input, or move the features to the end.",
                "The forward pass goes through.",
            ),
        ),
    ),
    Crash(
        "batch_of_one",
        re.compile(r"Expected more than 1 value per channel when training"),
        "Batch normalisation got a batch of one row.",
        "The last batch of an epoch holds one row, or the batch size is 1.",
        (
            ("DataLoader(..., drop_last=True), or another batch_size.", "Every batch has at least two rows."),
            ("For single rows use GroupNorm or LayerNorm.", "No dependence on the batch."),
        ),
    ),
    Crash(
        "checkpoint_does_not_fit",
        re.compile(r"Error\(s\) in loading state_dict for (?P<name>\w{1,80})"),
        "The weights of a file do not fit {name}.",
        "{why}",
        (("{first}", "load_state_dict(...) with strict=True answers <All keys matched>."),),
        _checkpoint,
    ),
)
