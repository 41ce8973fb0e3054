"""Importing a module does nothing: held by reading the code."""

import ast
from collections.abc import Iterator

import pytest

from tests.source import dotted, module_name, source_files

# Calls that reach outside the program. A dotted name forbids itself and all below it; a bare one forbids the function
# and any method of that name.
FORBIDDEN_DOTTED = {"torch.cuda", "torch.mps", "torch.backends", "torch.accelerator", "os.environ", "subprocess"}
FORBIDDEN_DOTTED |= {"socket", "urllib.request", "requests", "httpx", "tempfile", "logging.basicConfig", "np.load"}
FORBIDDEN_NAMES = {"open", "print", "input", "exec", "eval", "__import__", "import_module", "getenv", "connect"}
FORBIDDEN_NAMES |= {"mkdir", "makedirs", "mkdtemp", "touch", "unlink", "exists", "read_text", "read_bytes"}
FORBIDDEN_NAMES |= {"write_text", "write_bytes", "parse_args", "parse_known_args", "is_available", "device_count"}
FORBIDDEN_NAMES |= {"get_device_properties", "from_pretrained", "hf_hub_download", "snapshot_download", "launch"}
FORBIDDEN_NAMES |= {"manual_seed", "set_num_threads", "set_default_dtype", "set_default_device"}


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


def test_importing_does_nothing() -> None:
    faults = [fault for path in source_files() for fault in action_faults(path.read_text("utf-8"), module_name(path))]
    assert not faults, "\n".join(faults)


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
