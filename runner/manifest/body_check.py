"""A quick "nothing is wrong" for the bodies of one model, for a million of them.

It says no word: where the answer is no, `check_body` says what is wrong, or that nothing is.
"""

from __future__ import annotations

from runner.core.catalog import Catalog, ModelInfo
from runner.core.spec import Body
from runner.manifest.body_rules import rules_of
from runner.manifest.quick_schema import Fits, quick_test


class BodyChecker:
    """The tests of one model at one endpoint, made once."""

    def __init__(self, catalog: Catalog, endpoint: str, info: ModelInfo) -> None:
        known = catalog.endpoint(endpoint)
        self._is_served = known is not None and known.models.get(info.model) is info
        self._is_served = self._is_served and not info.is_retired
        types = catalog.facts.get("input_assets", {}).get("content_types", {})
        self._required = frozenset(info.required)
        self._tests: dict[str, Fits] = {
            name: quick_test(schema, types)
            for name, schema in info.fields.items()
            if not schema.get("deprecated")
        }
        rules = rules_of(info)
        self._rules = [rule.findings for rule in rules if not rule.trigger]
        self._triggered = [(rule.trigger, rule.findings) for rule in rules if rule.trigger]

    def fits(self, body: Body) -> bool:
        """Whether `check_body` has nothing to say against a body, not even a warning.

        False may also mean that it is not known here.
        """
        if not self._is_served or not self._required <= body.keys():
            return False
        tests = self._tests
        for name, value in body.items():
            test = tests.get(name)
            if test is None or not test(value):
                return False
        return self._keeps_rules(body)

    def _keeps_rules(self, body: Body) -> bool:
        for trigger, findings in self._triggered:
            if trigger in body and next(findings(body), None) is not None:
                return False
        return all(next(findings(body), None) is None for findings in self._rules)
