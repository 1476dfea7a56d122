"""Threads decode pages of the same type at once.

msgspec describes a type to itself the first time that it is decoded. While one thread does so, another one that decodes
the same type crashes the process, so that types are described before they are shared.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator

from tests.conftest import PROJECT

AT_ONCE = """
import sys, threading
from flows.source.decoding.decoder import Decoder
from flows.source.endpoints import ENDPOINTS

sys.setswitchinterval(1e-6)
body = b'{"subscribers":[{"id":"1","unknown":{"a":1}}]}'
for _ in range(100):
    decoder, barrier = Decoder(ENDPOINTS["subscribers"]), threading.Barrier(4)
    tables = []
    def decode():
        barrier.wait()
        tables.append(decoder.decode(body, "1").table)
    threads = [threading.Thread(target=decode) for _ in range(4)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert [table.num_rows for table in tables] == [1] * 4
"""
FLOWS = PROJECT / "flows"
SINGLE = {"sandbox"}
"""Folders whose types are decoded in one thread."""


def test_a_widened_type() -> None:
    run = subprocess.run([sys.executable, "-c", AT_ONCE], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def is_struct(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any("Struct" in ast.unparse(base) for base in node.bases)


def decoded_types(nodes: list[ast.AST]) -> Iterator[str]:
    """The types that a module describes at each call of `msgspec.json.decode`."""
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "decode":
            yield from (ast.unparse(word.value) for word in node.keywords if word.arg == "type")


def test_declared_types_are_described_when_their_module_is_imported() -> None:
    texts = {path: path.read_text() for path in FLOWS.rglob("*.py")}
    modules = {
        path: [*ast.walk(ast.parse(text))] for path, text in texts.items() if "Struct" in text or ".decode" in text
    }
    structs = {node.name for nodes in modules.values() for node in nodes if is_struct(node)}  # type: ignore[attr-defined]
    for path, nodes in modules.items():
        late = {name for name in structs if any(name in kind for kind in decoded_types(nodes))}
        if path.relative_to(FLOWS).parts[0] not in SINGLE:
            assert not late, f"{path}: make a msgspec.json.Decoder of {late} when the module is imported"
