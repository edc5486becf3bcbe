# The commands of this repository. They need make and a python3 of at least 3.11; everything else goes into .venv.
#   make demo      the main job through the real server        make test      the whole suite
#   make lint      format, lint, types, imports, skills        make coverage  the suite, with coverage measured
#   make schemas   writes schemas/ and the README's tables     make bench     the speed of the engine, side by side
#   make faults    real harm to real processes, long form, with a table
#   make clients   connects real clients: Claude Code, Gemini, Codex, the Inspector
#   make quality   what the defaults reach on real data sets, beside boosted trees and scikit-learn
#   make doctor-bench   faulty trainings with known causes: how well diagnose names and mends them
#   make conformance   the official suite, every validator, readers beside a training, as a table
#   make browser   what tests/page needs besides Chromium      make clean     takes .venv and caches away

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
PYTEST ?= $(BIN)/python -m pytest
# Much of the time a test waits for processes that it started: one test process a core, a whole file each.
AT_ONCE := -n auto --dist loadfile

.PHONY: demo test faults lint schemas bench quality doctor-bench browser clients conformance coverage coverage-report clean
.DELETE_ON_ERROR:

demo: $(VENV)/.has-datasets
	$(BIN)/trainwell demo

test: $(VENV)/.has-test
	$(PYTEST) $(AT_ONCE)

faults: $(VENV)/.has-test
	TRAINWELL_FAULTS=long $(PYTEST) -q $(AT_ONCE) tests/faults

lint: $(VENV)/.has-test $(VENV)/.has-lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo
	for skill in skills/*/; do $(BIN)/agentskills validate "$$skill" || exit 1; done

schemas: $(VENV)/.has-test
	$(BIN)/trainwell schemas
	$(BIN)/python -m tests.contracts.papers

doctor-bench: $(VENV)/.has-test $(VENV)/.has-bench $(VENV)/sets
	$(BIN)/python -m tests.corpus

bench: $(VENV)/.has-bench
	$(BIN)/python -m tests.benchmarks

quality: $(VENV)/.has-bench $(VENV)/sets
	$(BIN)/python -m tests.benchmarks.quality

# Chromium itself comes from the system: apt-get install chromium.
browser: $(VENV)/.has-browser
	cd tests/page/host && npm install --no-audit --no-fund --loglevel=error

clients: $(VENV)/.has-clients
	$(BIN)/python -m tests.clients

# Without its scanner the table says that it was left out.
conformance: $(VENV)/.has-clients $(VENV)/.has-test $(VENV)/.has-lint
	-@$(MAKE) --no-print-directory $(VENV)/.has-scanner
	$(BIN)/python -m tests.conformance $(CONFORMANCE)

coverage:
	$(MAKE) test PYTEST="$(BIN)/coverage run -m pytest"
	$(MAKE) coverage-report

coverage-report:
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* dist

# A stamp says that an extra of pyproject.toml is installed; a change there or in constraints.txt makes it stale.
$(VENV)/.has-%: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "installing trainwell[$*] into $(VENV) (the first time takes a minute or more: torch is large)"
	@$(PIP) --no-build-isolation torch==2.13.0 -e '.[$*]'
	@touch $@

$(VENV)/sets: tests/benchmarks/sets.txt | $(VENV)/.made
	$(PIP) --no-deps --upgrade --target $@ --requirement $<
	@touch $@

$(VENV)/.has-scanner: tests/conformance/scanner.txt | $(VENV)/.made
	@echo "installing the scanner into $(VENV)/scanner"
	@$(PYTHON) -m venv --without-pip $(VENV)/scanner
	@$(BIN)/python -m pip --python $(VENV)/scanner/bin/python install -qq --disable-pip-version-check --no-deps --requirement $<
	@touch $@

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "trainwell needs Python 3.11 or newer; try make PYTHON=/path/to/python3")'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) hatchling editables
	@touch $@
