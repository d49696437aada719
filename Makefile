# GNU make. Everything runs in .venv, which tools/bootstrap makes and keeps fresh.

PYTHON_IN_VENV := .venv/bin/python
SOURCES := mmid tests $(sort $(dir $(wildcard demo/*.py bench/*.py)))

.DEFAULT_GOAL := help
.PHONY: help bootstrap demo test bench vm-test lint format clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

bootstrap:  ## install what is missing: Debian packages and .venv
	@tools/bootstrap

demo: bootstrap  ## one whole push-to-talk dialog on this machine
	@$(PYTHON_IN_VENV) -m demo

test: lint  ## lint, then all tests
	$(PYTHON_IN_VENV) -m pytest -q -n 4

bench: bootstrap  ## what mmid costs, as ratios; BENCH=name for one of them
	@$(PYTHON_IN_VENV) -m bench $(BENCH)

vm-test: bootstrap  ## boot Debian 13 in QEMU, try real sound, flash, clock, power cut
	@$(PYTHON_IN_VENV) -m tests.vm

lint: bootstrap  ## ruff and mypy
	$(PYTHON_IN_VENV) -m ruff check $(SOURCES)
	$(PYTHON_IN_VENV) -m ruff format --check $(SOURCES)
	$(PYTHON_IN_VENV) -m mypy $(SOURCES)

format: bootstrap  ## lay the sources out as lint wants them
	$(PYTHON_IN_VENV) -m ruff check --fix $(SOURCES)
	$(PYTHON_IN_VENV) -m ruff format $(SOURCES)

clean:  ## remove all that was made here, .venv too
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
