# One target for each thing people do daily; `make` alone lists them. Arguments are passed
# on: make grid ARGS="--seeds 3". Python is picked below; PYTHON=... picks another for a
# new .venv. Nothing needs to be activated.

PYTHON :=
ARGS :=
BENCH = $(basename $(notdir $(shell grep -l __main__ benchmarks/*.py)))

VENV := .venv
IN_VENV := $(VENV)/bin/python

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help grid setup test lint types bench tensorboard clean

help:
	@echo 'make TARGET [ARGS="..."]'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '  %-13s %s\n' "$$name" "$$text"; done

grid: $(VENV)/.setup  ## run a study's grid and write its report (default: python -m study.grid)
	@$(IN_VENV) -m study.grid $(ARGS)

setup: $(VENV)/.setup  ## make .venv and install the project in it

test: $(VENV)/.test  ## run the tests, without those marked slow
	@$(IN_VENV) -m pytest $(ARGS)

lint: $(VENV)/.dev  ## check the format and the code's habits with ruff
	@$(IN_VENV) -m ruff format --check . && $(IN_VENV) -m ruff check .

types: $(VENV)/.dev  ## check the types with mypy
	@$(IN_VENV) -m mypy $(ARGS)

bench: $(VENV)/.setup  ## run the benchmarks; BENCH=NAME runs one
	@for name in $(BENCH); do $(IN_VENV) -m benchmarks.$$name $(ARGS) || exit 1; done

tensorboard: $(VENV)/.setup  ## show the curves under results/ in TensorBoard
	@$(IN_VENV) -m tensorboard.main --logdir results $(ARGS)

clean:  ## remove .venv, caches and build folders; results/ and data/ stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +


# What is installed. `.sound` is there unless making or filling .venv was cut short; then
# .venv is made anew, and with it `.setup`, `.test` and `.dev`: what it was filled with.

EXTRAS.setup :=
EXTRAS.test := [test]
EXTRAS.dev := [dev]
WANTED = -q -c constraints.txt -e '.$(EXTRAS.$*)'

# A uv that runs, the user's own or one brought in by pip. It only installs: `uv run` would
# start Ray in a way that gives every worker an environment of its own.
UV = $(shell for uv in uv $(VENV)/bin/uv; do $$uv --version >/dev/null 2>&1 && echo $$uv && break; done)

$(VENV)/.setup $(VENV)/.test $(VENV)/.dev: $(VENV)/.%: pyproject.toml constraints.txt $(VENV)/.sound
	@trap 'exit 130' INT TERM; \
	echo "Installing .$(EXTRAS.$*) into $(VENV) (minutes the first time)"; \
	mv $(VENV)/.sound $(VENV)/.filling; \
	$(or $(UV),false) pip install --python $(IN_VENV) $(WANTED) || { \
		echo 'Installing with pip, which is slower'; \
		$(IN_VENV) -m pip install $(WANTED); \
	}; status=$$?; \
	mv $(VENV)/.filling $(VENV)/.sound; \
	test $$status -eq 0 && touch $@

# Which Python makes .venv. The check prints the interpreter itself, since a name may be a
# pyenv shim or lead into the old .venv.
PYTHONS := python3 python3.13 python3.12 python3.11 python
IS_SUITABLE := import ensurepip, sys, venv; \
	(3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit(1); print(sys._base_executable)
NO_PYTHON = $(if $(PYTHON),PYTHON=$(PYTHON) is not,No) Python 3.11, 3.12 or 3.13 (with its \
	venv module)$(if $(PYTHON),, on the PATH): install one, or make PYTHON=/path/to/python3.12

$(VENV)/.sound:
	@python=$$(for name in $(or $(PYTHON),$(PYTHONS)); do \
		$$name -c '$(IS_SUITABLE)' 2>/dev/null && break; done); \
	test -n "$$python" || { echo '$(NO_PYTHON)' >&2; exit 1; }; \
	echo "Making $(VENV) with $$python"; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV) || exit 1; \
	uv --version >/dev/null 2>&1 || $(IN_VENV) -m pip install -q -c constraints.txt uv || \
		echo 'uv is not to be had'; \
	touch $@
