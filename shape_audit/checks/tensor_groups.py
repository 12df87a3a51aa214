"""Many tensor names in few words: whole modules, and the same tensor of many blocks, so that one cause is one finding.

grouped({"model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight", "lm_head.weight"}, among=names)
-> model.layers.{0-1}.mlp.up_proj.weight (2 tensors), lm_head.weight
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Group:
    """Tensors that belong together.

    Attributes:
        pattern: the name of the tensor or module, numbers that vary in braces.
        names: of the tensors.
        is_module: whether these are all tensors that the modules have.
    """

    pattern: str
    names: tuple[str, ...]
    is_module: bool

    @property
    def count(self) -> int:
        return len(self.names)

    @property
    def first(self) -> str:
        return self.names[0]

    @property
    def place(self) -> str:
        """What a finding about them is placed at: another one wherever others are meant."""
        if self.count == 1:
            return self.first
        return f"{self.pattern} ({self.count} tensors)" if "..." in self.pattern else self.pattern or "weights"

    def __str__(self) -> str:
        if not self.pattern:
            return f"all {self.count:,} tensors"
        if self.is_module:
            return f"all {self.count:,} tensors of {self.pattern}"
        return self.pattern if self.count == 1 else f"{self.pattern} ({self.count:,} tensors)"


def grouped(names: Iterable[str], among: Collection[str]) -> list[Group]:
    """The names by the largest modules of which all tensors are among them; like ones of several blocks together.

    Args:
        among: all names there are, these included.
    """
    chosen = sorted(set(names))
    of_all = Counter(prefix for name in among for prefix in _prefixes(name))
    of_chosen = Counter(prefix for name in chosen for prefix in _prefixes(name))
    units: dict[str, list[str]] = defaultdict(list)
    for name in chosen:
        whole = (prefix for prefix in _prefixes(name) if of_chosen[prefix] == of_all[prefix] and of_all[prefix] > 1)
        units[next(whole, name)].append(name)
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for unit in units:
        alike[tuple("#" if part.isdigit() else part for part in unit.split("."))].append(unit)
    groups = [
        Group(
            pattern=_pattern(same),
            names=tuple(name for unit in same for name in units[unit]),
            is_module=units[same[0]] != [same[0]],
        )
        for same in alike.values()
    ]
    return _joined(groups)


def _joined(groups: list[Group]) -> list[Group]:
    """Groups whose patterns differ in one part alone, as one: `self_attn.{k_proj, q_proj}.bias` of the same blocks."""
    joined: list[Group] = []
    for group in groups:
        parts = group.pattern.split(".")
        for place, other in enumerate(joined):
            others = other.pattern.split(".")
            unlike = [i for i, (one, two) in enumerate(zip(parts, others, strict=False)) if one != two]
            if len(parts) == len(others) and len(unlike) == 1 and group.is_module == other.is_module:
                at = unlike[0]
                if "{" in f"{others[at][1:]}{parts[at]}" or parts[at][-1:].isdigit() or group.count == 1:
                    continue  # not numbers, and not single tensors
                names = [*others[at].strip("{}").split(", "), parts[at]]
                pattern = ".".join((*parts[:at], "{" + ", ".join(names) + "}", *parts[at + 1 :]))
                joined[place] = replace(other, pattern=pattern, names=other.names + group.names)
                break
        else:
            joined.append(group)
    return joined


def _prefixes(name: str) -> Iterator[str]:
    """The modules a tensor is in, from the whole model (an empty name) inwards."""
    yield ""
    position = name.find(".")
    while position >= 0:
        yield name[:position]
        position = name.find(".", position + 1)


def _pattern(names: list[str]) -> str:
    """One name for several that differ in numbers: `model.layers.{0-27}.mlp`."""
    columns = zip(*(name.split(".") for name in names), strict=True)
    return ".".join(
        parts[0] if len(set(parts)) == 1 else "{" + ranges(int(part) for part in set(parts)) + "}" for parts in columns
    )


def ranges(numbers: Iterable[int], most: int = 6) -> str:
    """`0-3, 7, 9-27`; with ... where there would be many pieces."""
    pieces: list[list[int]] = []
    for number in sorted(set(numbers)):
        if pieces and number == pieces[-1][1] + 1:
            pieces[-1][1] = number
        else:
            pieces.append([number, number])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in pieces[:most]]
    return ", ".join(words) + (", ..." if pieces[most:] else "")


def prefix_apart(stored: Collection[str], wanted: Collection[str]) -> tuple[str, bool, tuple[str, ...]] | None:
    """The beginning by which most stored names differ from wanted ones.

    Returns:
        (the beginning, whether it is too much, the stored names that have or lack it); None where there is none.
    """
    for too_much, long, short in ((True, stored, wanted), (False, wanted, stored)):
        known = set(short)
        beginnings: dict[str, list[str]] = defaultdict(list)
        for name in long:
            for prefix in _prefixes(name):
                rest = name[len(prefix) + 1 :]
                if prefix and rest in known:
                    beginnings[prefix].append(name if too_much else rest)
                    break
        if beginnings:
            prefix, names = max(beginnings.items(), key=lambda item: len(item[1]))
            if len(names) > 1 and 2 * len(names) > len(wanted):
                return prefix, too_much, tuple(names)
    return None
