"""Other things in a file's bytes that run code or leave the folder: layers and graphs with code, outside paths."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_LAMBDA = re.compile(rb'\\?"class_name\\?"\s*:\s*\\?"(Lambda|TFOpLambda|__lambda__)\\?"')
"""Keras writes a lambda layer's code beside that, in JSON, .keras and .h5 alike."""
_GRAPH_OPS = (b"ReadFile", b"WriteFile", b"PyFunc", b"PyFuncStateless", b"EagerPyFunc")
_GRAPH = re.compile(b"|".join(b"\x12" + re.escape(bytes([len(op)]) + op) + b"[\x1a\x2a\x22\x12]" for op in _GRAPH_OPS))
"""Operations of a TensorFlow graph that read or write files or call Python, as a NodeDef's field `op`."""
_EXTERNAL = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])", re.DOTALL)
"""ONNX's StringStringEntryProto, key `location`: the file that a tensor's data are read from."""
_OUTSIDE = re.compile(r"[/\\~]|[A-Za-z]:|(.*[/\\])?\.\.([/\\]|$)", re.DOTALL)
_SCRIPT = re.compile(r"(.*/)?code/.+\.py")


def layers_with_code(content: bytes) -> Iterator[str]:
    """What a Keras model or TensorFlow graph in these bytes would run."""
    if match := _LAMBDA.search(content):
        yield f"a Keras layer {match[1].decode()}, whose code is stored with it"
    found = {match[0][2 : 2 + match[0][1]].decode() for match in _GRAPH.finditer(content)}
    if found:
        yield f"a TensorFlow graph with {', '.join(sorted(found))}"


def outside_paths(content: bytes) -> Iterator[str]:
    """Paths out of the folder from which an ONNX model in these bytes would take its tensors."""
    for match in _EXTERNAL.finditer(content):
        path = content[match.end() : match.end() + match[1][0]].decode(errors="replace")
        if _OUTSIDE.match(path):
            yield path


def is_script_module(members: Collection[str]) -> bool:
    """Whether an archive with these names is TorchScript: a program of its own, in torch's language."""
    return any(_SCRIPT.fullmatch(name) for name in members)
