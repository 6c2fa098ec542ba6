# Set-up, demonstration and checks. Needs only python3 (3.11 or newer), make and git.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test check crash-fuzz format bench docs schemas soak drift fuzz

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "runway-batch needs Python 3.11 or newer")'
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv -q --allow-existing --python python3 $(VENV) && \
	  uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[media,xlsx,dev]'; \
	else \
	  python3 -m venv $(VENV) && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[media,xlsx,dev]'; \
	fi
	@touch $(READY)

demo: $(READY)  ## the main job on the embedded emulator: nothing is spent
	@$(BIN)/runway-batch demo

test: $(READY)
	$(BIN)/python -m pytest -n 4 --dist worksteal

crash-fuzz: $(READY)  ## 500 kill -9, and four runs on one state file; replay: CRASH_SEED=…
	CRASH_KILLS=$${CRASH_KILLS:-500} $(BIN)/python -m pytest -n 2 \
	  tests/acceptance/test_crash_fuzz.py tests/acceptance/test_shared_caps.py

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: $(READY)  ## what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

soak: $(READY)  ## 20,000 jobs over 30 virtual days of outages and faults, in minutes
	$(BIN)/python -m tests.soak

drift: $(READY)  ## the catalogue against the newest release of the official SDK
	$(BIN)/python -m tests.drift

fuzz: $(READY)  ## 20,000 broken manifests; replay: FUZZ_SEED=…
	$(BIN)/python -m tests.fuzz

bench: $(READY)  ## figures, as ratios against something run side by side
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/yaml_load.py

schemas: $(READY)  ## the files of schemas/ that follow from the catalogue, after a change of it
	$(BIN)/python -m tests.schema_files

docs: $(READY)  ## whether the documentation tells the truth
	$(BIN)/python -m pytest -q tests/test_docs.py tests/test_docs_shown.py
