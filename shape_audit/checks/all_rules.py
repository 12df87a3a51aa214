"""All rules there are: our own, and those of other packages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, wraps
from typing import get_args

import shape_audit.checks.rules  # noqa: F401 (registers ours)
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import RULES, Need, Rule, Seen, Unable
from shape_audit.plugins import RULES as GROUP
from shape_audit.plugins import Plugin, plugins
from shape_audit.records import Severity

PREFIX = re.compile(r"(?!SA)[A-Z]{2,12}")
"""Of another package's ids: capital letters, the name of its entry point; three digits follow."""


@cache
def all_rules() -> Mapping[str, Rule]:
    """Id -> rule: ours, then those that other packages add by an entry point of `shape_audit.rules`.

    Raises:
        IncompleteError: a package adds what is no rule, or one whose id or name is another's; the line names it.
    """
    found = dict(RULES)
    for plugin in plugins(GROUP):
        if not PREFIX.fullmatch(plugin.name):
            raise plugin.broken("must be called by the prefix of its rules: 2 to 12 capital letters, not SA...")
        for rule in _rules_of(plugin):
            if rule.id in found or any(rule.name == other.name for other in found.values()):
                raise plugin.broken(f"has a rule {rule.id} {rule.name}, and there is one of that id or name already")
            found[rule.id] = rule
    return found


def _rules_of(plugin: Plugin) -> list[Rule]:
    value = plugin.load()
    rules = [value] if isinstance(value, Rule) else value
    if not isinstance(rules, list | tuple) or not all(isinstance(rule, Rule) for rule in rules):
        raise plugin.broken("must name a checks.Rule or a list of them")
    for rule in rules:
        if not re.fullmatch(rf"{plugin.name}\d{{3}}", str(rule.id)):
            raise plugin.broken(f"has a rule {rule.id}; its ids are {plugin.name} and three digits")
        if rule.severity not in get_args(Severity) or rule.needs not in get_args(Need) or not callable(rule.look):
            raise plugin.broken(f"has a rule {rule.id} with a severity, needs or look that cannot be")
    return [_guarded(plugin, rule) for rule in rules]


def _guarded(plugin: Plugin, rule: Rule) -> Rule:
    """The rule, with the package named where it fails."""

    @wraps(rule.look)
    def look(model: CheckedModel, policy: Policy) -> list[Seen | Unable]:
        with plugin.blamed(f"has a rule {rule.id} that fails on {model.files.repo_id}"):
            seen = list(rule.look(model, policy))
        if not all(isinstance(one, Seen | Unable) for one in seen):
            raise plugin.broken(f"has a rule {rule.id} that sees what is no checks.Seen")
        return seen

    return replace(rule, look=look)
