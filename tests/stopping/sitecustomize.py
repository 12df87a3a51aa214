"""Python imports this before all else where its folder is on PYTHONPATH; see tests/moments.py."""

import os
import sys

_wanted = os.environ.get("TEST_MOMENTS", "").split("|")
_folder = os.environ.get("TEST_MOMENTS_FOLDER", "")


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _wanted or event not in ("import", "open", "os.rename"):
        return
    kind, _, what = _wanted[0].partition(" ")
    seen = str(arguments[0])
    if event != kind or (what != seen if kind == "import" else what not in seen):
        return
    moment = _wanted.pop(0)
    go = os.path.join(_folder, str(os.getpid()))
    if not os.path.exists(go):
        os.mkfifo(go)
    opened = os.open(go, os.O_RDWR)  # before it is said, so that no answer is lost
    said = os.open(os.path.join(_folder, "said"), os.O_WRONLY)
    os.write(said, f"{os.getpid()} {moment}\n".encode())
    os.close(said)
    os.read(opened, 1)
    os.close(opened)


if _folder:
    sys.addaudithook(_hook)
