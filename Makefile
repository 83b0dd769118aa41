# Every target sets up what it needs: a virtual environment, the locked packages, embedded servers.
PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SOURCES := services libs tools tests bench

.DEFAULT_GOAL := help
.PHONY: help up test test-containers chaos bench check format lock audit sbom clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(READY) ## Run everything on the embedded stack (ARGS="--detach", "--workers 2", …)
	@$(BIN)/badgectl up $(ARGS)

# In the order of the files: the tests that wait longest come first, the quickest fill up the end.
test: $(READY) ## Run the tests, but for those that need the whole machine or a Docker engine (ARGS="-k name", ARGS="-n 0" for one process)
	@$(BIN)/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder -m "not whole_backlog and not other_release and not containers" $(ARGS)

# Its tests remove their containers themselves: no need for the reaper of testcontainers, an image more.
test-containers: $(READY) ## Build the images, and test them and docker-compose.yml for real (needs a Docker engine)
	@TESTCONTAINERS_RYUK_DISABLED=true $(BIN)/python -m pytest -n 0 -m containers tests/containers $(ARGS)

chaos: $(READY) ## Break everything at random under load, then check the promise (ARGS="--seconds 900 --seed 7")
	@PYTHONPATH=tests $(BIN)/python -m chaos.suite $(ARGS)

bench: $(READY) ## Measure it beside what a team would write, and the hardware (ARGS="--quick", "--only KEY")
	@PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

check: $(READY) ## Check style, types, imports and dependencies
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry .

format: $(READY) ## Put the code into its form
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

lock: $(READY) ## Resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --upgrade --all-extras \
		--custom-compile-command "make lock" pyproject.toml --output-file requirements.lock

# Strict: a package that could not be asked after is a failure too.
audit: $(READY) ## Look for known vulnerabilities in what is locked (ARGS="--vulnerability-service osv")
	@$(BIN)/pip-audit --strict --progress-spinner off --require-hashes --disable-pip -r requirements.lock $(ARGS)

sbom: $(READY) ## Write dist/sbom.json: what the services consist of, in CycloneDX
	@mkdir -p dist
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-index-url --extra tracing \
		--constraint requirements.lock pyproject.toml --output-file dist/runtime.txt
	@$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-format JSON --output-file dist/sbom.json dist/runtime.txt

clean: ## Remove what was built; data of `make up` too
	@if [ -x $(BIN)/badgectl ] && [ -d .badges ]; then $(BIN)/badgectl down; fi
	rm -rf $(VENV) .badges .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

# pip fetches uv, by its hash; uv installs the rest at once. Where uv cannot reach the package index
# that pip is set up for, pip does it all.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, not " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation --editable .
	@touch $@
