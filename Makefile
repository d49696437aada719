# GNU make. Everything runs in .venv, which tools/bootstrap makes and keeps fresh.

PYTHON_IN_VENV := .venv/bin/python
SOURCES := mmid tests $(sort $(dir $(wildcard demo/*.py bench/*.py tools/*.py)))

# The programs that tests and demo start would compile all of mmid each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help bootstrap bootstrap-relay demo test bench vm-test image-test image-test-board guide-test
.PHONY: board-test fault-runs
.PHONY: relay-demo relay-test relay-lint relay-lock relay-image-test
.PHONY: fuzz deb deb-test autopkgtest deb12 musl-test docs lint format clean

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*##  *\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

bootstrap:  ## install what is missing: Debian packages and .venv
	@tools/bootstrap

bootstrap-relay:
	@tools/bootstrap relay

demo: bootstrap  ## one whole push-to-talk dialog on this machine; PROTOCOL=qwen-realtime, baidu-rtc for another cloud
	@$(PYTHON_IN_VENV) -m demo $(if $(PROTOCOL),--protocol $(PROTOCOL))

relay-demo: bootstrap bootstrap-relay  ## the same through the vendor's server, semi-managed
	@$(PYTHON_IN_VENV) -m demo --relay $(if $(PROTOCOL),--protocol $(PROTOCOL))

test: lint relay-test  ## lint, then all tests, the relay's too
	$(PYTHON_IN_VENV) -m pytest -q -n 4 --dist worksteal

relay-test: relay-lint  ## lint and tests of the relay alone
	cd relay && .venv/bin/python -m pytest -q

# uv, because pip cannot lock for other machines than this one.
relay-lock:  ## pin again what a server of the relay installs (needs uv)
	cd relay && uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --generate-hashes --no-annotate -o requirements.lock pyproject.toml

relay-image-test:  ## build the relay's container image and try it, where there is a buildah
	@relay/image-test

relay-lint: bootstrap-relay
	cd relay && .venv/bin/python -m ruff check .
	cd relay && .venv/bin/python -m ruff format --check .
	cd relay && .venv/bin/python -m mypy

bench: bootstrap bootstrap-relay  ## what mmid costs, as ratios; BENCH=name for one of them
	@$(PYTHON_IN_VENV) -m bench $(BENCH)

vm-test: bootstrap  ## boot Debian 13 in QEMU, try real sound, flash, clock, power cut
	@$(PYTHON_IN_VENV) -m tests.vm

# The packages and the board they are for: both are made of nothing the first time.
image-test: bootstrap  ## install the packages on Debian 13 in QEMU, and live with them (ARCH=arm64)
	@$(MAKE) --no-print-directory --jobs=2 deb image-test-board
	@$(PYTHON_IN_VENV) -m tests.image $(if $(ARCH),--arch $(ARCH))

image-test-board: bootstrap
	@$(PYTHON_IN_VENV) -m tests.image --prepare $(if $(ARCH),--arch $(ARCH))

guide-test: bootstrap deb  ## follow docs/oem-guide.md on that board, and the unit's recipes
	@$(PYTHON_IN_VENV) -m tests.image --only recipes. guide.

board-test: bootstrap deb  ## dialogs on an emulated board with 64 MiB of RAM; DIALOGS= (100 over each cloud)
	@$(PYTHON_IN_VENV) -m tests.board $(if $(DIALOGS),--dialogs $(DIALOGS))

fault-runs: bootstrap  ## 500 dialogs through bad networks, and all scenarios of simcloud; PROTOCOL=
	@$(PYTHON_IN_VENV) -m tests.fault_runs $(if $(PROTOCOL),--protocol $(PROTOCOL))
	@$(PYTHON_IN_VENV) -m tests.fault_runs --scenarios --dialogs 63 $(if $(PROTOCOL),--protocol $(PROTOCOL))

fuzz: bootstrap  ## bent input for a minute a target; SECONDS=, or COUNT= inputs; SEED= TARGET=
	@$(PYTHON_IN_VENV) -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) \
	    $(if $(SECONDS),--seconds $(SECONDS)) $(TARGET)

deb:  ## the Debian 13 packages, in build/deb
	@packaging/build-deb

deb-test: deb  ## the same bytes again, install, upgrade, remove, purge, a dialog
	@packaging/test-deb
	@packaging/autopkgtest --test-name=dialog

autopkgtest: deb  ## all tests, on the packages and with what Debian 13 has
	@packaging/autopkgtest

deb12:  ## the package for Debian 12, in build/deb12 (ARCH=arm64 for another machine)
	@packaging/build-deb12 $(ARCH)

musl-test:  ## build Python and mmid's libraries with musl, and play the demo there
	@packaging/test-musl

docs: bootstrap  ## write mmid.toml and mmid.toml(5) from the settings; man pages in build/man
	@$(PYTHON_IN_VENV) -m tools.settings_documents
	@tools/man-pages

lint: bootstrap  ## ruff and mypy
	$(PYTHON_IN_VENV) -m ruff check $(SOURCES)
	$(PYTHON_IN_VENV) -m ruff format --check $(SOURCES)
	$(PYTHON_IN_VENV) -m mypy $(SOURCES)

format: bootstrap  ## lay the sources out as lint wants them
	$(PYTHON_IN_VENV) -m ruff check --fix $(SOURCES)
	$(PYTHON_IN_VENV) -m ruff format $(SOURCES)

clean:  ## remove all that was made here, .venv too
	rm -rf --one-file-system .venv relay/.venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
