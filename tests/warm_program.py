"""shape-audit in processes that need not import torch again: forked from this one, which has.

For tests of what the program does. Where the process itself is under test (its start, what it imports, from where, what
signals do to it), a process of its own is started. Of what is imported here nothing reads the settings of the Hub's
clients, which each call brings along.

Reads JSON lines {"arguments", "environment", "folder", "out", "err"} and answers with the exit code.
"""

import gc
import json
import os
import sys
from contextlib import suppress
from importlib import import_module

from tests.processes import ends_with_parent

PRELOADED = (
    "torch._dynamo", "torch.distributed.checkpoint", "torch.onnx", "scipy.stats", "sklearn.metrics", "pandas",
    "pyarrow.parquet", "tokenizers", "safetensors.torch", "regex", "jinja2", "aiohttp", "requests", "httpx2",
    "PIL.Image", "shape_audit.cli.app",
)  # fmt: skip
"""What the clients import besides themselves: two thirds of their start."""


def run(asked: dict[str, object]) -> None:
    """Become the program; never returns."""
    for number, file in ((0, os.devnull), (1, asked["out"]), (2, asked["err"])):
        opened = os.open(str(file), os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    ends_with_parent()
    os.chdir(str(asked["folder"]))
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[call-overload]
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = ["shape-audit", *asked["arguments"]]  # type: ignore[misc]
    from shape_audit.cli import program

    program()


def main() -> None:
    for name in PRELOADED:
        with suppress(ImportError):
            import_module(name)
    assert not {"huggingface_hub", "transformers", "datasets"} & sys.modules.keys()
    gc.freeze()  # or every collection in a child would copy all pages
    answers = os.dup(1)
    for line in sys.stdin:
        asked = json.loads(line)
        process = os.fork()
        if not process:
            try:
                run(asked)
            finally:
                os._exit(70)
        _, status = os.waitpid(process, 0)
        os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
