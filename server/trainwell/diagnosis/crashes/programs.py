"""Loaders, files, packages: what ends a program before or beside the mathematics."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainwell.diagnosis.crashes import Crash

if TYPE_CHECKING:
    from re import Match


def _killed(match: Match[str]) -> dict[str, str]:
    signal = match["signal"] or ""
    if "Bus" in signal:
        return {
            "why": "Workers hand batches over in shared memory (/dev/shm), and it is full.",
            "first": "Give it more (docker run --shm-size=8g, or --ipc=host), or use num_workers=0.",
        }
    if "Kill" in signal or match["exited"]:
        return {
            "why": "The machine ran out of memory, most likely: each worker holds a copy of what the dataset holds.",
            "first": "Fewer workers and prefetch_factor=1; keep the rows in NumPy arrays or on disk, not in "
            "Python lists.",
        }
    return {
        "why": "Native code in the dataset crashed (decoding, OpenCV, HDF5 handles shared between processes).",
        "first": "Open files within __getitem__ of each worker, and look for the row with num_workers=0.",
    }


CRASHES = (
    Crash(
        "loader_worker_died",
        re.compile(
            r"DataLoader worker \(pid(?:\(s\))? [\d, ]{1,80}\) (?:is killed by signal: (?P<signal>[A-Z][\w ]{1,30}\w)"
            r"|(?P<exited>exited unexpectedly))"
        ),
        "A process that loads batches died ({signal}{exited}).",
        "{why}",
        (
            ("{first}", "The loader goes through an epoch."),
            ("num_workers=0 shows the error itself, if it is one.", "A traceback of the dataset, or none."),
        ),
        _killed,
        confidence=0.85,
    ),
    Crash(
        "dataset_raised",
        re.compile(r"Caught (?P<error>\w{1,60}) in DataLoader worker process (?P<worker>\d+)"),
        "The dataset raised {error} in a loader's process.",
        "A row that is unlike the others, or a path that is not there.",
        (("Run the loader with num_workers=0, and print the index in __getitem__.", "The row at fault."),),
        wrapper=True,
        confidence=0.7,
    ),
    Crash(
        "unguarded_main",
        re.compile(r"before the\s+current process has finished its bootstrapping phase"),
        "A script that starts processes started itself again.",
        "Where processes are spawned (Windows, macOS), each one imports the script.",
        (("Put what runs under if __name__ == '__main__':, or use num_workers=0.", "The script starts once."),),
    ),
    Crash(
        "cannot_pickle",
        re.compile(r"(?:[Cc]an't|cannot) pickle (?P<what>[^\n]{1,80})"),
        "Something cannot be sent to another process: {what}.",
        "A lambda, an open file or a lock within the dataset, transform or collate_fn.",
        (("Use functions of the module in place of lambdas; open files within the worker.", "The workers start."),),
    ),
    Crash(
        "too_many_files",
        re.compile(r"Too many open files|received 0 items of ancdata"),
        "The process has too many files open.",
        "Tensors that workers send stay open as files while they are kept; or files in the dataset are never closed.",
        (
            (
                "torch.multiprocessing.set_sharing_strategy('file_system'), or a larger ulimit -n; do not "
                "keep batches.",
                "The number of open files stays constant.",
            ),
        ),
    ),
    Crash(
        "empty_dataset",
        re.compile(r"num_samples should be a positive integer value, but got num_samples=0"),
        "The dataset is empty.",
        "A wrong path or pattern, or a filter that nothing passes.",
        (("Print len(dataset) and the folder it looks in.", "As many rows as there are."),),
    ),
    Crash(
        "batch_cannot_be_made",
        re.compile(r"default_collate: batch must contain tensors.{0,80}found <class '(?P<type>[\w.]{1,60})'>"),
        "Rows hold {type}, of which no batch can be made.",
        "The dataset gives it as it is: an image before ToTensor, or None for a row that could not be read.",
        (("Convert it in __getitem__, or in a collate_fn of your own.", "Rows hold tensors or numbers."),),
    ),
    Crash(
        "missing_module",
        re.compile(r"ModuleNotFoundError: No module named '(?P<module>[\w.]{1,80})'"),
        "The module {module} is not installed here.",
        "Another environment than the one it was installed in, a folder that is not on the path, or a different name.",
        (
            (
                "python -m pip install it with the interpreter that runs the script (sys.executable).",
                "import {module} works.",
            ),
            (
                "If it is your own: run from the folder that holds it, or install the project with pip install -e .",
                "import {module} works.",
            ),
        ),
    ),
    Crash(
        "file_not_found",
        re.compile(r"FileNotFoundError: \[Errno 2\] No such file or directory: '(?P<path>[^'\n]{1,200})'"),
        "There is no file {path}.",
        "A path relative to another folder than the one that the program runs in, or data that was not downloaded.",
        (("Build paths from Path(__file__).parent, or give an absolute one.", "Path(...).exists() is True."),),
    ),
    Crash(
        "checkpoint_with_code",
        re.compile(r"Weights only load failed"),
        "torch.load refused a checkpoint that holds more than tensors.",
        "Since torch 2.6 only weights are loaded, because a pickle can run code.",
        (
            (
                "Save model.state_dict() and load that; of a file that you wrote yourself, allow the class with "
                "torch.serialization.add_safe_globals([...]).",
                "It loads; nobody's code runs.",
            ),
        ),
    ),
    Crash(
        "checkpoint_damaged",
        re.compile(
            r"PytorchStreamReader failed|invalid magic number|unexpected EOF|Ran out of input"
            r"|Error while deserializing header"
        ),
        "A checkpoint cannot be read: it is cut or damaged.",
        "The program was killed while it wrote, the disk was full, the download broke off, or Git LFS left a pointer.",
        (("Take the checkpoint before it; write to a temporary file and rename it.", "A file of the expected size."),),
    ),
    Crash(
        "disk_full",
        re.compile(r"No space left on device"),
        "The disk is full.",
        "Checkpoints of every epoch, caches, or shared memory (/dev/shm) of loader workers.",
        (("Look with df -h; keep the best and the last checkpoint only.", "Room for two checkpoints at least."),),
    ),
    Crash(
        "dimension_out_of_range",
        re.compile(
            r"Dimension out of range \(expected to be in range of \[(?P<low>-?\d+), (?P<high>-?\d+)\], but got "
            r"(?P<got>-?\d+)\)"
        ),
        "Dimension {got} was asked of a tensor that has dimensions {low} to {high}.",
        "A batch of one row was squeezed, or a dimension is missing.",
        (("Use squeeze(1) in place of squeeze(), and print the shape before the line.", "The dimension is there."),),
    ),
)
