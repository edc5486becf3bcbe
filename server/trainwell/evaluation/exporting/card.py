"""What goes beside an exported network: a card for people, and its encoding for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.specs import ModelSpec, PreparedData
from trainwell.contract.text import finite, plain, quoted, rounded
from trainwell.contract.told import describe_input, describe_target

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_CLASSES = 50
_HOW_TO_RUN = {
    "safetensors": "from safetensors.torch import load_file\nweights = load_file({file!r})  # by parameter name",
    "onnx": "import onnxruntime\nsession = onnxruntime.InferenceSession({file!r})\n"
    "outputs = session.run(None, {feed})[0]",
    "torch_export": "import torch\nnetwork = torch.export.load({file!r}).module()\noutputs = network({names})",
    "script": "python {file}  # trains it anew, without trainwell",
}
OUTPUTS = {
    "classification": "one logit a class, in the order of the classes; softmax gives probabilities",
    "multilabel": "one logit a label, in their order; a label applies where it is above 0",
    "regression": "the standardised value; times `target_std` plus `target_mean` it is in the target's own unit",
    "forecasting": "horizon times columns, step by step, each column standardised as `target_columns` says",
    "reconstruction": "the first input again, flattened, on the scale that the network sees it",
}


def encoding_of(data: PreparedData, name: str) -> dict[str, Any]:
    """All that a program needs to feed the file and to read its outputs; JSON without NaN."""
    return finite({
        "format": name,
        "task": data.task,
        "inputs": [spec.model_dump(mode="json") for spec in data.inputs],
        "outputs": {
            "meaning": OUTPUTS[data.task],
            "classes": list(data.classes),
            "target": data.target,
            "target_shape": list(data.target_shape),
            "target_mean": data.target_mean,
            "target_std": data.target_std,
            "target_columns": [column.model_dump(mode="json") for column in data.target_columns],
        },
        "encoding": data.encoding,
    })  # fmt: skip


def model_card(
    name: str, file: str, card: Mapping[str, Any], report: Mapping[str, Any] | None, told: Mapping[str, Any]
) -> str:
    """The card as Markdown. What comes from data is quoted and cut.

    Args:
        name: The format.
        file: Its file's name.
        card: As `save_checkpoint` writes it: run, epoch, metrics, model, data, config.
        report: Of `evaluate` on the test part; None where the data is not here.
        told: How the file was checked.
    """
    model, data = ModelSpec.model_validate(card["model"]), PreparedData.model_validate(card["data"])
    parts = [
        f"# {plain(data.name)}: {model.architecture} for {describe_target(data)}",
        f"Trained by trainwell as `{card['run']}`, weights of epoch {card['epoch']}. Licence: unknown; it follows from "
        "the data and from whoever trained it.",
        _use(name, file, data),
        _data(data),
        _metrics(card, report),
        _limits(data, report),
        "## How it was trained\n\n" + _table({"architecture": model.architecture, **model.options, **card["config"]}),
        _checked(told),
    ]
    return "\n\n".join(parts) + "\n"


def _use(name: str, file: str, data: PreparedData) -> str:
    names = [spec.name for spec in data.inputs]
    feed = "{" + ", ".join(f'"{one}": {one}' for one in names) + "}"
    code = _HOW_TO_RUN[name].format(file=file, feed=feed, names=", ".join(names))
    rows = [f"- `{spec.name}`: (rows{''.join(f', {size}' for size in spec.shape)}) {spec.dtype}, {describe_input(spec)}"
            for spec in data.inputs]  # fmt: skip
    return (
        f"## Use\n\n```python\n{code}\n```\n\nInputs, encoded as `{file}.json` says (raw rows must be brought there "
        "first; images are normalised inside the network):\n\n"
        + "\n".join(rows)
        + f"\n\nOutputs: {OUTPUTS[data.task]}."
    )


def _data(data: PreparedData) -> str:
    counts = ", ".join(f"{split} {count:,}" for split, count in data.splits.items())
    classes = ", ".join(quoted(one, 40) for one in data.classes[:MOST_CLASSES])
    more = f" and {len(data.classes) - MOST_CLASSES} more" if len(data.classes) > MOST_CLASSES else ""
    lines = [
        f"- source: {quoted(data.source)}, kind {data.kind}, sha256 of content and preparation `{data.fingerprint}`",
        f"- rows: {counts}",
    ]
    lines += [f"- classes, in the order of the outputs: {classes}{more}"] if classes else []
    return "## Data\n\n" + "\n".join(lines)


def _metrics(card: Mapping[str, Any], report: Mapping[str, Any] | None) -> str:
    chosen = ", ".join(f"{name} {rounded(value)}" for name, value in card["metrics"].items())
    validation = f"On the validation rows, by which the weights were chosen: {chosen}."
    if report is None:
        return f"## Metrics\n\nThe data is not here, so nothing was measured now. {validation}"
    lines = ["| metric | value | 95 % interval |", "|---|---|---|"]
    for name, value in report["metrics"].items():
        if not name.endswith("_interval"):
            edges = report["metrics"].get(f"{name}_interval")
            lines.append(f"| {name} | {rounded(value)} | {' to '.join(map(rounded, edges)) if edges else ''} |")
    base = report["baseline"]
    return (
        f"## Metrics\n\nOn {report['rows']:,} test rows that training never saw ({report['interval_method']}):\n\n"
        + "\n".join(lines)
        + f"\n\nBaseline ({base['how']}): {base['metric']} {rounded(base['value'])}. {validation}"
    )


def _limits(data: PreparedData, report: Mapping[str, Any] | None) -> str:
    lines = ["- It knows what its training rows showed; rows from elsewhere or from later may be judged badly."]
    lines += [f"- {plain(one.message, 200)}" for one in data.warnings[:10]]
    lines += [f"- {plain(note, 200)}" for note in (report or {}).get("notes", [])]
    return "## Limits\n\n" + "\n".join(lines)


def _table(values: Mapping[str, Any]) -> str:
    rows = [f"| {name} | {plain(str(value), 200).replace('|', ' ')} |" for name, value in values.items()]
    return "\n".join(["| argument | value |", "|---|---|", *rows])


def _checked(told: Mapping[str, Any]) -> str:
    rows = f"{told['compared_rows']} {'rows of the data' if told['real_rows'] else 'random rows'}"
    return f"## Checked\n\nRead back and run on {rows}: outputs differ by at most {told['largest_difference']:.3g}."
