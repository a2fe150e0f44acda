PYTHON ?= python3
# TensorFlow 2.18, the lowest supported, has no wheels for Python 3.13.
LOWEST_PYTHON ?= python3.11
# Each worker imports TensorFlow, so more of them want memory before they want cores.
WORKERS ?= 2
DATA ?= digits
ARGS ?=

SHELL := /bin/bash
export TF_CPP_MIN_LOG_LEVEL := 3

# A stamp is named after the interpreter, so that another PYTHON makes a new environment.
stamp = $(1)/installed-for-$(subst /,-,$(2))
TRAIN := $(call stamp,.venv-train,$(PYTHON))
TEST := $(call stamp,.venv-test,$(PYTHON))
PAGES := $(call stamp,.venv-pages,$(PYTHON))
LOWEST := $(call stamp,.venv-lowest,$(LOWEST_PYTHON))

# $(call install,ENVIRONMENT,INTERPRETER,PIP ARGUMENTS)
define install
	$(2) -m venv --clear $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check $(3)
	@touch $@
endef

.PHONY: help train test grid pages lint format types test-lowest clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

train: $(TRAIN) ## train, measure, save and export a VAE; DATA=mnist ARGS='--epochs 50'
	.venv-train/bin/tfvae train $(DATA) $(ARGS)

# The page is tested in a browser. Where there is none, and no right to install one,
# its tests are skipped.
.PHONY: chromium
chromium:
	@command -v chromium chromium-browser >/dev/null || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
			--no-install-recommends chromium >/dev/null; } || \
		echo "There is no chromium: the tests of the page are skipped."

test: $(TEST) chromium ## the gate: lint, format, types, tests, doctests
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy
	.venv-test/bin/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal $(ARGS)

# TensorFlow keeps the graphs of every model: 16 parts, each in processes of its own.
PARTS ?= 16
grid: $(TEST) ## every likelihood with every posterior and prior: hours
	@failed=0; for part in $$(seq $(PARTS)); do \
		.venv-test/bin/python -m pytest tests/test_grid.py -v \
			--full-grid=$$part/$(PARTS) --numprocesses=$(WORKERS) \
			--dist=worksteal $(ARGS) || failed=1; \
	done; exit $$failed

pages: $(PAGES) ## run the tutorials and write their pages with figures
	@rm -rf tutorials/pages
	@set -o pipefail; for tutorial in tutorials/*.py; do \
		.venv-pages/bin/jupytext --quiet --to ipynb --output - $$tutorial | \
			.venv-pages/bin/jupyter nbconvert --log-level=WARN --stdin --execute \
			--to markdown --TemplateExporter.extra_template_basedirs=tutorials \
			--template template --CoalesceStreamsPreprocessor.enabled=True \
			--output-dir tutorials/pages \
			--output $$(basename $$tutorial .py) || exit 1; \
	done

lint: $(TEST) ## only the linter
	.venv-test/bin/ruff check .

format: $(TEST) ## rewrite the files in the project's format
	.venv-test/bin/ruff check --select=I --fix .
	.venv-test/bin/ruff format .

types: $(TEST) ## only the type checker
	.venv-test/bin/mypy

# An old package may warn about a younger one that it meets here.
test-lowest: $(LOWEST) ## the tests with the oldest dependencies that are allowed
	.venv-lowest/bin/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal \
		-W ignore::DeprecationWarning $(ARGS)

clean: ## remove what these targets made, but not saved_models/
	rm -rf .venv-train .venv-test .venv-pages .venv-lowest
	rm -rf .pytest_cache .mypy_cache .ruff_cache build dist
	find tfvae tests -name __pycache__ -type d -prune -exec rm -rf {} +

# What the build fetches for the page in the browser.
BUILD := hatch_build.py tfvae/export/page/package-lock.json

$(TRAIN): pyproject.toml $(BUILD)
	$(call install,.venv-train,$(PYTHON),--editable '.[all]')

$(TEST): pyproject.toml $(BUILD)
	$(call install,.venv-test,$(PYTHON),--editable '.[dev]')

$(PAGES): pyproject.toml $(BUILD)
	$(call install,.venv-pages,$(PYTHON),--editable '.[tutorials]')

$(LOWEST): pyproject.toml tests/lowest.txt $(BUILD)
	$(call install,.venv-lowest,$(LOWEST_PYTHON),--constraint tests/lowest.txt --editable '.[dev]')
