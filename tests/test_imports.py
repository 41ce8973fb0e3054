"""The import rule, held by reading the code: who may import whom, and that importing a module does nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

VALUES = {"request", "presets", "shapes", "clip", "flow", "values", "events"}
STAGES = {"text", "diffuse", "upsample", "decode", "finish", "provenance", "mp4", "safety", "sound"}

# First name below wan_demo -> layer. The bare package is a value: everybody who imports a value runs its __init__.
LAYER_OF = {
    **dict.fromkeys(VALUES, "values"),
    **dict.fromkeys(STAGES, "stages"),
    **{name: name for name in ("quantize", "models", "pipeline", "store", "check", "worker", "ui")},
    "__main__": "main",
}

MAY_IMPORT = {
    "values": {"values"},
    "stages": {"values"},  # and its own package, never another stage
    "quantize": {"values"},
    "models": {"values", "quantize"},
    "pipeline": {"values", "stages", "check", "quantize", "models"},
    "store": {"values"},
    "check": {"values", "stages"},
    "worker": {"values", "stages", "models", "pipeline", "store"},
    "ui": {"values", "stages", "store", "check", "worker", "ui"},  # the models live in the worker's process
    "app": {"values", "store", "worker", "ui"},
    "main": {"values", "stages", "quantize", "models", "pipeline", "store", "check", "worker"},
    "distill": {"values", "stages", "quantize", "models", "pipeline", "distill"},
}

MODEL_CODE = {f"wan_demo.{name}" for name in ("models", "quantize", "text", "diffuse", "decode")} | {"distill"}
PAGE_CODE = {"app", "wan_demo.ui"}
VIDEO_CODE = {"wan_demo.mp4", "wan_demo.sound"}
HOMES = {
    **{"gradio": PAGE_CODE, "gradio_client": PAGE_CODE},
    **{"diffusers": MODEL_CODE, "transformers": MODEL_CODE, "bitsandbytes": MODEL_CODE},
    **{"av": VIDEO_CODE, "moviepy": VIDEO_CODE, "imageio": VIDEO_CODE, "imageio_ffmpeg": VIDEO_CODE},
}

# Calls that reach outside the program. A dotted name forbids itself and all below it; a bare one forbids the function
# and any method of that name.
FORBIDDEN_DOTTED = {"torch.cuda", "torch.mps", "torch.backends", "torch.accelerator", "os.environ", "subprocess"}
FORBIDDEN_DOTTED |= {"socket", "urllib.request", "requests", "httpx", "tempfile", "logging.basicConfig", "np.load"}
FORBIDDEN_NAMES = {"open", "print", "input", "exec", "eval", "__import__", "import_module", "getenv", "connect"}
FORBIDDEN_NAMES |= {"mkdir", "makedirs", "mkdtemp", "touch", "unlink", "exists", "read_text", "read_bytes"}
FORBIDDEN_NAMES |= {"write_text", "write_bytes", "parse_args", "parse_known_args", "is_available", "device_count"}
FORBIDDEN_NAMES |= {"get_device_properties", "from_pretrained", "hf_hub_download", "snapshot_download", "launch"}
FORBIDDEN_NAMES |= {"manual_seed", "set_num_threads", "set_default_dtype", "set_default_device"}


def source_files() -> list[Path]:
    """Every file the rule covers; those not written yet are no fault."""
    packages = [path for name in ("wan_demo", "distill") for path in (ROOT / name).rglob("*.py")]
    return sorted(packages + [path for path in [ROOT / "app.py"] if path.exists()])


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def dotted(node: ast.expr) -> str:
    """`a.b.c` as written; an unnamed start, as in `f().mkdir`, is left empty: `.mkdir`."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """The full name that `from ... import` starts from."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join(kept + ([node.module] if node.module else []))


def imports(tree: ast.Module, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """(line, full name) of every import in the file, inside functions too; `from a import b` counts as `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, module, is_package)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in {"import_module", "__import__"}:
            names = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
            yield from ((node.lineno, name) for name in names if isinstance(name, str))


# ---- who may import whom ---------------------------------------------------------------------------------------------


def layer(name: str) -> str | None:
    """Layer of one of our own modules (or of something in it); None for anything else."""
    top, _, rest = name.partition(".")
    if top == "wan_demo":
        return LAYER_OF.get(rest.split(".")[0], "values")
    return top if top in {"app", "distill", "tests"} else None


def may_import(module: str, target: str) -> bool:
    ours, theirs = layer(module), layer(target)
    if theirs is None:
        homes = HOMES.get(target.split(".")[0])
        return homes is None or any(module == home or module.startswith(f"{home}.") for home in homes)
    assert ours is not None, f"{module} is not one of our modules"
    return theirs in MAY_IMPORT[ours] or (ours == theirs == "stages" and module.split(".")[:2] == target.split(".")[:2])


def import_faults(source: str, module: str, is_package: bool = False) -> list[str]:
    found = imports(ast.parse(source), module, is_package)
    return [f"{module}:{line} may not import {target}" for line, target in found if not may_import(module, target)]


# ---- importing does nothing ------------------------------------------------------------------------------------------


def guard(node: ast.stmt) -> str:
    """What a top-level `if` asks: "main", "typing", or "" for anything else."""
    if not isinstance(node, ast.If):
        return ""
    if dotted(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
        return "typing"
    return "main" if ast.unparse(node.test) == "__name__ == '__main__'" else ""


def is_plain(node: ast.stmt) -> bool:
    """A statement that only names things: import, def, class, assignment to a name, docstring, pass."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        return all(isinstance(name, ast.Name | ast.Tuple) for name in node.targets)
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.Pass)


def blocks(node: ast.stmt) -> list[ast.stmt] | None:
    """The statements inside a class, a `try` around an optional import, or a TYPE_CHECKING block; None for others."""
    if isinstance(node, ast.ClassDef):
        return node.body
    if isinstance(node, ast.Try):
        return node.body + [inner for handler in node.handlers for inner in handler.body] + node.orelse + node.finalbody
    if isinstance(node, ast.If) and guard(node) == "typing":
        return node.body + node.orelse
    return None


def calls(node: ast.AST) -> Iterator[ast.Call]:
    """The calls made while the node is imported: decorators and defaults count, bodies of functions do not."""
    if isinstance(node, ast.Call):
        yield node
    skipped: set[ast.AST] = set()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        skipped = set(node.body)
    elif isinstance(node, ast.Lambda):
        skipped = {node.body}
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from calls(child)


def reaches_out(name: str) -> bool:
    below = any(name == prefix or name.startswith(f"{prefix}.") for prefix in FORBIDDEN_DOTTED)
    return below or name.split(".")[-1] in FORBIDDEN_NAMES


def statement_faults(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    for node in body:
        inner = blocks(node)
        if inner is not None:
            yield from statement_faults(inner)
        elif guard(node) != "main" and not is_plain(node):
            yield node.lineno, f"runs a statement: {ast.unparse(node).splitlines()[0]}"


def action_faults(source: str, module: str) -> list[str]:
    """What importing the file would do besides naming things."""
    body = ast.parse(source).body
    found = list(statement_faults(body))
    made = [call for node in body if guard(node) != "main" for call in calls(node)]
    found += [(call.lineno, f"calls {dotted(call.func)}") for call in made if reaches_out(dotted(call.func))]
    return [f"{module}:{line} when imported {what}" for line, what in sorted(found)]


# ---- the tests -------------------------------------------------------------------------------------------------------


def test_every_module_has_a_layer() -> None:
    names = [module_name(path).split(".") for path in source_files()]
    strays = {
        ".".join(name[:2]) for name in names if name[0] == "wan_demo" and len(name) > 1 and name[1] not in LAYER_OF
    }
    assert not strays, f"give these a layer in LAYER_OF: {sorted(strays)}"


def test_imports_go_down_only() -> None:
    faults = [
        fault
        for path in source_files()
        for fault in import_faults(path.read_text("utf-8"), module_name(path), path.name == "__init__.py")
    ]
    assert not faults, "\n".join(faults)


def test_importing_does_nothing() -> None:
    faults = [fault for path in source_files() for fault in action_faults(path.read_text("utf-8"), module_name(path))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("wan_demo.flow", "from wan_demo.pipeline import generate"),
        ("wan_demo.flow", "def f():\n    from wan_demo import models"),
        ("wan_demo.text", "from .decode import decode"),
        ("wan_demo.text", "from wan_demo.models import load"),
        ("wan_demo.finish.colour", "from ..sound import loudness"),
        ("wan_demo.quantize", "import wan_demo.models"),
        ("wan_demo.worker", "from . import ui"),
        ("wan_demo.ui.create", "from wan_demo import pipeline"),
        ("wan_demo.pipeline", "import distill.losses"),
        ("wan_demo.request", "import app"),
        ("distill.data", "from wan_demo.ui import page"),
        ("distill.data", "import gradio as gr"),
        ("wan_demo.worker", "import gradio"),
        ("wan_demo.pipeline", "from diffusers import WanPipeline"),
        ("wan_demo.ui.create", "import importlib\nimportlib.import_module('transformers')"),
        ("distill.evaluate", "import av"),
        ("wan_demo.mp4tools", "import moviepy"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert len(import_faults(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("app", "import gradio\nfrom wan_demo.ui import page"),
        ("wan_demo.ui.create", "from ..worker import Worker\nfrom . import widgets\nimport gradio as gr"),
        ("wan_demo.pipeline", "from . import decode, models, text\nfrom .clip import Clip"),
        ("wan_demo.models", "import diffusers\nfrom wan_demo import quantize"),
        ("wan_demo.finish.colour", "from .flicker import mean\nimport torch"),
        ("wan_demo.sound.onsets", "import av"),
        ("wan_demo.__main__", "from . import models, pipeline, worker"),
        ("distill.teacher", "import diffusers\nfrom wan_demo.flow import noise\nfrom .losses import huber"),
    ],
)
def test_an_allowed_import_passes(module: str, source: str) -> None:
    assert import_faults(source, module) == []


def test_relative_imports_of_a_package_start_from_itself() -> None:
    assert import_faults("from .frame_rate import to_30", "wan_demo.finish", is_package=True) == []
    assert len(import_faults("from ..ui import page", "wan_demo.finish", is_package=True)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "print('hello')",
        "os.environ['A'] = 'b'",
        "GPU = torch.cuda.get_device_name()",
        "FLAGS = Parser().parse_args()",
        "TABLE = json.load(open('table.json'))",
        "for name in NAMES:\n    pass",
        "if sys.argv:\n    X = 1",
        "class A:\n    TEXT = Path('a').read_text()",
        "def f(x=open('a')):\n    pass",
        "@launch()\ndef f(): ...",
        "try:\n    import torch\nexcept ImportError:\n    install()",
        "torch.backends.cudnn.benchmark = True",
        "with torch.no_grad():\n    X = 1",
    ],
)
def test_an_action_on_import_is_found(source: str) -> None:
    assert action_faults(source, "wan_demo.fake")


@pytest.mark.parametrize(
    "source",
    [
        '"""Says what it is."""\nimport re\nWORD = re.compile("a")\nA, B = 1, frozenset({2})\nX: int = 3',
        "if TYPE_CHECKING:\n    import torch",
        "if __name__ == '__main__':\n    print('hello')",
        "def f():\n    print(open('a'))",
        "KEY = lambda path: path.exists()",
        "try:\n    import spaces\nexcept ImportError:\n    spaces = None",
        "@dataclass(frozen=True)\nclass A:\n    x: int = field(default=0)\n    def f(self):\n        print(1)",
    ],
)
def test_a_quiet_module_passes(source: str) -> None:
    assert action_faults(source, "wan_demo.fake") == []
