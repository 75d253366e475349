# Every target works in a fresh clone: it makes .venv when that is absent or older than what it is made from.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# 3.11 alone: it is what everything is tested with, and the only one that Blender's wheel (bpy 4.4) is made for.
PYTHON ?= python3.11
CONFIG ?= configs/small.yaml
ARGS ?=
# Folder of MakeHuman's garments that dress the people of `make weights`; empty paints them.
GARMENTS ?=
VENV := .venv
RUN := $(VENV)/bin/python
# One virtual environment, filled twice: what the demo needs, and what development and Blender need besides.
DEMO := $(VENV)/.installed-demo
DEV := $(VENV)/.installed-dev

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Training compiles nothing (docs/adr/0006); an operator that a GPU machine builds is kept with the checkout.
export TORCH_EXTENSIONS_DIR := $(CURDIR)/.cache/torch_extensions
export MAX_JOBS ?= 2

.PHONY: help demo claims test check weights schemas clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */\1\t/' | expand -t 10
	@echo "Variables: CONFIG=$(CONFIG) (demo)  ARGS='--finetune.algorithm.kl_weight 0.3' (demo, weights)  PYTHON=$(PYTHON)"

demo: $(DEMO)  ## motions -> poses -> shards -> reward -> DrPose -> before/after table, on a CPU
	drpose pipeline --config $(CONFIG) $(ARGS)

# One folder per seed; a seed whose folder is complete is not run again.
claims: $(DEMO)  ## three seeds, four times as long as the demo, on three times the test poses (an hour and a half)
	for seed in 0 1 2; do \
	  test -f outputs/claims/seed$$seed/evaluate/summary.json || \
	  drpose pipeline --config $(CONFIG) --run.seed $$seed --run.folder outputs/claims/seed$$seed \
	    --finetune.optimizer.num_iterations 400 --finetune.algorithm.kl_weight 6 --poses.num_test 192 $(ARGS) || exit 1; \
	done

test: $(DEV)  ## every test, slow ones included (make test ARGS="-m 'not slow'" for the quick ones)
	$(RUN) -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder $(ARGS)

check: $(DEV)  ## lint, format, types, import layers, schema drift
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	drpose dev schemas --check

weights: $(DEMO)  ## train the shipped weights again (hours on 2 cores; resumes; GARMENTS=folder dresses people)
	drpose dev weights --config configs/weights.yaml $(if $(GARMENTS),--people.garments $(GARMENTS) --twin.garments $(GARMENTS)) $(ARGS)

schemas: $(DEV)  ## write schemas/ from the typed models
	drpose dev schemas

clean:  ## remove .venv, caches and outputs
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache outputs *.egg-info

$(DEMO): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo "make: Python 3.11 is needed, and '$(PYTHON)' is not one; name it: make PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Installing what the demo needs into $(VENV) (a few minutes the first time)"
	test -x $(RUN) || "$(PYTHON)" -m venv $(VENV)
	$(RUN) -m pip install --quiet --constraint constraints.txt torch
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(DEV): $(DEMO)
	@echo "Installing what tests and Blender need besides"
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev,blender]'
	touch $@
