# Every target makes its own virtual environment in .venv and installs what it needs, once;
# a change of pyproject.toml installs again. PYTHON chooses the interpreter: without it the first on the path that is new
# enough.

PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
ifndef PYTHON
PYTHON := $(shell for python in $(PYTHONS); do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
endif
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install
# Commands are short: most of their time would go into compiling where Python may not keep what it compiles.
COMPILE := $(BIN)/python -m compileall -q vmstate devices
RUNTIME := .venv/.runtime-installed
DEV := .venv/.dev-installed
# A wheel is tested where no `vmstate` of the repository can be imported: what the tests read is linked from there.
INSTALLED := build/installed
WHEEL := .venv-wheel/bin

# The tests' compiled form is kept: making it anew takes a third of the time of `make quick`.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test quick lint docs coverage wheel lowest mutants project changelog bench guest fixtures rules-truth index corpus vectors api types site zipapp installed archives release clean
.DEFAULT_GOAL := test

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo 'Python 3.11 or later is needed, and none of $(PYTHONS) is: make PYTHON=...' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo '$(PYTHON) cannot make a virtual environment: install python3-venv (Debian, Ubuntu: apt install python3-venv)' >&2; exit 1; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv

# What was left half made, without pip, is made anew.
.PHONY: whole-environment
whole-environment: | $(BIN)/python
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv; $(MAKE) --no-print-directory $(BIN)/python; }

# The interpreter is an order-only prerequisite: its file is a link whose date means nothing.
$(RUNTIME): pyproject.toml | whole-environment
	@echo 'Installing into .venv, once ...'
	@$(PIP) -e '.[report]'
	@$(COMPILE)
	@touch $@

$(DEV): pyproject.toml | whole-environment
	@echo 'Installing what development needs into .venv, once ...'
	@$(PIP) -e '.[dev]'
	@$(COMPILE)
	@touch $(RUNTIME) $@

# A guest that QEMU 7.2 saved while it ran: what is in the file, a value changed, a load that fails, a plan.
demo: $(RUNTIME)
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/demo

lint: $(DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory types

# mypy over the package; pyright (basedpyright brings its own node) over a program that uses the whole public face. The
# snippets of the documents are checked by tests/house/test_types.py.
types: $(DEV)
	@$(BIN)/mypy
	@$(BIN)/basedpyright --level error

# The page of the public names, from their docstrings.
api: $(RUNTIME)
	@$(BIN)/python .ci/api.py

# The documents as a site, in build/site; every link in it is checked.
site: $(DEV)
	@$(PIP) -e '.[site]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "build/site is made: open build/site/index.html in a browser"

# One file that runs on a host with nothing but Python: build/vmstate.pyz, what it needs inside. Nothing in it is compiled
# for one Python, which is why deepdiff is older than 9 in it.
ZIPAPP := build/zipapp
zipapp: $(RUNTIME)
	@rm -rf $(ZIPAPP)
	@$(PIP) --no-compile --target $(ZIPAPP) '.[report]' 'deepdiff<9'
	@rm -rf $(ZIPAPP)/bin && find $(ZIPAPP) -name '*.so' -delete
	@$(BIN)/python -m zipapp $(ZIPAPP) -m vmstate.__main__:main -c -p '/usr/bin/env python3' -o build/vmstate.pyz
	@$(BIN)/python -I build/vmstate.pyz verify fixtures/qemu-7.2-q35-virtio-net.mig.xz

# What a release consists of: archives that are built twice and are equal, each installed and tested on the lowest and the
# newest Python there is, and the zipapp.
archives: $(DEV)
	@[ -z "$$(git status --porcelain)" ] || { echo 'commit first: archives are made of what is committed' >&2; exit 1; }
	@export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct); $(MAKE) --no-print-directory wheel zipapp && \
		$(BIN)/python -m build --quiet -o build/twice >/dev/null && $(BIN)/python .ci/pack_wheel.py build/twice/*.whl
	@for file in build/twice/*; do cmp "$$file" "dist/$$(basename "$$file")" || exit 1; done
	@for python in $$($(PYTHON) .ci/pythons.py $(PYTHONS)); do for archive in dist/*; do \
		$(MAKE) --no-print-directory installed PYTHON=$$python ARCHIVE=$$archive || exit 1; done; done
	@sha256sum dist/* build/vmstate.pyz

# The changelog from its fragments, the archives made and tested of that commit, and only then the commit and its tag here.
release: $(DEV)
	@.ci/release $(BIN)

# Tests come last so that pytest's summary is the last line.
test: lint
	@$(BIN)/python -m pytest -q -n auto

# The tests while one works: every room, a thin stream of each release, no QEMU and no network, below a minute on two
# cores. -P: what is tested is the package that is installed, not a folder that lies here.
quick: $(DEV)
	@$(BIN)/python -P -m pytest -q -n 2 -m 'not slow and not qemu' $(ARGS)

# Every command and snippet of the documents.
docs: $(DEV)
	@$(BIN)/python -m pytest -q -n auto tests/house/test_readme.py

# How much of the library the tests run that need no QEMU; the floor is in pyproject.toml.
coverage: $(DEV)
	@$(BIN)/python -m pytest -q -n auto -m "not qemu" --cov --cov-report=
	@$(BIN)/coverage report

# The source archive, the wheel that is made from it, and the quick tests against that wheel in an environment of its own.
wheel: $(DEV)
	@rm -rf dist build .venv-wheel
	@$(BIN)/python -m build --quiet >/dev/null
	@$(BIN)/python .ci/pack_wheel.py dist/*.whl
	@$(BIN)/twine check --strict dist/*
	@$(BIN)/python .ci/contents.py dist/*.whl dist/*.tar.gz
	@$(BIN)/check-wheel-contents --config .ci/check-wheel-contents.toml dist/*.whl
	@$(MAKE) --no-print-directory installed ARCHIVE="$$(ls dist/*.whl)"

# An archive in an environment of its own, and the quick tests against it: make installed ARCHIVE=FILE.
installed:
	@echo "$(ARCHIVE) with $$($(PYTHON) --version):"
	@rm -rf .venv-wheel $(INSTALLED)
	@$(PYTHON) -m venv .venv-wheel
	@$(WHEEL)/python -m pip --quiet --disable-pip-version-check install "$(ARCHIVE)[fuzz,compression,report]"
	@$(WHEEL)/python -m pip --disable-pip-version-check check
	@$(WHEEL)/vmstate --version
	@$(WHEEL)/python -m pip --quiet --disable-pip-version-check install pytest pytest-xdist redis
	@mkdir -p $(INSTALLED)
	@cd $(INSTALLED) && ln -s $(addprefix $(CURDIR)/,tests fixtures docs examples benchmarks README.md pyproject.toml) .
	@cd $(INSTALLED) && $(CURDIR)/$(WHEEL)/pytest -q -n auto -m "not qemu and not slow" --ignore=tests/house

# Workflows and templates against their schemas; the fragments of the changelog.
project: $(DEV)
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms \
	    $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(BIN)/towncrier build --draft --version next >/dev/null

# What the fragments in changelog.d/ would put into CHANGELOG.md.
changelog: $(DEV)
	@$(BIN)/towncrier build --draft --version next

# What pyproject.toml gives as the lowest releases, in an environment of their own, and tests that use each of them.
lowest:
	@$(PYTHON) -m venv .venv-lowest
	@.venv-lowest/bin/python -m pip --quiet --disable-pip-version-check install $$($(PYTHON) .ci/lowest.py)
	@.venv-lowest/bin/python -m pip --quiet --disable-pip-version-check install --no-deps -e .
	@.venv-lowest/bin/python -m pytest -q -n auto $(addprefix tests/,cli vmsd codec/test_properties.py \
	    saved/test_opening.py compare/test_diff.py fuzz/test_fuzz.py fuzz/test_fuzz_states.py lab/test_lab.py plugin \
	    devices/test_virtio.py)

# Small changes at random places, and whether a test notices each (docs/testing.md):
# make mutants ARGS='-n 50 --seed 3 vmstate/codec vmstate/stream'.
mutants: $(DEV)
	@$(PIP) -e '.[mutants]'
	@$(BIN)/python .ci/mutants.py $(ARGS)

bench: $(DEV)
	@$(BIN)/python benchmarks/run.py $(ARGS)

# A tiny Linux guest of Debian's packages, for the tests that boot one.
guest: $(RUNTIME)
	@$(BIN)/python -m vmstate.lab.guest .guest

# The recorded streams once more, into .fixtures: by the system's QEMU and those of the roots in VMSTATE_QEMU_ROOTS.
# ARGS names recipes: make fixtures ARGS='q35-*'.
fixtures: $(DEV)
	@$(BIN)/python -m vmstate.lab.golden fixtures -o .fixtures $(ARGS)

# What a real QEMU does with streams that break the rules, one by one; ARGS names machines (docs in the file).
rules-truth: $(DEV)
	@$(BIN)/python tests/support/rules_truth.py $(ARGS)

# Facts of all releases, of QEMU's history (ARGS=REPOSITORY@REVISION), and the tables of the library written of them;
# without ARGS of the recorded facts.
source-facts: $(DEV)
	@$(BIN)/python tests/support/source_facts.py $(ARGS)

# What is to be known of the device library without importing it, from the classes in devices/.
index: $(RUNTIME)
	@$(BIN)/python -m vmstate.devices.index

# The archive of thin streams that comes with the package, from the recorded ones.
corpus: $(RUNTIME)
	@$(BIN)/python -m vmstate.saved.corpus fixtures

# Bytes with their meaning, for other implementations, into fixtures/vectors (docs/vectors.md).
vectors: $(RUNTIME)
	@$(BIN)/python .ci/vectors.py

clean:
	rm -rf .fixtures .guest .venv .venv-lowest .venv-wheel .coverage .mypy_cache .pytest_cache .ruff_cache build dist
