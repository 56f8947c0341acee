# Everything here runs from a fresh clone: each target sets up what it needs first. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types floors unit cluster bench clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SMAR := $(BIN)/smar
STORE := $(CURDIR)/$(VENV)/moto
INSTALLED := $(VENV)/installed
TORCH := $(shell grep '^torch==' constraints.txt)
PIP := $(shell grep '^pip==' constraints.txt)

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(INSTALLED) ## install everything into .venv, once; again when the dependencies change

# torch comes first and alone, so that its CPU build is chosen where one is offered (CONTRIBUTING.md, TORCH_INDEX).
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$(PIP)"
	$(BIN)/python -m pip install --quiet $(if $(TORCH_INDEX),--extra-index-url "$(TORCH_INDEX)") -c constraints.txt "$(TORCH)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@sh tools/system_libraries.sh $(BIN)/python
	@touch $(INSTALLED)

demo: setup ## make up a shop, train three models, index, judge and search it: 7 to 8 minutes on two idle cores
	rm -rf shops/demo runs/demo runs/demo-text runs/demo-image
	$(SMAR) make-shop shops/demo --items 2000
	$(SMAR) check shops/demo
	$(SMAR) train shops/demo --config configs/demo-text.toml --out runs/demo-text
	$(SMAR) train shops/demo --config configs/demo-image.toml --out runs/demo-image
	$(SMAR) train shops/demo --config configs/demo.toml --out runs/demo
	$(SMAR) index shops/demo runs/demo-text
	$(SMAR) index shops/demo runs/demo-image
	$(SMAR) index shops/demo runs/demo
	$(SMAR) search runs/demo "striped navy jumper" -k 5
	$(SMAR) search runs/demo "red floral dress" -k 5 --filter in_stock=true
	$(SMAR) search runs/demo "usb cable" -k 5
	$(SMAR) evaluate shops/demo runs/demo-text runs/demo-image runs/demo --bm25 --json runs/demo/dev.json
	$(SMAR) compare shops/demo runs/demo-text runs/demo
	@echo
	@echo "This shop is made up and its shoppers are simulated: the figures say that it works, not how well."
	@echo "For your own shop, write the folder that docs/data-format.md describes, and then:"
	@echo "  source $(BIN)/activate"
	@echo "  smar check SHOP"
	@echo "  smar train SHOP --config configs/mart.toml --out runs/mine"
	@echo "  smar index SHOP runs/mine"
	@echo "  smar search runs/mine \"what your shoppers type\""
	@echo "  smar serve runs/mine --open"
	@if [ "$(SERVE)" != 0 ] && [ -t 1 ]; then \
		echo; echo "The same shop in a browser (SERVE=0 leaves this out; Ctrl-C ends it):"; \
		$(SMAR) serve runs/demo --beside runs/demo-text --open; \
	fi

# One thread each: most tests are small, and many wait for processes of their own. Files keep their order, so that the
# short ones of tests/unit come last and the workers end together.
WORKERS ?= 2
test: lint types floors ## everything that CI checks: lint, types, floors and all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not cluster" -n $(WORKERS) --dist loadfile --no-loadscope-reorder --session-timeout=2700
	$(MAKE) cluster

cluster: setup $(STORE) ## the tests with clusters of several processes, which are started for them where that can be done
	PATH="$(STORE)/bin:$$PATH" $(BIN)/python -m pytest -m cluster -rs --session-timeout=1200 tests/cluster

# An imitation of S3, whose packages do not go with ours.
$(STORE): tools/moto.txt
	$(PYTHON) -m venv $(STORE)
	$(STORE)/bin/python -m pip install --quiet --no-deps -r tools/moto.txt
	@touch $(STORE)

lint: setup ## ruff: style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy --strict
	$(BIN)/mypy

floors: setup ## import-linter: a module imports only from floors below it
	$(BIN)/lint-imports --no-logo

unit: setup ## the fast tests only
	$(BIN)/python -m pytest tests/unit tests/properties tests/architecture -m "not end_to_end"

RUN ?= runs/demo
SHOP ?= shops/demo

bench: setup ## speed and memory over RUN and SHOP (the demo's, unless given): what docs/scaling.md shows, about half an hour
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[bench]"
	$(BIN)/python bench/training.py $(SHOP)
	$(BIN)/python bench/embedding.py $(SHOP)
	$(BIN)/python bench/update.py $(RUN) $(SHOP)
	$(BIN)/python bench/gate.py $(RUN) $(SHOP)
	$(BIN)/python bench/serve_load.py $(RUN) $(SHOP)
	$(BIN)/python bench/million.py $(RUN) $(SHOP)
	$(BIN)/python bench/image_decode.py --folder $(SHOP)/images
	$(BIN)/python bench/gpu.py

clean: ## remove what the demo made and what tools cached; .venv stays
	rm -rf shops/demo runs/demo runs/demo-text runs/demo-image
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
