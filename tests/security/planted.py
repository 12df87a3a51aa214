"""Files that run code when they are loaded, each hidden in another way, and files that only look like it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np


class Payload:
    """Pickled as a call of `os.system`; nothing here ever unpickles it."""

    def __reduce__(self) -> Any:
        import os

        return os.system, ("touch /tmp/shape-audit-was-run",)


def pickled(protocol: int = 4, value: object = None) -> bytes:
    return pickle.dumps({"weights": [1.0, 2.0], "more": value or Payload()}, protocol)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members: dict[str, bytes], mode: Any = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def torch_saved(*, is_zip: bool) -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save({"w": torch.zeros(3), "x": Payload()}, stream, _use_new_zipfile_serialization=is_zip)
    return stream.getvalue()


def object_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Payload(), None], dtype=object), allow_pickle=True)
    return stream.getvalue()


def with_password_bit(content: bytes) -> bytes:
    """A zip whose entry asks for a password that it does not have: zipfile refuses, torch does not."""
    where = content.rindex(b"PK\x01\x02") + 8
    return content[:where] + bytes([content[where] | 1]) + content[where + 1 :]


def with_wrong_checksum(content: bytes) -> bytes:
    where = content.rindex(b"PK\x01\x02") + 16
    return content[:where] + b"\1\2\3\4" + content[where + 4 :]


def with_other_local_name(content: bytes) -> bytes:
    """The name before the data is not the one in the directory: zipfile refuses, torch reads it."""
    return content.replace(b"data.pkl", b"dota.pkl", 1)


BY_WAY_OF_TORCH = b"\x80\x04\x8c\x05torch\x94\x8c\x09os.system\x94\x93\x8c\x02id\x85R."
MEMOISED = b"\x80\x04\x8c\x06system\x94\x8c\x05posix\x94\x30\x30h\x01h\x00\x93\x8c\x02id\x85R."
COMPUTED = b"\x80\x04\x8c\x02os\x8c\x03sysV\x00\n\x93."
INST = b"(S'id'\nios\nsystem\n."
WITHOUT_STOP = b"cposix\nsystem\n(S'id'\ntR0junk junk junk \xff\xff"
TWO_IN_ONE = pickle.dumps(3) + pickle.dumps(Payload())
NESTED = pickle.dumps({"state": pickle.dumps(Payload())})

PICKLES: dict[str, Callable[[], bytes]] = {
    **{f"protocol-{number}.pkl": lambda number=number: pickled(number) for number in range(6)},  # type: ignore[misc]
    "notes.md": lambda: pickled(0),
    "picture.png": pickled,
    "no-ending": lambda: pickled(2),
    "weights.safetensors.bak": pickled,
    "sub/folder/deep/state.bin": pickled,
    "after-other-bytes.bin": lambda: b"\x00\x01MODEL" * 100 + pickled(),
    "text-after-other-bytes.bin": lambda: b"\xfe" * 100 + pickled(0),
    "followed-by-numbers.bin": lambda: pickled() + bytes(range(256)) * 1000,
    "second-of-two.bin": lambda: TWO_IN_ONE,
    "in-a-pickle.bin": lambda: NESTED,
    "without-stop.bin": lambda: WITHOUT_STOP,
    "inst.bin": lambda: INST,
    "memoised.bin": lambda: MEMOISED,
    "by-way-of-torch.bin": lambda: BY_WAY_OF_TORCH,
    "torch-zip.bin": lambda: torch_saved(is_zip=True),
    "torch-legacy.bin": lambda: torch_saved(is_zip=False),
    "objects.npy": object_array,
    "objects.npz": lambda: zipped({"a.npy": object_array()}),
    "archive.dat": lambda: zipped({"readme.txt": b"hello", "data": pickled()}),
    "zip-in-zip.zip": lambda: zipped({"inner.zip": zipped({"x": pickled()}), "a": b"b"}),
    "stored.zip": lambda: zipped({"x": pickled()}, zipfile.ZIP_STORED),
    "zip-after-other-bytes.exe": lambda: b"MZ stub" * 50 + zipped({"x": pickled()}),
    "tar.tar": lambda: tarred({"a/b": pickled()}),
    "tar.gz": lambda: tarred({"a/b": pickled()}, "w:gz"),
    "gzip.json": lambda: gzip.compress(pickled()),
    "second-part.gz": lambda: gzip.compress(b"hello") + gzip.compress(pickled()),
    "bzip2": lambda: bz2.compress(pickled()),
    "xz": lambda: lzma.compress(pickled()),
    "joblib-zlib": lambda: zlib.compress(pickled()),
    "wrong-checksum.zip": lambda: with_wrong_checksum(zipped({"x": pickled()})),
    "password-bit.zip": lambda: with_password_bit(zipped({"x": pickled()})),
    "other-local-name.zip": lambda: with_other_local_name(zipped({"archive/data.pkl": pickled()}, zipfile.ZIP_STORED)),
}
"""Name -> content, of pickles that import `os.system`."""


def torchscript() -> bytes:
    return zipped({"m/code/__torch__.py": b"class M: pass", "m/constants.pkl": pickle.dumps((), 2)})


KERAS = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {"function": "4wEA"}}]}}


def onnx(path: str) -> bytes:
    """A tensor of an ONNX model whose data lie in another file."""
    entry = b"\n\x08location\x12" + bytes([len(path)]) + path.encode()
    return b"\x08\x08:\x20" + b"j" + bytes([len(entry)]) + entry


OTHERS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "script.pt": ("SA708", "TorchScript", torchscript),
    "model.keras": ("SA709", "Lambda", lambda: zipped({"config.json": json.dumps(KERAS).encode(), "metadata": b"{}"})),
    "model.h5": ("SA709", "Lambda", lambda: b"\x89HDF\r\n\x1a\n" + bytes(500) + json.dumps(KERAS).encode()),
    "saved_model.pb": ("SA709", "PyFunc", lambda: b"\n\x04read\x12\x06PyFunc\x1a\x01x"),
    "absolute.onnx": ("SA712", "/etc/passwd", lambda: onnx("/etc/passwd")),
    "parent.onnx": ("SA712", "../../x", lambda: onnx("../../x")),
    "custom_generate/generate.py": ("SA710", "generate()", lambda: b"def generate(model): ..."),
}
"""Name -> rule, words of its message, content."""

HARMLESS: dict[str, Callable[[], bytes]] = {
    "vocab.txt": lambda: "\n".join(["cat", "dog", "cos", "system", "ios", "os", "import", "."] * 200).encode(),
    "README.md": lambda: b"import os\nconvert it\nos.system('ls')\n",
    "noise.dat": lambda: np.random.default_rng(0).bytes(3_000_000),
    "numbers.npy": lambda: b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }"
    .ljust(127) + b"\n",
    "beside.onnx": lambda: onnx("weights.bin"),
    "packed.zip": lambda: zipped({"a.txt": b"hello", "b.json": b"{}"}),
    "page.gz": lambda: gzip.compress(b"hello"),
    "model.gguf": lambda: b"GGUF" + bytes(100) + pickled(),
}  # fmt: skip
"""What no rule may find fault with."""
