"""Our own source files, for the tests that read code instead of running it."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


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
