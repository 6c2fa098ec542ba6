"""`python -m runner` is `runway-batch`."""

from __future__ import annotations

import sys

from runner.cli.main import main

sys.exit(main())
