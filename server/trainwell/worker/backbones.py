"""Whether prepared texts and a pretrained backbone speak of the same tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError, next_call

if TYPE_CHECKING:
    from trainwell.contract.specs import PreparedData


def check_tokenizer(architecture: str, options: dict[str, Any], prepared: PreparedData) -> None:
    """Refuse texts that were prepared with another tokenizer than the backbone's.

    Raises:
        TrainwellError: `tokenizer_mismatch`, with the call that prepares them rightly.
    """
    source = options.get("source")
    if architecture != "pretrained" or prepared.kind != "text" or not isinstance(source, str):
        return
    from trainwell.architectures import pretrained  # noqa: PLC0415 - torch and polars come with these
    from trainwell.data.text.subwords import Subwords  # noqa: PLC0415

    found = prepared.encoding["tokenizer"].get("identity")
    if found == Subwords.of_folder(pretrained.locate(source)).identity:
        return
    kind = prepared.encoding["tokenizer"]["type"]
    raise TrainwellError(
        "tokenizer_mismatch",
        f"The texts were prepared with {'another' if kind == 'pretrained' else 'our own'} tokenizer ({kind}); this "
        "backbone knows only its own tokens.",
        argument="data",
        got=prepared.handle,
        hint="Prepare the texts with the backbone's tokenizer.",
        next_call=next_call("prepare_data", kind="text", options={"tokenizer": source}),
    )
