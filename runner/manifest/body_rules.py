"""What JSON Schema cannot say of a body: rules of several fields together.

A rule is data of its model in the catalogue, `"rules": [...]`, so that a new model needs no code.
`rule` names its kind; `source` says who told it; with `"severity": "warning"` it is not refused,
because nobody is sure; `hint` replaces our own.

    when        where all of `if` hold, all of `then` must; with `any`, one of them is enough
    alone       nothing beside `field` but the model
    renamed     `values` of `field` have new names
    pixels      `field` is `width:height`, from `min` to `max` pixels
    form        `field`, or each of its items, matches `pattern` and is written like `like`
    and those of lists, in `item_rules.py`

Conditions are those of `conditions.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from runner.core.catalog import ModelInfo
from runner.core.spec import Body
from runner.errors import CatalogError
from runner.manifest.conditions import BodyRule, Maker, Raw
from runner.manifest.field_rules import FIELD_RULES
from runner.manifest.findings import Finding
from runner.manifest.item_rules import ITEM_RULES
from runner.manifest.value_rules import VALUE_RULES

_KINDS: Mapping[str, Maker] = {**FIELD_RULES, **VALUE_RULES, **ITEM_RULES}


def rule_findings(info: ModelInfo, body: Body) -> Iterator[Finding]:
    """What the rules of a model say against a body; values of a wrong type are the schema's."""
    for rule in rules_of(info):
        yield from rule.findings(body)


@lru_cache(maxsize=256)
def rules_of(info: ModelInfo) -> tuple[BodyRule, ...]:
    """The rules of a model, ready for use.

    Raises:
        CatalogError: one of them cannot be read.
    """
    return tuple(_rule(info, raw) for raw in info.rules)


def _rule(info: ModelInfo, raw: Raw) -> BodyRule:
    try:
        rule = _KINDS[raw["rule"]](info, raw)
    except (KeyError, TypeError) as error:
        raise CatalogError(
            f"a rule of `{info.endpoint}` `{info.model}` cannot be read: {raw}"
        ) from error
    changes = {key: raw[key] for key in ("severity", "hint") if key in raw}
    if not changes:
        return rule
    return replace(rule, findings=partial(_changed, rule, changes))


def _changed(rule: BodyRule, changes: Mapping[str, Any], body: Body) -> Iterator[Finding]:
    return (replace(finding, **changes) for finding in rule.findings(body))
