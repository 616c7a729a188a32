# The README's commands.  Everything is installed into .venv; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := tollkeeper admin accesslog reconcile ledger authz ratelimit tenancy serving store clients stub_model bench tests kubernetes build_protos.py docs/site.py
UP ?=
BENCH ?=
FAULTS ?=
PYTEST ?=
# What packages are installed with.
INSTALL ?= $(BIN)/python -m pip install
# Of the tests: each has a Valkey, a Postgres and often an Envoy of its own.  Two more than a small machine has cores, since
# many wait; with yet more, one test's servers hold up another's beyond the deadlines that the product keeps.
WORKERS ?= 4
# The tests start hundreds of processes: what is compiled is kept, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help up test check check-types check-lines check-imports bench faults format docs manifests clean
.DEFAULT_GOAL := help

help:
	@echo "make up     start everything on this machine (options: make up UP='--listen 127.0.0.1:8080')"
	@echo "make test   run the tests on real Envoy, Valkey and Postgres (some: make test PYTEST='tests/ratelimit -k refill')"
	@echo "make check  ruff, mypy --strict, import-linter"
	@echo "make faults break it for some minutes and check the books (make faults FAULTS='--seconds 60 --seed 7')"
	@echo "make docs   build the documentation as a site, into .site/"
	@echo "make manifests  write kubernetes/manifests/ anew from the chart"
	@echo "make bench  measure it (one part: make bench BENCH=check; short rounds: QUICK=1;"
	@echo "            beside another commit: make bench BENCH='check ratelimit chain' AGAINST=COMMIT;"
	@echo "            beside other gateways, which it installs: make bench BENCH=peers;"
	@echo "            whether it lost over 5% of CPU: make bench BENCH=guard, AGAINST=COMMIT or HEAD)"

up: $(VENV)/.installed
	@exec $(BIN)/tollkeeper up $(UP)

# All of them: in parallel, file by file (tests/distribution.py), but for those that need the machine to themselves.  Some of
# them: one at a time.
# What failed runs once more by itself: a deadline of the product that was missed because another test had the machine is
# met then, and a fault is seen again.
AGAIN := || { test $$? -eq 1 && echo 'Once more, by themselves:' && $(BIN)/pytest --last-failed --last-failed-no-failures none; }
test: $(VENV)/.installed-test
ifeq ($(strip $(PYTEST)),)
	$(BIN)/pytest -m 'not alone' -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(AGAIN)
	$(BIN)/pytest -m alone $$(grep -lr 'mark\.alone' tests --include='*.py') $(AGAIN)
else
	$(BIN)/pytest $(PYTEST)
endif

# Side by side.  mypy's own processes have three seconds to start, which a busy machine does not give: it does without.
check: $(VENV)/.installed-test
	@$(MAKE) --no-print-directory --jobs check-types check-lines check-imports

check-types:
	$(BIN)/mypy

check-lines:
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

check-imports:
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed-test
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench
	@$(BIN)/python -m bench $(BENCH)

faults: $(VENV)/.installed-test
	@$(BIN)/python -m tests.faults $(FAULTS)

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Tollkeeper needs Python 3.11 or newer; this is $$($(PYTHON) -V). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "creating $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt build_protos.py
	@echo "installing (one or two minutes the first time) …"
	@$(INSTALL) --quiet --constraint constraints.txt --editable '.[embedded]'
	@touch $@

# What of it is ever imported is compiled then: that is a small part, and takes the tests no longer.
$(VENV)/.installed-test: $(VENV)/.installed
	@echo "installing what the tests need …"
	@$(INSTALL) --quiet --no-compile --constraint constraints.txt --group test --group check
	@touch $@

# Without the theme's word on its successor.
docs: $(VENV)/.installed-test
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet && echo 'open .site/index.html'

manifests: $(VENV)/.installed-test
	$(BIN)/python -m tests.kubernetes.manifests

clean:
	rm -rf $(VENV) .site .mypy_cache .ruff_cache .pytest_cache .hypothesis protos/*/
