"""What an attacker found in prices of one's own: counted at the emulator, by real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import emulator, run_command

#: what Runway takes for ten seconds of the model, whatever the manifest says
ASKED = 50
MANIFEST = """\
version: 1
name: low
budget: 30
prices: {{gen4_turbo: {{{price}}}}}
jobs:
  - id: s
    takes: 12
    image_to_video:
      model: gen4_turbo
      ratio: 1280:720
      duration: 10
      promptText: x
      promptImage: https://example.com/a.png
"""


@pytest.mark.parametrize("price", ["per_task: 1", "per_second: 0.1"])
def test_a_price_of_one_s_own_that_is_too_low_costs_one_job_too_much(
    tmp_path: Path, price: str
) -> None:
    (tmp_path / "low.yaml").write_text(MANIFEST.format(price=price), encoding="utf-8")
    with emulator(tmp_path, "--speed", "200", "--tier", "5", "--media", "plain") as service:
        ended = run_command(
            tmp_path, "run", "low.yaml",
            RUNWAY_BATCH_BASE_URL=service.url, RUNWAY_BATCH_POLL_INTERVAL="0.1",
        )  # fmt: skip
        assert ended.code == 8, ended.err
        assert service.state()["charged"] == ASKED


def test_a_price_of_one_s_own_that_is_right_holds_nothing_up(tmp_path: Path) -> None:
    text = MANIFEST.format(price="per_task: 50").replace("budget: 30", "budget: 600")
    (tmp_path / "low.yaml").write_text(text, encoding="utf-8")
    with emulator(tmp_path, "--speed", "200", "--tier", "5", "--media", "plain") as service:
        ended = run_command(
            tmp_path, "run", "low.yaml",
            RUNWAY_BATCH_BASE_URL=service.url, RUNWAY_BATCH_POLL_INTERVAL="0.1",
        )  # fmt: skip
        assert ended.code == 0, ended.err
        assert service.state()["charged"] == 12 * ASKED
