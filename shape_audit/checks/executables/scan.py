"""Every file of a repository, its archives included, looked at for what would run code.

All reading is bounded: what a limit leaves out is told, never passed over. A safetensors file with a sound header is
not looked into, for all of its bytes belong to tensors.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, Literal

from shape_audit.checks.executables.archives import MOST_MEMBERS, Member, inflated, packing, tar_members, zip_members
from shape_audit.checks.executables.pickle_imports import Import
from shape_audit.checks.executables.pickles import pickles_in
from shape_audit.checks.executables.reading import Budget, UnreadError, buffered
from shape_audit.checks.executables.signs import is_script_module, layers_with_code, outside_paths
from shape_audit.hub import Inspection

ExecutableKind = Literal["pickle", "script", "layer", "path"]

WINDOW = 2**24
"""Bytes of a file that are looked at, of a folder; on the Hub, `HUB_WINDOW`."""
HUB_WINDOW = 2**18
PICKLE_WINDOW = 2**26
"""Of one that begins with a pickle which goes on."""
MEMBER_WINDOW = 2**20
HUB_WHOLE = 2**23
"""Files of the Hub of up to so many bytes are read whole, if they are not pictures and the like."""
TOTAL, HUB_TOTAL = 2**32, 2**27
SECONDS = 120.0
SHARE = 4
"""A file may take so great a part of bytes and seconds: one made to take all of them does not hide the others."""
MOST_FILES = 10_000
MOST_SHARDS = 40
"""On the Hub, of those without a sound header: each takes two requests or more."""
DEEPEST = 5
PARALLEL = 8
_WITHOUT_CODE = (b"GGUF",)
"""How files begin that hold no code and are large."""
_MEDIA = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"%PDF", b"PAR1", b"OggS", b"ID3")
"""How pictures, sound and tables begin: what is beyond the first bytes of them need not be told."""
HEADER = 2**14
_OBJECTS = re.compile(rb"\x93NUMPY.{4,6}\{[^}]*'descr':[^}]*'\|?O", re.DOTALL)


@dataclass(frozen=True)
class Executable:
    """Something in a file that runs code when the file is loaded, or leads out of the folder.

    Attributes:
        file: its name in the model's folder; `file/member` inside an archive is `inside`.
        what: of layers and paths, in words.
        imports: of a pickle.
    """

    file: str
    kind: ExecutableKind
    inside: str = ""
    what: str = ""
    imports: tuple[Import, ...] = ()


@dataclass(frozen=True)
class Unread:
    """Why a file, or part of it, was not looked into.

    Attributes:
        is_ordinary: whether sound repositories have such files: large ones of no format that is known to run code.
    """

    reason: str
    is_ordinary: bool = False


@dataclass(frozen=True)
class Executables:
    """What was found, and what was not looked into, by file."""

    found: tuple[Executable, ...]
    unread: dict[str, Unread]


def executables_in(files: Inspection) -> Executables:
    """Look at all files of a model, those of its subfolders too. Of a Hub model, parts of them by range requests."""
    sizes = files.repository.everything
    total = TOTAL if files.folder else HUB_TOTAL
    whole = Budget(total, SECONDS)
    names = [name for name in sorted(sizes) if name not in files.headers]
    shards: list[str] = []
    if not files.folder:  # thousands of shards are not asked for; that they have no sound header is a fault already
        shards = [name for name in names if name.endswith(".safetensors")]
        names = [name for name in names if not name.endswith(".safetensors")] + shards[:MOST_SHARDS]
    reports = [_File(name, files, whole, (total // SHARE, SECONDS / SHARE)) for name in names[:MOST_FILES]]
    with warnings.catch_warnings(), ThreadPoolExecutor(1 if files.folder else PARALLEL) as pool:
        warnings.simplefilter("ignore")  # numbers taken for a pickle's texts have odd escapes
        list(pool.map(_File.look, reports))
    unread = {report.name: report.unread for report in reports if report.unread}
    if names[MOST_FILES:]:
        left = len(names) - MOST_FILES
        unread[names[MOST_FILES]] = Unread(f"this and {left - 1:,} more files are not looked into: there are too many")
    if shards[MOST_SHARDS:]:
        left = len(shards) - MOST_SHARDS
        reason = f"this and {left - 1:,} more shards without a sound header are not looked into; {MOST_SHARDS} were"
        unread[shards[MOST_SHARDS]] = Unread(reason)
    return Executables(tuple(one for report in reports for one in report.found), unread)


@dataclass
class _File:
    """One file being looked at.

    Attributes:
        whole, share: the repository's budget, and how many bytes and seconds of it this file may take.
        found: what was seen so far.
        unread: why something of it was not looked at; None where all was.
    """

    name: str
    files: Inspection
    whole: Budget
    share: tuple[int, float]
    found: list[Executable] = field(default_factory=list)
    unread: Unread | None = None
    budget: Budget = field(init=False)

    def look(self) -> None:
        """Fill `found` and `unread`."""
        size = self.files.repository.everything[self.name]
        if size == 0:
            return
        self.budget = Budget(*self.share, within=self.whole)
        try:
            if size is None:
                raise UnreadError("its size is not known")
            with buffered(self._part, size) as stream:
                start = stream.read(HUB_WINDOW)
                is_media = start.startswith(_MEDIA) or b"\0" not in start  # or text
                window = WINDOW if self.files.folder else HUB_WINDOW if size > HUB_WHOLE or is_media else HUB_WHOLE
                stream.seek(0)
                is_understood = self._look_into(stream, "", window)
            if not is_understood and not is_media and size > window:
                self._leave("", f"beyond its first {window:,} bytes", is_ordinary=True)
        except Exception as error:  # whatever the network, or a hostile archive, makes the libraries raise
            self._leave("", error)

    def _part(self, begin: int, end: int) -> bytes:
        self.budget.take(end - begin)
        return self.files.repository.part(self.name, begin, end)

    def _leave(self, inside: str, error: Exception | str, *, is_ordinary: bool = False) -> None:
        """Note that something was not looked at; the first reason that is not ordinary is kept, else the first."""
        words = str(error) if isinstance(error, UnreadError | str) else f"it cannot be read: {type(error).__name__}"
        if self.unread is None or (self.unread.is_ordinary and not is_ordinary):
            self.unread = Unread(f"{inside}: {words}" if inside else words, is_ordinary)

    def _see(self, kind: ExecutableKind, inside: str, what: str = "", imports: tuple[Import, ...] = ()) -> None:
        self.found.append(Executable(self.name, kind, inside, what, imports))

    def _look_into(self, stream: IO[bytes], inside: str, window: int) -> bool:
        """Look at a file or a member of one, from a stream that can be sought: whether it is of a known format."""
        head = stream.read(window)
        if head.startswith(_WITHOUT_CODE):
            return True
        packed = packing(head)
        if packed is not None:
            self._leave(inside, f"{packed}, which is not looked into")
            return True
        if inside.count("!") >= DEEPEST:
            self._leave(inside, "archives in archives, too deep")
            return True
        try:
            members = zip_members(head, stream)
        except Exception as error:  # damaged on purpose or not: what can be seen of it is looked at as it stands
            self._leave(inside, error)
            members = None
        if members is not None and self._look_at_members(members, inside):
            return True
        of_tar = tar_members(head, stream) if members is None else None
        if of_tar is not None and self._look_at_members(of_tar, inside):
            return True
        self._look_at_bytes(head, stream, inside)
        content = inflated(head, stream) if members is None and of_tar is None else None
        if content is not None:
            with content:
                self._look_at_packed(content, inside)
        return content is not None or any(one.inside == inside for one in self.found)

    def _look_at_members(self, members: list[Member] | Iterator[Member], inside: str) -> bool:
        """Whether all of them could be read."""
        names, are_sound = [], True
        for member in members:
            names.append(member.name)
            where = f"{inside}!{member.name}" if inside else member.name
            try:
                with member.open() as stream:
                    self._look_at_packed(stream, where)
                if member.doubt:
                    self._leave(where, member.doubt)
            except UnreadError:
                raise
            except Exception as error:  # as above
                self._leave(where, error)
                are_sound = False
        if len(names) >= MOST_MEMBERS:
            self._leave(inside, f"more than {MOST_MEMBERS:,} members")
        if is_script_module(names):
            self._see("script", inside)
        return are_sound

    def _look_at_packed(self, stream: IO[bytes], inside: str) -> None:
        """Content that cannot be sought without unpacking it again: so much of it as a window holds."""
        content = stream.read(MEMBER_WINDOW)
        self.budget.take(len(content))
        if len(content) == MEMBER_WINDOW and _may_go_on(content):
            more = stream.read(PICKLE_WINDOW)
            self.budget.take(len(more))
            content += more
            if len(more) == PICKLE_WINDOW:
                self._leave(inside, f"beyond its first {len(content):,} bytes")
        self._look_into(io.BytesIO(content), inside or "content", len(content))

    def _look_at_bytes(self, head: bytes, stream: IO[bytes], inside: str) -> None:
        pickled = pickles_in(head, self.budget.has_time)
        if pickled is not None and not pickled.is_whole:
            stream.seek(0)
            head = stream.read(PICKLE_WINDOW)
            pickled = pickles_in(head, self.budget.has_time) or pickled
            if not pickled.is_whole:
                self._leave(inside, "its pickle could not be followed to its end")
        if not self.budget.has_time():
            self._leave(inside, "the limit of time that a check takes was reached")
        if _OBJECTS.match(head[:HEADER]):
            self._see("pickle", inside, "an array of objects", pickled.imports if pickled else ())
        elif pickled is not None:
            self._see("pickle", inside, "a pickle", pickled.imports)
        for what in layers_with_code(head):
            self._see("layer", inside, what)
        for path in outside_paths(head):
            self._see("path", inside, path)


def _may_go_on(content: bytes) -> bool:
    """Whether what was read so far is the beginning of something to be read on: a pickle, or an archive."""
    stream = io.BytesIO(content)
    begins = (
        content.startswith((b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x78")) or content[0:1] == b"\x80"
    )
    return begins or tar_members(content, stream) is not None or pickles_in(content, lambda: True) is not None
