"""The import rule, held by reading the code: who may import whom."""

import ast
from collections.abc import Iterator

import pytest

from tests.source import dotted, module_name, source_files

VALUES = {"request", "schedule", "presets", "shapes", "clip", "flow", "values", "events", "policy", "formats", "clock"}
VALUES |= {"plans", "wan22", "setup", "quota", "prefetch"}
STAGES = {"text", "diffuse", "upsample", "decode", "finish", "provenance", "mp4", "safety", "sound"}

# First name below wan_demo -> layer. The bare package is a value: everybody who imports a value runs its __init__.
LAYER_OF = {
    **dict.fromkeys(VALUES, "values"),
    **dict.fromkeys(STAGES, "stages"),
    **dict.fromkeys(("edit", "lengthen", "publish"), "parts"),
    **{name: name for name in ("quantize", "models", "pipeline", "store", "check", "worker", "zero", "ui")},
    **{name: name for name in ("integrity", "download", "hub", "lora", "student", "locate")},
    **{name: name for name in ("placement", "reader", "fit", "shelf", "bench", "tricks", "ahead")},
    **dict.fromkeys(("cost", "rates"), "fit"),
    "random_weights": "bench",
    "machine": "main",
    "__main__": "main",
}

MAY_IMPORT = {
    "values": {"values"},
    "stages": {"values"},  # and its own package, never another stage
    "quantize": {"values"},
    "integrity": {"values", "store"},
    "download": {"values", "integrity"},
    "hub": {"values", "integrity", "download"},
    "lora": {"values", "integrity"},
    "student": {"values", "store", "quantize", "integrity", "lora"},
    "placement": {"values"},
    "reader": {"values", "store"},  # of prompts
    "models": {"values", "stages", "quantize", "integrity", "placement", "reader"},
    "fit": {"values", "stages", "quantize", "integrity", "placement", "models", "fit"},
    "locate": {"values", "hub", "student"},
    "tricks": {"values", "store", "models", "fit"},
    "shelf": {"values", "integrity", "models", "fit", "tricks"},
    "bench": {"values", "stages", "quantize", "reader", "models", "fit", "parts", "pipeline"},
    "parts": {"values", "stages", "check", "parts"},  # of the pipeline
    "pipeline": {"values", "stages", "check", "quantize", "models", "parts"},
    "store": {"values"},
    "ahead": {"store"},
    "check": {"values", "stages"},
    "worker": {"values", "stages", "integrity", "models", "shelf", "pipeline", "store"},
    "zero": {"values", "stages", "ahead", "models", "shelf", "fit", "tricks", "pipeline", "store", "worker"},
    # the models live in the worker's process
    "ui": {"values", "stages", "store", "check", "integrity", "locate", "worker", "zero"} | {"ui"},
    "app": {"values", "ui"},
    "main": {
        "values",
        "stages",
        "store",
        "check",
        "integrity",
        "locate",
        "shelf",
        "models",
        "pipeline",
        "fit",
        "bench",
        "tricks",
    }
    | {"worker", "main"},
    "distill": {"values", "stages", "quantize", "integrity", "models", "parts", "pipeline", "distill"},
}

MODELS = {"models", "reader", "quantize", "text", "diffuse", "decode", "lengthen", "cost", "rates"}
MODELS |= {"bench", "random_weights", "tricks"}
MODEL_CODE = {f"wan_demo.{name}" for name in MODELS} | {"distill"}
MODEL_CODE |= {"wan_demo.safety.classifier"}  # a process of its own loads it, see safety/guard.py
PAGE_CODE = {"app", "wan_demo.ui"}
VIDEO_CODE = {"wan_demo.mp4", "wan_demo.sound"}
HOMES = {
    **{"gradio": PAGE_CODE, "gradio_client": PAGE_CODE},
    **{"diffusers": MODEL_CODE, "transformers": MODEL_CODE, "bitsandbytes": MODEL_CODE},
    "spaces": {"wan_demo.zero", "wan_demo.ahead"},
    "huggingface_hub": {"wan_demo.hub", "wan_demo.download"},
    **{"av": VIDEO_CODE, "moviepy": VIDEO_CODE, "imageio": VIDEO_CODE, "imageio_ffmpeg": VIDEO_CODE},
}


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
