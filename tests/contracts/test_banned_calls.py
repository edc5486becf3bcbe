"""Calls that would run foreign code, open a door by name, or speak on a channel that belongs to the protocol."""

from __future__ import annotations

import ast

import pytest

from tests.contracts.tree import PACKAGE, parsed, sources

BANNED_NAMES = {"eval", "exec", "compile", "__import__"}
BANNED_DOTTED = {"os.system", "os.popen", "yaml.full_load", "yaml.unsafe_load", "asyncio.create_subprocess_shell"}
BANNED_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "sklearn"}
NP_LOAD = {"np.load", "numpy.load"}
BY_NAME = {"getattr", "setattr", "delattr", "hasattr"}
MAY_PRINT = {"cli.py", "demo.py"}
# Trees to compare with are code of theirs; everything else of scikit-learn is data to us.
MAY_IMPORT = {("evaluation/boosted_sklearn.py", "sklearn")}
# Each name that these compute comes from a literal in the lines beside it.
MAY_COMPUTE_NAMES = {"training/device.py"}


def dotted(node: ast.AST) -> str:
    """`torch.load` for the expression that says so; an empty string for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def keyword(call: ast.Call, name: str) -> object:
    """The literal value of a keyword argument; None when it is absent or computed."""
    found = next((item.value for item in call.keywords if item.arg == name), None)
    return found.value if isinstance(found, ast.Constant) else None


def objection(call: ast.Call, file: str) -> str | None:
    name = dotted(call.func)
    by_name = name in BY_NAME and not (len(call.args) > 1 and isinstance(call.args[1], ast.Constant))
    checks = {
        f"{name} runs text as code": name in BANNED_NAMES,
        f"{name} is banned": name in BANNED_DOTTED,
        f"{name} with a computed name": by_name and file not in MAY_COMPUTE_NAMES,
        "print; log with loguru instead": name == "print" and file not in MAY_PRINT,
        "torch.load without weights_only=True": name == "torch.load" and keyword(call, "weights_only") is not True,
        "np.load without allow_pickle=False": name in NP_LOAD and keyword(call, "allow_pickle") is not False,
        "torch.save writes a pickle": name == "torch.save",
        "yaml.load without a Loader": name == "yaml.load" and not any(item.arg == "Loader" for item in call.keywords),
        "a shell": keyword(call, "shell") is True,
    }
    return next((text for text, broken in checks.items() if broken), None)


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    return {(node.module or "").partition(".")[0]} if isinstance(node, ast.ImportFrom) else set()


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_makes_no_banned_call(path):
    name = str(path.relative_to(PACKAGE))
    nodes = list(ast.walk(parsed(path)))
    calls = [(node.lineno, objection(node, name)) for node in nodes if isinstance(node, ast.Call)]
    imports = [
        (node.lineno, f"imports {module}")
        for node in nodes
        for module in imported(node) & BANNED_MODULES
        if (name, module) not in MAY_IMPORT
    ]

    assert [(line, text) for line, text in calls + imports if text] == []


@pytest.mark.parametrize(
    "code",
    [
        "eval(text)",
        "getattr(nn, name)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(words, shell=True)",
        "yaml.load(text)",
        "print(1)",
        "os.system(text)",
    ],
)
def test_the_law_objects_to_each_of_these(code):
    assert objection(ast.parse(code).body[0].value, "tools/train.py")


@pytest.mark.parametrize(
    "code",
    [
        "getattr(module, 'TITLE', None)",
        "torch.load(path, weights_only=True)",
        "np.load(path, mmap_mode='r', allow_pickle=False)",
    ],
)
def test_the_law_lets_the_safe_forms_pass(code):
    assert objection(ast.parse(code).body[0].value, "tools/train.py") is None
