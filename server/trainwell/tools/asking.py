"""What the tools about training ask a worker: the fields of a run that may never start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainwell.contract.errors import TrainwellError, next_call
from trainwell.contract.specs import TrainConfig

if TYPE_CHECKING:
    from trainwell.contract.specs import ModelSpec, PreparedData, TensorSpec
    from trainwell.tools.services import Services


def model_and_data(services: Services, model: str, train_loader: str) -> tuple[ModelSpec, PreparedData]:
    """What is meant by the two handles, which must fit each other.

    Raises:
        TrainwellError: `shapes_differ`, or a handle is unknown.
    """
    found = services.store.artifacts.model(services.find("model", model, "model"))
    prepared = services.store.artifacts.data(services.find("data", train_loader, "train_loader"))
    if (_unbent(found.shapes.inputs), found.shapes.num_outputs) != (_unbent(prepared.inputs), prepared.num_outputs):
        raise TrainwellError(
            "shapes_differ",
            "The model was built for data of another shape.",
            argument="model",
            got={tensor.name: tensor.shape for tensor in found.shapes.inputs} | {"outputs": found.shapes.num_outputs},
            allowed={tensor.name: list(tensor.shape) for tensor in prepared.inputs} | {"outputs": prepared.num_outputs},
            next_call=next_call("build_model", data=prepared.handle),
        )
    return found, prepared


def _unbent(inputs: tuple[TensorSpec, ...]) -> list[TensorSpec]:
    """Inputs without their knots: those belong to the rows that trained, and fit other rows of the columns too."""
    return [spec.model_copy(update={"knots": ()}) for spec in inputs]


def spec_fields(
    services: Services, model: ModelSpec, prepared: PreparedData, given: dict[str, Any], *, run: str
) -> dict[str, Any]:
    """The fields of a RunSpec as JSON; in its config, a choice that was left open is None.

    Args:
        services: For the manifest.
        model: What is trained.
        prepared: What it is trained on.
        given: Arguments of `train`; what is not among them has the manifest's default.
        run: The handle of the run.
    """
    arguments = services.manifest.defaults("train") | given
    return {
        "run": run,
        "model": model.model_dump(mode="json"),
        "data": prepared.model_dump(mode="json"),
        "config": {name: arguments.get(name) for name in TrainConfig.model_fields},
        "start_from": None,
        "retry": services.manifest.retry.model_dump(mode="json"),
        "metrics": list(services.manifest.metrics),
        "limits": {
            name: (schema["minimum"], schema["maximum"])
            for name, schema in services.manifest.input_schema("train")["properties"].items()
            if "minimum" in schema and "maximum" in schema
        },
        "log_level": services.manifest.log_level,
    }


def needs_of(model: ModelSpec) -> frozenset[str]:
    """Permissions that a worker needs to build a model again; what comes from the hub is downloaded by then."""
    return frozenset({"code"}) if model.architecture == "module" else frozenset()
