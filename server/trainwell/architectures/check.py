"""What a model will cost and whether it works: first on the meta device, where nothing is allocated, then really."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
import math
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import psutil
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from trainwell import architectures
from trainwell.architectures._members import Members
from trainwell.contract.errors import TrainwellError
from trainwell.contract.text import plain, rounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trainwell.contract.specs import Shapes, Task, TensorSpec

MOST_TOLD = 200  # characters of an exception
ROWS = 4  # enough for batch norm to have a variance
MOST_LAYERS_SHOWN = 20
ENTRY = "entry"  # brings inputs to the layers; what is not learnt there is not shown
ADAM_BYTES = 16  # per trainable parameter: weight, gradient and two moments, float32 each
MEMORY_SHARE = 0.8  # of the free memory, for the check itself
_DTYPES = {"float32": torch.float32, "uint8": torch.uint8, "int32": torch.int32, "int64": torch.int64}


@dataclass
class _Survey:
    """What one pass over the meta device shows."""

    layers: list[dict[str, Any]] = field(default_factory=list)
    flops: int = 0
    saved_bytes: int = 0
    widest_bytes: int = 0


def check_model(
    name: str, options: Mapping[str, Any], shapes: Shapes, task: Task, *, max_parameters: int
) -> dict[str, Any]:
    """Check a model before it is trained, and tell what it costs.

    Args:
        name: The architecture.
        options: Its options as the agent gave them; `options` in the report has them completed.
        shapes: The inputs and the width of the output.
        task: Decides the loss: cross entropy, by label for multilabel, or mean squared error on standardised values.
        max_parameters: A larger model is refused before anything is allocated.

    Returns: The report: `options`, `notes` (what was chosen, in words), `parameters`, `trainable`, `layers` (at most 20
        of them, `layers_left_out` counts the others), `flops_per_row` (forward and backward), `weights_bytes`,
        `training_bytes_per_row`, `training_bytes_fixed` (weights, gradients and AdamW's moments) and `checks`.

    Raises:
        TrainwellError: `model_too_large`, `not_enough_memory`, `model_check_failed`, or as `architectures.settle`.
    """
    settled, notes = architectures.settle(name, options, shapes)
    sketch = _sketch(name, settled, shapes)
    parameters = sum(parameter.numel() for parameter in sketch.parameters())
    trainable = sum(parameter.numel() for parameter in sketch.parameters() if parameter.requires_grad)
    if parameters > max_parameters:
        raise _too_large(sketch, parameters, max_parameters, name)
    if not trainable:
        raise _failed("It has no parameters to train.", shapes)
    few, many = (_survey(sketch, shapes, task, rows) for rows in (ROWS, 2 * ROWS))
    report: dict[str, Any] = {
        "options": settled,
        "notes": notes,
        "parameters": parameters,
        "trainable": trainable,
        **_shown(few.layers),
        "flops_per_row": few.flops // ROWS,
        "weights_bytes": _bytes_of(sketch),
        # What grows with the batch is kept for the backward pass, once; the widest layer needs a gradient beside it.
        "training_bytes_per_row": (many.saved_bytes - few.saved_bytes + 2 * few.widest_bytes) // ROWS,
        "training_bytes_fixed": ADAM_BYTES * trainable + 4 * (parameters - trainable),
    }
    _check_memory(report)
    report["checks"], silent = _really(name, settled, shapes, task)
    if silent:
        notes.append(f"No gradient reaches {', '.join(silent[:3])}: use ReLU or batch norm, or fewer layers.")
    return report


def _sketch(name: str, settled: dict[str, Any], shapes: Shapes) -> nn.Module:
    """The module without memory where its family can; the random state stays as it was."""
    with torch.random.fork_rng(devices=[]), torch.device("meta") if architectures.on_meta(name) else nullcontext():
        return architectures.build(name, settled, shapes)


def _survey(sketch: nn.Module, shapes: Shapes, task: Task, rows: int) -> _Survey:
    """One forward and backward pass, over meta tensors where the sketch is on the meta device."""
    survey = _Survey()
    meta = all(parameter.is_meta for parameter in sketch.parameters())
    known = {id(parameter) for parameter in sketch.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if id(tensor) not in known:
            kept[id(tensor)] = tensor  # alive, so that no other tensor takes over its id
        return tensor

    def watch(layer_name: str, layer: nn.Module) -> Any:
        def seen(_module: nn.Module, _inputs: Any, output: Any) -> None:
            outputs = list(_tensors(output))
            survey.layers.append(_layer_row(layer_name, layer, outputs))
            survey.widest_bytes = max(survey.widest_bytes, _size(outputs))

        return layer.register_forward_hook(seen)

    named: list[tuple[str, nn.Module]] = list(sketch.named_modules())  # pyright: ignore[reportUnknownArgumentType]
    hooks = [watch(label, layer) for label, layer in named if next(layer.children(), None) is None and label != ENTRY]
    try:
        mkldnn: Any = torch.backends.mkldnn  # its stubs do not know that None leaves a flag alone
        # oneDNN's recurrent layers are one operation whose FLOPs nobody counts.
        with torch.random.fork_rng(devices=[]), mkldnn.flags(enabled=False, allow_tf32=None):
            made = [_rows_of(spec, shapes, rows) for spec in shapes.inputs]
            inputs = [x.to("meta") for x in made] if meta else made
            with FlopCounterMode(display=False) as flops:
                with saved_tensors_hooks(keep, lambda tensor: tensor):
                    loss = _loss(_outputs(sketch, inputs, shapes), shapes, task, rows * _answers(sketch))
                _backward(loss, shapes)
    finally:
        for hook in hooks:
            hook.remove()
        sketch.zero_grad(set_to_none=True)
    survey.flops = flops.get_total_flops()
    survey.saved_bytes = _size(kept.values())
    return survey


def _tensors(output: Any) -> Iterable[Tensor]:
    """The tensors in what a layer gave; recurrent layers give several."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, tuple | list):
        for item in cast("tuple[Any, ...]", output):
            yield from _tensors(item)


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _layer_row(label: str, layer: nn.Module, outputs: list[Tensor]) -> dict[str, Any]:
    return {
        "name": label,
        "type": type(layer).__name__,
        "output_shape": list(outputs[0].shape[1:]) if outputs else [],
        "parameters": sum(parameter.numel() for parameter in layer.parameters(recurse=False)),
    }


def _shown(layers: list[dict[str, Any]]) -> dict[str, Any]:
    if len(layers) <= MOST_LAYERS_SHOWN:
        return {"layers": layers}
    half = MOST_LAYERS_SHOWN // 2
    return {"layers": [*layers[:half], *layers[-half:]], "layers_left_out": len(layers) - MOST_LAYERS_SHOWN}


def _really(name: str, settled: dict[str, Any], shapes: Shapes, task: Task) -> tuple[dict[str, Any], list[str]]:
    """Pass random rows forward and backward through real weights; the caller's random state stays as it was.

    Returns: The checks as told, and the names of weights that no gradient reaches.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = architectures.build(name, settled, shapes).train()
        inputs = [_rows_of(spec, shapes, ROWS) for spec in shapes.inputs]
        loss = _loss(_outputs(module, inputs, shapes), shapes, task, ROWS * _answers(module))
        if not math.isfinite(loss.item()):
            raise _failed("The loss is not finite with fresh weights.", shapes)
        _backward(loss, shapes)
        with torch.no_grad():
            _loss(_outputs(module.eval(), [x[:1] for x in inputs], shapes), shapes, task, 1)  # as predict may ask
    silent = _check_gradients(module, shapes)
    if not architectures.on_meta(name):
        _check_copy(module, shapes)
    learning = sum(parameter.requires_grad for parameter in module.parameters())
    zeros = f"; {len(silent)} of them exactly 0" if silent else ""
    checks = {
        "output_shape": ["B", shapes.num_outputs],
        "loss_at_initialisation": round(loss.item(), 4),
        "expected_loss": round(_expected_loss(shapes, task), 4),
        "gradients": f"all {learning} parameter tensors get a finite gradient{zeros}",
    }
    return checks, silent


def _outputs(module: nn.Module, inputs: Sequence[Tensor], shapes: Shapes) -> Any:
    try:
        return module(*inputs)
    except (ValueError, IndexError) as error:
        rows = f"{len(inputs[0])} rows" if len(inputs[0]) > 1 else "a single row"
        raise _failed(f"It fails on {rows}: {plain(str(error), MOST_TOLD)}.", shapes) from None


def _answers(module: nn.Module) -> int:
    """Answers for each row in training: one, or one of each member."""
    return module.members if isinstance(module, Members) else 1


def _backward(loss: Tensor, shapes: Shapes) -> None:
    if not loss.requires_grad:
        raise _failed("No gradient leads from the output back to a parameter.", shapes)
    try:
        loss.backward()
    except (RuntimeError, TypeError, ValueError) as error:  # a backward pass of somebody's own
        raise _failed(f"The backward pass fails: {plain(str(error), MOST_TOLD)}.", shapes) from None


def _check_copy(module: nn.Module, shapes: Shapes) -> None:
    """Training is timed on a copy of the network."""
    try:
        copy.deepcopy(module)
    except (RuntimeError, TypeError, AttributeError, ValueError) as error:
        raise _failed(f"It cannot be copied: {plain(str(error), MOST_TOLD)}.", shapes) from None


def _check_gradients(module: nn.Module, shapes: Shapes) -> list[str]:
    """Refuse missing and non-finite gradients; return the names of weights whose gradient is exactly 0."""
    silent: list[str] = []
    for label, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            raise _failed(f"{label} gets no gradient, so it would never learn.", shapes)
        if not bool(torch.isfinite(parameter.grad).all()):
            raise _failed(f"The gradient of {label} is not finite.", shapes)
        # LoRA starts with one of its two matrices at 0, so the other one's gradient is 0 at first.
        if parameter.ndim > 1 and "lora_A" not in label and not bool(parameter.grad.any()):
            silent.append(label)
    return silent


def _dtype(spec: TensorSpec) -> torch.dtype:
    return _DTYPES.get(spec.dtype, torch.float32)


def _rows_of(spec: TensorSpec, shapes: Shapes, rows: int) -> Tensor:
    """Made-up rows that could be real ones."""
    size = (rows, *spec.shape)
    if spec.role == "length":
        steps = next((one.shape[0] for one in shapes.of_role("sequence", "tokens")), 1)
        return torch.linspace(1, steps, rows).long()
    if spec.role == "image":
        return torch.randint(0, 256, size, dtype=_dtype(spec))
    if spec.role == "tokens":
        return torch.randint(1, max(2, spec.sizes[0]), size, dtype=_dtype(spec))
    if spec.role == "categories":
        return torch.stack([torch.randint(0, count, (rows,), dtype=_dtype(spec)) for count in spec.sizes], dim=1)
    values = torch.randn(size)
    return values if _dtype(spec).is_floating_point else (values > 0).to(_dtype(spec))


def _targets(shapes: Shapes, task: Task, rows: int, device: torch.device) -> Tensor:
    if task == "classification":
        return torch.arange(rows, device=device) % shapes.num_outputs
    alternate = (torch.arange(rows, device=device) % 2).float().unsqueeze(1).expand(rows, shapes.num_outputs)
    return alternate if task == "multilabel" else alternate * 2 - 1  # standardised: mean 0, variance 1


def _loss(outputs: Any, shapes: Shapes, task: Task, rows: int) -> Tensor:
    """Mean loss over rows with made-up targets; in training a network of members answers with each of them."""
    expected = (rows, shapes.num_outputs)
    if not isinstance(outputs, Tensor):
        raise _failed(f"The output is a {type(outputs).__name__}, not a tensor.", shapes)
    if tuple(outputs.shape) != expected:
        raise _failed(f"The output has the shape {tuple(outputs.shape)}, not {expected}.", shapes)
    if not outputs.is_floating_point():
        raise _failed(f"The output is {outputs.dtype}, not floating point.", shapes)
    targets = _targets(shapes, task, rows, outputs.device)
    if task == "classification":
        return functional.cross_entropy(outputs, targets)
    if task == "multilabel":
        return functional.binary_cross_entropy_with_logits(outputs, targets)
    return functional.mse_loss(outputs, targets)


def _expected_loss(shapes: Shapes, task: Task) -> float:
    """Of a network that knows nothing yet: ln K nats, or the variance of a standardised target."""
    if task == "classification":
        return math.log(shapes.num_outputs)
    return math.log(2) if task == "multilabel" else 1.0


def _bytes_of(module: nn.Module) -> int:
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _check_memory(report: dict[str, Any]) -> None:
    """Refuse when even this check would not fit: weights, gradients and a few rows."""
    needed = 2 * report["weights_bytes"] + 2 * ROWS * report["training_bytes_per_row"]
    free = psutil.virtual_memory().available
    if needed > MEMORY_SHARE * free:
        raise TrainwellError(
            "not_enough_memory",
            f"A forward and backward pass of {ROWS} rows needs {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB are free.",
            argument="options",
            got=report["parameters"],
            hint="Make the layers smaller.",
        )


def _too_large(sketch: nn.Module, parameters: int, most: int, name: str) -> TrainwellError:
    label, largest = max(sketch.named_parameters(), key=lambda item: item[1].numel())
    return TrainwellError(
        "model_too_large",
        f"The model would have {rounded(float(parameters), 3)} parameters; at most {most:,} are allowed. "
        f"Its largest tensor is {label} {list(largest.shape)}.",
        argument="layers" if name == "layers" else "options",
        got=parameters,
        allowed=most,
        hint="Make the widest layers smaller; two layers of 256 and 128 are plenty for most tables.",
    )


def _failed(message: str, shapes: Shapes) -> TrainwellError:
    given = ", ".join(f"{one.name} (B{''.join(f', {size}' for size in one.shape)})" for one in shapes.inputs)
    return TrainwellError(
        "model_check_failed",
        message,
        hint=f"It is given {given} and must give (B, {shapes.num_outputs}), finite, with a gradient for each weight.",
    )
