"""Reference of the rules of `shape-audit check`: a page a rule, from what the rules say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable

from scripts.docs_pages.markdown import cell, table
from shape_audit.checks import OPTIONS, RULES, Rule

FOLDER = "reference/rules"
FAMILIES = {
    "SA1": "Shape",
    "SA2": "Hardware",
    "SA3": "Contents of the checkpoint",
    "SA4": "Files",
    "SA5": "Numbers",
    "SA6": "Tokenizer and generation",
    "SA7": "Release",
    "SA8": "Interaction",
}


def pages() -> dict[str, str]:
    """Path -> Markdown: the list of rules, then one page each."""
    rules = sorted(RULES.values(), key=lambda rule: rule.id)
    return {f"{FOLDER}/index.md": _list(rules)} | {f"{FOLDER}/{rule.id}.md": _page(rule) for rule in rules}


def _list(rules: Iterable[Rule]) -> str:
    parts = [
        "# Rules",
        "What [`shape-audit check`](../commands/check.md) looks for. The severity is the default; a "
        "[policy](../../how-to/policy.md) may change it. Rules with an option run only when it is given.",
    ]
    for family, title in FAMILIES.items():
        rows = [
            (f"[{rule.id}]({rule.id}.md)", f"`{rule.name}`", rule.severity, _option(rule), cell(rule.summary))
            for rule in rules
            if rule.family == family
        ]
        parts += [f"## {family} {title}", table(("rule", "name", "severity", "option", "what it looks for"), rows)]
    return "\n\n".join(parts) + "\n"


def _page(rule: Rule) -> str:
    needs = f" It runs with {_option(rule)}." if OPTIONS[rule.needs] else ""
    parts = [
        f"# {rule.id} {rule.name}",
        f"{FAMILIES[rule.family]}. Severity: {rule.severity}.{needs}",
        f"## What it looks for\n\n{cell(rule.summary)}",
        f"## Why it matters\n\n{_sentence(rule.why)}",
        f"## What to do\n\n{_sentence(rule.fix)}",
    ]
    if rule.explains:
        others = ", ".join(f"[{id}]({id}.md)" if id in RULES else f"{id}…" for id in rule.explains)
        parts.append(f"Where this rule has a finding, what {others} would say of the same place is left out.")
    parts.append(
        f'To switch it off: `shape-audit check MODEL --ignore {rule.id}`, or `{rule.id} = "off"` under `[severity]` '
        "in a [policy](../../how-to/policy.md)."
    )
    return "\n\n".join(parts) + "\n"


def _option(rule: Rule) -> str:
    return f"`{OPTIONS[rule.needs]}`" if OPTIONS[rule.needs] else ""


def _sentence(text: str) -> str:
    """As a paragraph of its own; other rules it names are linked."""
    whole = cell(text[:1].upper() + text[1:]).rstrip(".") + "."
    return re.sub(
        r"\bSA\d{3}\b", lambda found: f"[{found[0]}]({found[0]}.md)" if found[0] in RULES else found[0], whole
    )
