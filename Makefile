# Needs python3 (3.11 to 3.13) and make, nothing else. `make demo` first.
PYTHON ?= python3
DEMO ?= demo-project
ARGS ?=
WORKERS ?= 2
LINT ?= lint
BOOT = $(PYTHON) scripts/bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help demo check test lint format lock schemas docs bench clean

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

demo: ## the whole story on real data, leaving the stack running; `.venv/bin/mlpipes -C demo-project down` stops it
	@$(BOOT) --times -- mlpipes demo $(DEMO)

check: lint ## at every change, under 3 minutes: style, types, layers, and the unit tests that are not slow
	@$(BOOT) --dev -- python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow" tests/unit $(ARGS)

test: $(LINT) ## lint, then all tests; ARGS="tests/unit -k name" picks some, WORKERS=0 runs them one by one
	@$(BOOT) --dev -- python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart=0 $(ARGS)

lint: ## style, types, layers, words
	@$(BOOT) --dev
	@$(BOOT) --dev -- ruff check --quiet .
	@$(BOOT) --dev -- ruff format --check --quiet .
	@$(BOOT) --dev -- mypy
	@$(BOOT) --dev -- lint-imports
	@$(BOOT) --dev -- python scripts/words.py

format: ## put the code in shape
	@$(BOOT) --dev -- ruff check --fix --quiet .
	@$(BOOT) --dev -- ruff format --quiet .

lock: ## renew requirements.lock after a change of pyproject.toml; FRESH=1 takes newer versions too
	@$(PYTHON) scripts/lock.py $(if $(FRESH),--fresh)

schemas: ## write the JSON Schemas of both files into the package
	@$(BOOT) --dev -- python scripts/schemas.py

docs: ## the documentation as a site, in build/docs; a warning is an error
	@$(BOOT) --dev -- sphinx-build -W --keep-going -q -b html -d build/doctrees docs build/docs

bench: ## the benchmarks of the first mile, and of the stack in containers where Docker answers
	@$(BOOT) --dev -- python benchmarks/startup/measure.py
	@$(BOOT) --dev -- python benchmarks/story/measure.py
	@$(BOOT) --dev -- python benchmarks/stack/measure.py

clean: ## the environment, caches and built files (no project's data)
	rm -rf .venv .venv.lock dist build docs/reference/generated .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
