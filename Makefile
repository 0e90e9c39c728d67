# Klikvoor. `make run` shows it, `make test` tests it, `make check` also reads the code.
# Needs python3 (3.11 or newer) and make. Everything that it installs is in .venv, all that it
# writes is in var; `make clean` takes both away.

PORT ?= 8000
PYTHON ?= python3
BIN := .venv/bin
SETTINGS := var/demo.env

export KLIKVOOR_ENV_FILE := $(SETTINGS)
export PYTHONUNBUFFERED := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Compiling the tests anew costs each suite six seconds.
unexport PYTHONDONTWRITEBYTECODE
# Where `make run` can be seen: links, sockets and cookies follow from it.
RUN_ORIGINS := http://localhost:$(PORT),http://127.0.0.1:$(PORT)

.DEFAULT_GOAL := help
.PHONY: help run test check lint test-browser test-sqlite test-postgresql simulate faults fuzz bench pictures format lock translations clean

help: ## What there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

# --- Seeing it ----------------------------------------------------------------------------------

run: .venv/run.stamp $(SETTINGS) .venv/translations.stamp ## Show the demo (PORT=8000)
	@export ORIGINS=$(RUN_ORIGINS); \
	$(BIN)/python manage.py migrate --verbosity 0 && \
	$(BIN)/python manage.py demo --quarter && \
	$(BIN)/python manage.py collectstatic --noinput --verbosity 0 && \
	printf '\n  A young person   http://localhost:%s/\n' $(PORT) && \
	printf '  A worker         http://localhost:%s/desk/\n' $(PORT) && \
	printf '  A coordinator    http://localhost:%s/roster/today/\n\n' $(PORT) && \
	printf '  Use two browsers, or a private window for one of them. Ctrl-C stops.\n\n' && \
	exec $(BIN)/python manage.py serve --port $(PORT)

# The demo's keys. Kept, because the demo's database cannot be read without them.
$(SETTINGS): | .venv/run.stamp
	@mkdir -p var
	@(echo DEMO=1; $(BIN)/python -m klikvoor.newkeys) > $@.new && chmod 600 $@.new && mv $@.new $@

# --- Testing it ---------------------------------------------------------------------------------

# All beside each other, on two cores too: much of the time a test waits for a clock, a browser or a
# disk, and two of these after each other would leave a core idle.
test: .venv/dev.stamp $(SETTINGS) .venv/translations.stamp ## All tests: in browsers, on SQLite, and on PostgreSQL and Redis
	@scripts/chromium.sh
	@scripts/nginx.sh
	@echo "Testing in browsers, on PostgreSQL and on SQLite; each tells when it is done"
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target test-browser test-postgresql test-sqlite

check: lint test ## Everything that CI asks: lint, then test

test-browser: .venv/dev.stamp $(SETTINGS) .venv/translations.stamp
	@scripts/chromium.sh
	@echo "Tests in browsers"
	@$(BIN)/python -m pytest -q $(or $(TESTS),tests/browser)

test-sqlite: .venv/dev.stamp $(SETTINGS) .venv/translations.stamp
	@scripts/nginx.sh
	@echo "Tests on SQLite"
	@$(BIN)/python -m pytest -q --ignore=tests/browser $(TESTS)

# Browsers and translators do not see which database there is; of the rest, what asks for one runs
# here as well (tests/databases.py).
test-postgresql: .venv/dev.stamp $(SETTINGS) .venv/translations.stamp
	@scripts/nginx.sh
	@echo "Tests on PostgreSQL and Redis"
	@TEST_DATABASE=postgresql $(BIN)/python -m pytest -q --ignore=tests/browser --ignore=tests/klikvoor/test_translations.py $(TESTS)

lint: .venv/dev.stamp $(SETTINGS) .venv/translations.stamp ## Format, lint, types, migrations, deployment checks
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/djlint --lint --quiet templates
	@$(BIN)/python manage.py makemigrations --check --dry-run --verbosity 1
	@scripts/check-deploy.sh $(BIN)/python
	@echo "lint: nothing to complain about"

simulate: .venv/dev.stamp $(SETTINGS) ## Play evenings to see what an order of the queue does
	@$(BIN)/python manage.py simulate $(SIMULATE)

# Embedded and scaled, or SHAPE= one (also proxied, failover); a table of all at the end. The seed is printed, and SEED= plays it again.
faults: .venv/dev.stamp $(SETTINGS) ## The promises under faults (SECONDS=60 SEED= SHAPE= EVERY=8 ONLY=)
	@$(BIN)/python -m tests.faults $(SHAPE:%=--shape %) --seconds $(or $(SECONDS),60) --seed $(or $(SEED),0) \
		--every $(or $(EVERY),8) $(if $(ONLY),--only "$(ONLY)")

fuzz: .venv/dev.stamp $(SETTINGS) ## Bad frames, as many as you like (FRAMES=1000000 SEED=)
	@FRAMES=$(or $(FRAMES),1000000) $(if $(SEED),SEED=$(SEED)) $(BIN)/python -m pytest -q -s tests/faults/test_fuzz.py

bench: .venv/dev.stamp $(SETTINGS) ## Measure it, beside other designs (BENCH=, SCENARIOS=)
	@$(BIN)/python -m bench $(BENCH)
	@$(BIN)/python -m bench.scenarios $(SCENARIOS)

pictures: .venv/dev.stamp $(SETTINGS) .venv/translations.stamp ## New pictures for the documents; all pages with DIR=folder
	@$(BIN)/python -m scripts.pictures $(DIR)

# --- Keeping it ---------------------------------------------------------------------------------

format: .venv/dev.stamp ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

lock: .venv/dev.stamp ## Pin newer versions: requirements*.in to requirements*.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url requirements.in -o requirements.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url -c requirements.txt requirements-dev.in -o requirements-dev.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url -c requirements.txt requirements-solver.in -o requirements-solver.txt

translations: .venv/dev.stamp $(SETTINGS) ## Collect the Dutch texts for the English translation
	@$(BIN)/python manage.py makemessages --locale en --no-location --no-obsolete --ignore .venv --ignore var --ignore tests --ignore bench
	@$(BIN)/pybabel --quiet compile --directory locale --domain django
	@echo "Now translate what is empty in locale/en/LC_MESSAGES/django.po"

clean: ## Remove everything that make made, the demo's database too
	rm -rf .venv var .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- What the others stand on -------------------------------------------------------------------

.venv/made.stamp:
	@PYTHON=$(PYTHON) scripts/make-venv.sh
	@touch $@

.venv/run.stamp: requirements.txt .venv/made.stamp
	@echo "Installing what Klikvoor needs"
	@scripts/install.sh requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/run.stamp
	@echo "Installing what tests and checks need"
	@scripts/install.sh requirements-dev.txt
	@touch $@

# gettext is not needed: Babel is among the requirements.
.venv/translations.stamp: .venv/run.stamp $(wildcard locale/*/LC_MESSAGES/django.po)
	@if ls locale/*/LC_MESSAGES/django.po >/dev/null 2>&1; then $(BIN)/pybabel --quiet compile --directory locale --domain django; fi
	@touch $@
