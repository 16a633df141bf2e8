# make book    build the book into _build/html
# make test    run everything that guards it
# make test-fast   the package alone, in a minute: for the loop while editing
# make format  bring the code into its form, and say what is wrong with it
# make pdf     the whole book as one PDF, which the first page then offers
# make lab     open the notebooks in JupyterLab
# make notebooks   execute the notebooks and store their outputs in the normal form
# make translations  bring the translators' catalogues up to date, and list what is new or changed
# make bench       measure time and memory against other packages (ten minutes; see benchmarks/README.md)
# make mutants     break the package in hundreds of small ways, and list the ways that no test notices (an hour)
# make lighthouse  what Lighthouse says of the first page and two chapters
# make oldest      the tests of the losses with the oldest PyTorch that the package takes (gigabytes to download, ten minutes)
# make graders     the homework with nbgrader and Otter, from end to end (five minutes)
# make lock    write requirements.txt anew from pyproject.toml
# make clean   remove what was built; `make clean-all` also removes the environment

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# For `make bench`: --quick, or --out FILE.
BENCHFLAGS ?=
# A plain `make book` warns; `make book BOOKFLAGS="--all -W -n --keep-going"` rebuilds every page and fails on a warning.
BOOKFLAGS ?=
# The tests of the losses themselves.
LOSSES := $(addprefix tests/test_,$(addsuffix .py,blocks elsewhere errors information linear loss_errors losses modules naive shortcuts softmax))

.PHONY: book translations pdf test test-fast format lab notebooks bench mutants lighthouse graders oldest lock clean clean-all

book: $(READY)
	$(BIN)/python book/build.py $(BOOKFLAGS)

translations: $(READY)
	$(BIN)/python book/translations.py

# Printed from the pages (Chromium), and then the first page of each edition is written anew, which offers it.
pdf: book
	$(BIN)/python book/take_along.py pdf
	$(BIN)/python book/build.py -q

test: book
	$(BIN)/pytest

# The tests of the losses themselves, and those that say what a new one still lacks. Left to `make test`: what compiles, starts processes or opens pages.
test-fast: $(READY)
	$(BIN)/pytest -q -o addopts="--doctest-modules --numprocesses=auto --dist=loadscope" -k "not compile and not inductor and not program" \
		lossnotes $(LOSSES) \
		tests/test_roads.py::test_no_loss_is_left_out tests/test_check.py::test_every_function_with_a_formula_can_be_checked \
		tests/test_package.py::test_all_is_what_is_exported tests/test_package.py::test_every_function_has_a_chapter \
		tests/test_package.py::test_the_crosswalk_has_every_public_name_in_a_table_and_in_a_cell

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

notebooks: $(READY)
	$(BIN)/python book/normalise.py

lab: $(READY)
	@$(BIN)/python -c "import jupyterlab" 2>/dev/null || $(BIN)/pip install --quiet "jupyterlab>=4.4,<5" -c requirements.txt
	$(BIN)/jupyter lab --notebook-dir=book

# Byte-compiling everything would take longer than downloading it: modules are compiled when they are first imported.
unexport PYTHONDONTWRITEBYTECODE
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"Loss Notes needs Python 3.11 or newer, and $(PYTHON) is {sys.version.split()[0]}. Try make PYTHON=python3.12")'
	@echo "Installing into $(VENV): a few minutes the first time, nothing after that"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile -r requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Without what the peers depend on: that is torchvision, of which PyPI has no build for the CPU's PyTorch, and none of their losses
# needs it.
bench: $(READY)
	@$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['bench'], sep='\n')" > $(VENV)/.bench
	@$(BIN)/pip install --quiet --no-deps -r $(VENV)/.bench -c requirements.txt || echo "Not every peer could be installed: those that are missing are left out, and named"
	$(BIN)/python benchmarks/run.py $(BENCHFLAGS)

mutants: $(READY)
	@$(BIN)/python -c "import importlib.metadata as m; m.version('mutmut')" 2>/dev/null || $(BIN)/pip install --quiet mutmut==3.8.1 -c requirements.txt
	OMP_NUM_THREADS=1 $(BIN)/mutmut run
	$(BIN)/mutmut results

# nbgrader and Otter want other versions than the book: each has an environment of its own. torch is named with them, or pip
# would look for another build of it.
graders:
	for grader in nbgrader otter; do \
	  package=$$(test $$grader = otter && echo "otter-grader>=7,<8" || echo "nbgrader>=0.9,<0.10"); \
	  test -x _build/graders/$$grader/bin/python || $(PYTHON) -m venv _build/graders/$$grader || exit 1; \
	  _build/graders/$$grader/bin/pip install --quiet --no-compile "torch==2.13.0" "$$package" ".[book]" || exit 1; \
	  OMP_NUM_THREADS=1 _build/graders/$$grader/bin/python tests/graders/$${grader}_course.py || exit 1; \
	done

# What pyproject.toml says is the least, in an environment of its own. With what compiles: that is where versions differ.
oldest:
	test -x _build/oldest/bin/python || $(PYTHON) -m venv _build/oldest
	_build/oldest/bin/pip install --quiet --no-compile pytest pytest-xdist nbval nbclient beautifulsoup4 hypothesis expecttest mpmath ".[book]" \
	  "$$($(PYTHON) -c "import tomllib; print(*(d.replace('>=', '==') + '.*' for d in tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']))")"
	_build/oldest/bin/python -m pytest -q -o addopts="--numprocesses=auto --dist=loadscope" $(LOSSES) tests/test_roads.py

lighthouse: book
	$(BIN)/python tests/lighthouse.py

lock:
	rm -rf _build/lock && $(PYTHON) -m venv _build/lock
	_build/lock/bin/pip install --quiet --no-compile "torch==2.13.0" ".[book,dev]"
	(sed '/^$$/q' requirements.txt; _build/lock/bin/pip freeze --exclude lossnotes | sed 's/+cpu$$//') > _build/lock.txt
	mv _build/lock.txt requirements.txt && rm -rf _build/lock

clean:
	rm -rf _build dist mutants

clean-all: clean
	rm -rf $(VENV)
