# Set-up, demonstration, tests and checks. Two targets do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
INSTALLED := $(VENV)/.installed
DEVELOPED := $(VENV)/.developed
BENCHED := $(VENV)/.benched
SLOW ?= not slow

.PHONY: demo story study study-coverage study-digits study-stress study-cyclegan hostile test check lint types pages-current wheel bench pages clean
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

# The whole arc on the phantom: a marker is planted, a network falls for it, the audits say so, tea-distill cures it, and
# the same audits of the cured network stand beside the others in one table. Under ten minutes on two cores.
DEMO := cd demo && $(BIN)/cxrshort
DEMO_BUILD := $(DEMO) build-dataset --size 64 --replicates 1 --force
DEMO_TRAIN := $(DEMO) train --dataset phantom-I --arch small-cnn --labels COVID-19 --set selection=last --force
DEMO_EDITS := --prompt COVID-19="covid-19 pneumonia" --prompt edema --prompt effusion --prompt cardiomegaly --prompt mass

demo: $(INSTALLED)
	mkdir -p demo
	$(DEMO_BUILD) --dataset phantom-I --images 4000 --shortcut marker --bias 1 --figures
	$(DEMO_BUILD) --dataset phantom-external --images 1600
	$(DEMO_TRAIN) --epochs 10 --out runs/before
	$(DEMO_TRAIN) --epochs 25 --background noise --masks --out runs/teacher
	$(DEMO) tea-distill --teacher runs/teacher --dataset phantom-I --arch small-cnn --epochs 15 --out runs/after --force
	$(DEMO) evaluate runs/before runs/after --dataset phantom-I --dataset phantom-external --out results/evaluation --force
	$(DEMO) roentmod edit --dataset phantom-external --editor phantom $(DEMO_EDITS) --out datasets/edits --force
	for model in before after; do \
	  ($(DEMO) explain runs/$$model --dataset phantom-I --images 60 --out results/$$model/explain --force) && \
	  ($(DEMO) swap-test runs/$$model --dataset phantom-I --out results/$$model/swap-test --force) && \
	  ($(DEMO) roentmod stress-test runs/$$model --before phantom-external --after edits \
	    --out results/$$model/stress-test --force) || exit 1; \
	done
	@echo
	@echo "Before and after the cure:"
	@$(DEMO) stats audits results/evaluation results/before results/after --out results/audits --force
	@echo
	@echo "ROC curves:             demo/results/evaluation/roc.png"
	@echo "what the maps show:     demo/results/before/explain  demo/results/after/explain"
	@echo "markers exchanged:      demo/results/before/swap-test  demo/results/after/swap-test"
	@echo "findings added:         demo/datasets/edits/edits.png  demo/results/after/stress-test"
	@echo "student and teacher:    demo/runs/after/agreement.png"

# The longer version: what a CycleGAN makes of the marker, and what it does to both networks; ten minutes more.
story: demo
	$(DEMO) cyclegan train --dataset phantom-I --from "COVID-19 == 0" --to "COVID-19 == 1" --width 12 --set blocks=2 \
	  --set discriminator_width=16 --per-class 300 --epochs 14 --lr 5e-4 --out runs/cyclegan --force
	for model in before after; do \
	  ($(DEMO) cyclegan audit runs/cyclegan runs/$$model --dataset phantom-I --out results/$$model/cyclegan --force) \
	    || exit 1; \
	done
	@$(DEMO) stats audits results/evaluation results/before results/after --out results/audits --force

# One worker per core with one torch thread each: twice as fast as one process whose threads wait for each other. Each
# takes neighbouring tests until the other runs out of its own, so that few fixtures of a file are made twice.
test: $(DEVELOPED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m '$(SLOW)'

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

# Whether the audit by a CycleGAN finds what was planted; two hours of one core, a CycleGAN and two audits at a time.
study-cyclegan: $(INSTALLED)
	$(BIN)/python tests/studies/cyclegan_audit.py --epochs 32 --per-class 250 --images 50 --out study/cyclegan

# Damaged inputs of every kind through the command line, a table of what became of them; ten minutes.
hostile: $(INSTALLED)
	$(BIN)/python tests/studies/hostile.py

clean:
	rm -rf $(VENV) demo study build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
