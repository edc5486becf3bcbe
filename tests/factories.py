"""Small real specs for tests; a test changes the one field that it is about."""

from trainwell.contract.specs import (
    Baseline,
    ModelSpec,
    PreparedData,
    RetryPolicy,
    RunSpec,
    Shapes,
    TensorSpec,
    TrainConfig,
)

INPUTS = (TensorSpec(name="x", shape=(4,)),)


def prepared_data(**changes):
    fields = {
        "handle": "data_toy_000001",
        "name": "toy",
        "kind": "tabular",
        "task": "classification",
        "source": "toy.csv",
        "fingerprint": "0" * 64,
        "inputs": INPUTS,
        "target": "y",
        "classes": ("a", "b"),
        "class_counts": (50, 50),
        "splits": {"train": 100, "validation": 20, "test": 20},
        "baseline": Baseline(metric="accuracy", value=0.5, how="majority class"),
    }
    return PreparedData(**{**fields, **changes})


def model_spec(**changes):
    fields = {
        "handle": "model_mlp_000001",
        "name": "mlp",
        "architecture": "mlp",
        "options": {},
        "shapes": Shapes(inputs=INPUTS, num_outputs=2),
        "data": "data_toy_000001",
    }
    return ModelSpec(**{**fields, **changes})


def train_config(**changes):
    fields = {
        "epochs": 5,
        "lr": 0.002,
        "batch_size": None,
        "optimizer": "adamw",
        "weight_decay": 0.01,
        "scheduler": "onecycle",
        "warmup": None,
        "precision": "auto",
        "grad_clip": 1.0,
        "accumulate": 1,
        "early_stopping": 0,
        "class_weights": "none",
        "label_smoothing": 0.0,
        "seed": 0,
        "deterministic": False,
        "max_minutes": None,
        "on_finding": "report",
    }
    return TrainConfig(**{**fields, **changes})


def run_spec(run="run_toy_000001", **changes):
    fields = {
        "run": run,
        "model": model_spec(),
        "data": prepared_data(),
        "config": train_config(),
        "retry": RetryPolicy(base_delay_ms=1),
        "metrics": ("train_loss", "val_loss", "val_accuracy", "gpu_memory"),
    }
    return RunSpec(**{**fields, **changes})


def add_run(store, run="run_toy_000001", *, key=None, tags=(), queueing=None, **changes):
    spec = run_spec(run, **changes)
    store.runs.add(
        spec,
        name=run,
        arguments={"lr": spec.config.lr},
        plan={"total_steps": 20, "batch_size": 32},
        tags=tags,
        key=key,
        queueing=queueing,
    )
    return spec
