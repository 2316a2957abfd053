# One target per daily task; `make` alone lists them. ARGS passes arguments on: make grid
# ARGS="--seeds 3". PYTHON=... chooses the interpreter of a new .venv. Activating .venv is
# unnecessary.

PYTHON :=
ARGS :=

VENV := .venv
IN_VENV := $(VENV)/bin/python

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help grid setup test reproduction lint types docs bench tensorboard clean

help:
	@echo 'make TARGET [ARGS="..."]'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '  %-13s %s\n' "$$name" "$$text"; done

grid: $(VENV)/.setup  ## run a study's grid and write its report (default: python -m study.grid)
	@$(IN_VENV) -m study.grid $(ARGS)

setup: $(VENV)/.setup  ## create .venv and install the project in it

# Two processes for the unit tests; then one of them runs the tests that use Ray (tests/conftest.py).
test: $(VENV)/.test  ## run the tests that are not marked slow
	@$(IN_VENV) -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

reproduction: $(VENV)/.setup  ## train all studies as published and judge every claim (days)
	@$(IN_VENV) -m study.reproduce --out docs $(ARGS)

lint: $(VENV)/.dev  ## check format and lint rules with ruff
	@$(IN_VENV) -m ruff format --check . && $(IN_VENV) -m ruff check .

types: $(VENV)/.dev  ## check types with mypy
	@$(IN_VENV) -m mypy $(ARGS)

docs: $(VENV)/.docs  ## build the documentation as a static site in site/
	@NO_MKDOCS_2_WARNING=1 $(IN_VENV) -m mkdocs build --strict $(ARGS)

bench: $(VENV)/.setup  ## measure all speed claims (docs/performance.md)
	@$(IN_VENV) -m benchmarks $(ARGS)

tensorboard: $(VENV)/.setup  ## show the curves under results/ in TensorBoard
	@$(IN_VENV) -m tensorboard.main --logdir results $(ARGS)

clean:  ## remove .venv, caches and build folders, but not results/ and data/
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +


# Marker files in .venv. `.sound` is missing if creating or filling .venv was interrupted; .venv is
# then created anew. `.setup`, `.test` and `.dev` say which dependencies are installed.

EXTRAS.setup :=
EXTRAS.test := [test]
EXTRAS.dev := [dev]
EXTRAS.docs := [docs]
WANTED = -q -c constraints.txt -e '.$(EXTRAS.$*)'

# A working uv: the user's own, or one that pip installed. It only installs. `uv run` would make Ray
# build a new environment for every worker (default since Ray 2.47: ray-project/ray#53060).
UV = $(shell for uv in uv $(VENV)/bin/uv; do $$uv --version >/dev/null 2>&1 && echo $$uv && break; done)

$(VENV)/.setup $(VENV)/.test $(VENV)/.dev $(VENV)/.docs: $(VENV)/.%: pyproject.toml constraints.txt $(VENV)/.sound
	@trap 'exit 130' INT TERM; \
	echo "Installing .$(EXTRAS.$*) into $(VENV) (minutes the first time)"; \
	mv $(VENV)/.sound $(VENV)/.filling; \
	$(or $(UV),false) pip install --python $(IN_VENV) $(WANTED) || { \
		echo 'Installing with pip, which is slower than uv'; \
		$(IN_VENV) -m pip install $(WANTED); \
	}; status=$$?; \
	mv $(VENV)/.filling $(VENV)/.sound; \
	test $$status -eq 0 && touch $@

# The Python that creates .venv. The check prints the path of the interpreter, because a name may be
# a pyenv shim or point into the old .venv.
PYTHONS := python3 python3.13 python3.12 python3.11 python
IS_SUITABLE := import ensurepip, sys, venv; \
	(3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit(1); print(sys._base_executable)
NO_PYTHON = $(if $(PYTHON),PYTHON=$(PYTHON) is not,No) Python 3.11, 3.12 or 3.13 (with its \
	venv module)$(if $(PYTHON),, on the PATH): install one, or make PYTHON=/path/to/python3.12

$(VENV)/.sound:
	@python=$$(for name in $(or $(PYTHON),$(PYTHONS)); do \
		$$name -c '$(IS_SUITABLE)' 2>/dev/null && break; done); \
	test -n "$$python" || { echo '$(NO_PYTHON)' >&2; exit 1; }; \
	echo "Creating $(VENV) with $$python"; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV) || exit 1; \
	uv --version >/dev/null 2>&1 || $(IN_VENV) -m pip install -q -c constraints.txt uv || \
		echo 'Could not install uv'; \
	touch $@
