# Set-up, demonstration, tests and checks. Two targets do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
INSTALLED := $(VENV)/.installed
DEVELOPED := $(VENV)/.developed
BENCHED := $(VENV)/.benched
SLOW ?= not slow

.PHONY: demo study study-coverage study-digits study-stress hostile test check lint types pages-current wheel bench pages clean
.DELETE_ON_ERROR:

$(INSTALLED): pyproject.toml
	@echo "installing cxrshort and what it needs into $(VENV); about 5 GB are downloaded, in silence"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(DEVELOPED): $(INSTALLED) pyproject.toml
	@echo "installing what the tests need into $(VENV)"
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# What the benchmarks compare with.
$(BENCHED): $(DEVELOPED) pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev,txrv]'
	touch $@

# The main job on the phantom: build three datasets, train inside two of them, test inside and outside.
DEMO_IMAGES := 1600
DEMO_BUILD := $(BIN)/cxrshort build-dataset --images $(DEMO_IMAGES) --size 64 --replicates 1 --figures --force
DEMO_TRAIN := $(BIN)/cxrshort train --arch resnet18 --epochs 8 --force

demo: $(INSTALLED)
	mkdir -p demo
	cd demo && $(DEMO_BUILD) --dataset phantom-I
	cd demo && $(DEMO_BUILD) --dataset phantom-III
	cd demo && $(DEMO_BUILD) --dataset phantom-external
	cd demo && $(DEMO_TRAIN) --dataset phantom-I --out runs/I
	cd demo && $(DEMO_TRAIN) --dataset phantom-III --out runs/III
	cd demo && $(BIN)/cxrshort evaluate runs/I runs/III --dataset phantom-I --dataset phantom-III \
	  --dataset phantom-external --out results/demo --force
	@echo
	@echo "ROC curves and gaps:    demo/results/demo/roc.png  demo/results/demo/gap.png"
	@echo "average images:         demo/datasets/phantom-I/average-images.png"
	@echo "contact sheet:          demo/datasets/phantom-I/contact-sheet.png"
	@echo "the gap table again:    demo/results/demo/gaps.csv"

# One worker per core with one torch thread each: twice as fast as one process whose threads wait for each other.
test: $(DEVELOPED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m '$(SLOW)'

check: $(DEVELOPED) lint types test pages-current wheel

lint: $(DEVELOPED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(DEVELOPED)
	$(BIN)/mypy --strict cxrshort

pages: $(DEVELOPED)
	$(BIN)/python -m cxrshort.cli.pages .

pages-current: $(DEVELOPED)
	$(BIN)/python -m cxrshort.cli.pages --check .

# The wheel alone, with nothing but the command line's own dependency, must be able to show its help.
WHEEL := build/wheel/.checked
wheel: $(WHEEL)

$(WHEEL): $(DEVELOPED) pyproject.toml $(shell find cxrshort -type f -not -path '*/__pycache__/*')
	rm -rf build/wheel
	$(BIN)/python -m build --quiet --wheel --outdir build/wheel .
	$(PYTHON) -m venv --clear build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet typer
	build/wheel/venv/bin/python -m pip install --quiet --no-deps build/wheel/*.whl
	cd build/wheel && venv/bin/cxrshort --help > help.txt
	touch $@
	@echo "the wheel installs and shows its help"

bench: $(BENCHED)
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-disable-gc -s

# Whether external testing finds a planted shortcut, and which methods cure one; about two hours on two cores.
study: $(INSTALLED)
	$(BIN)/python tests/studies/gaps.py --out study
	$(BIN)/python tests/studies/cures.py --out study --workers 2

# How often the 95 % intervals of the statistics hold the truth; forty minutes on one core.
study-coverage: $(INSTALLED)
	mkdir -p study
	$(BIN)/python tests/studies/auc_coverage.py
	$(BIN)/python tests/studies/curve_area_coverage.py
	$(BIN)/python tests/studies/interval_coverage.py --out study/interval-coverage.csv

# Whether explanations alone teach digits whose colours give their classes away; forty minutes on one core.
study-digits: $(DEVELOPED)
	$(BIN)/python tests/studies/coloured_digits.py --out study

# Whether a stress test shows findings that were taught together, and leaves clean models alone; an hour on one core.
study-stress: $(INSTALLED)
	$(BIN)/python tests/studies/stress_test.py --out study/stress

# Damaged inputs of every kind through the command line, a table of what became of them; ten minutes.
hostile: $(INSTALLED)
	$(BIN)/python tests/studies/hostile.py

clean:
	rm -rf $(VENV) demo study build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
