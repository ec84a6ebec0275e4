# Every target creates the environment that it needs. `make PYTHON=python3.12 up` chooses a Python.
PYTHON ?= python3
PY := .venv/bin/python
UV := $(PY) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
# Recreate an environment whose Python was removed.
$(shell $(PY) -c '' 2>/dev/null || rm -f .venv/*.stamp)
.PHONY: up compose-up compose-down test compose-test conformance k8s-check chaos-purchase chaos-payments chaos-batch chaos-usage bench-batch bench-purchase bench-catalogue bench-prices explorer rolling-restart outages check protos schema docs migrate seed lock clean chaos-callbacks bench-callbacks bench-gateway bench-telemetry bench-memory bench-abuse bench-reports fuzz-gateway

up migrate seed: .venv/runtime.stamp
	@$(PY) -m cli $@
compose-up compose-down: .venv/runtime.stamp # in containers; ENV=deploy/real.env uses the real provider and Supabase
	@$(PY) -m cli compose $(@:compose-%=%) $(if $(ENV),--env-file $(ENV))
test: .venv/dev.stamp # in four processes, also on two cores: most tests wait more than they compute
	@$(PY) -m pytest -n 4 --dist worksteal
compose-test: .venv/dev.stamp # builds the image, and runs a customer's whole journey against the containers
	@deploy/stand-ins/make-missing && $(PY) -m pytest -q -rsP tests/e2e/test_compose.py
conformance: .venv/dev.stamp # audits and client libraries of third parties, against the gateway
	@command -v npm >/dev/null || { echo "conformance needs Node.js 20 or newer with npm: install it, then try again"; exit 1; }
	@$(PY) -m pytest -q -rP tests/component/gateway/clients
chaos-purchase: .venv/dev.stamp # ORDERS, KILLS and SEED; BROKEN=1 runs a service that buys twice
	@$(PY) -m tests.chaos.purchase
chaos-payments: .venv/dev.stamp # ORDERS, KILLS and SEED; MUTANT=random_keys, no_amount_check, early_capture or unrecorded_refunds runs a service with that fault
	@$(PY) -m tests.chaos.payments
chaos-batch: .venv/dev.stamp # ITEMS, KILLS and SEED; MUTANT=no_pause, repeats or leaks runs a service with that fault
	@$(PY) -m tests.chaos.batch
bench-batch: .venv/dev.stamp # validating and accepting a batch of ITEMS rows, memory of the orders process, and pages of ESIMS eSIMs
	@$(PY) -m bench.batch
bench-reports: .venv/dev.stamp # sales reports over ROWS facts of two years, their storage, and what recording them adds to a purchase; PURCHASES
	@$(PY) -m bench.reports
explorer: # builds the explorer that the gateway serves to browsers; needs Node.js
	@npm ci --prefix gateway/http/explorer/source --no-audit --no-fund --silent && node gateway/http/explorer/source/build.mjs
bench-catalogue: .venv/dev.stamp # PRICED=1 sells by three price lists with 200 rules
	@$(PY) -m bench.catalogue
bench-prices: .venv/dev.stamp # recomputes the prices of PLANS plans in three lists while pages of plans are read
	@$(PY) -m bench.prices
bench-purchase: .venv/dev.stamp
	@$(PY) -m bench.purchase && $(PY) -m bench.purchase_paid && $(PY) -m bench.purchase_readers
fuzz-gateway: export FUZZ_EXAMPLES ?= 200
fuzz-gateway: .venv/dev.stamp # valid requests, FUZZ_EXAMPLES for each operation of the schema, and invalid ones; FUZZ_SEED
	@$(PY) -m pytest -q -s --timeout=0 tests/contract/test_gateway_schemathesis.py
chaos-usage: .venv/dev.stamp # EVENTS, KILLS, SEED, RATE; MUTANT=late_watermark runs a service with that fault
	@$(PY) -m tests.chaos.usage
chaos-callbacks: .venv/dev.stamp # EVENTS, KILLS, SEED, DELAY_MS, RATE; BROKEN=1 runs a process that acknowledges before the commit
	@$(PY) -m tests.chaos.callbacks
rolling-restart: .venv/dev.stamp # two of everything under load, replaced, killed and frozen; SEED; needs HAProxy
	@$(PY) -m tests.chaos.rolling
outages: .venv/dev.stamp # Redis, PostgreSQL, the provider and the collector unavailable or degraded under load, SECONDS each; SEED; needs HAProxy
	@$(PY) -m tests.chaos.outages
bench-callbacks: .venv/dev.stamp
	@$(PY) -m bench.callbacks
bench-gateway: .venv/dev.stamp # compares with other GraphQL servers and an HTTP cache; ROUNDS, SECONDS, CONNECTIONS, ONLY, QUERIES, SERVICES=real, QUICK=1, PRICED=1, BEFORE=folder of another checkout
	@$(PY) -m bench.gateway
bench-telemetry: .venv/dev.stamp
	@$(PY) -m bench.telemetry
bench-memory: .venv/dev.stamp # memory of each process, and storage of an order in the database; ORDERS, or MINUTES of a mixed load
	@$(PY) -m bench.memory
bench-abuse: .venv/dev.stamp # attacks beside a normal client; SECONDS each, ONLY some; OFF=1 without the limit against each
	@$(PY) -m bench.abuse
check: .venv/dev.stamp
	@$(PY) -m ruff check && $(PY) -m ruff format --check && $(PY) -m mypy . && .venv/bin/buf lint protos
	@$(PY) -c 'import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())'
	@$(PY) -m protos.generate --check && $(PY) -m gateway.schema.export --check && $(PY) -m docs.generate --check
k8s-check: .venv/dev.stamp # objects, network policies, and a scanner (downloaded once); needs no cluster
	@$(PY) -m pytest -q -rs tests/architecture/kubernetes
	@folder=$$(mktemp -d) && trap "rm -r $$folder" EXIT && set -e && for overlay in production production-cache production-mtls single-node; do kubectl kustomize deploy/k8s/overlays/$$overlay > $$folder/$$overlay.yaml; done && .venv/bin/uvx checkov==3.3.30 --config-file deploy/k8s/checkov.yaml -d $$folder
protos: .venv/dev.stamp
	@$(PY) -m protos.generate
schema: .venv/runtime.stamp
	@$(PY) -m gateway.schema.export
docs: .venv/runtime.stamp
	@$(PY) -m docs.generate
lock: .venv/dev.stamp
	@$(UV) --extra local -o requirements.lock pyproject.toml
	@$(UV) -c requirements.lock -o requirements-image.lock pyproject.toml
	@$(UV) -c requirements.lock --extra parquet -o requirements-parquet.lock pyproject.toml
	@$(UV) -c requirements.lock --extra local --extra parquet --extra dev -o requirements-dev.lock pyproject.toml
clean: # everything that can be generated again; the state in .local stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/js/node_modules examples/shop/node_modules bench/rivals/node_modules gateway/http/explorer/source/node_modules

.venv/runtime.stamp: requirements.lock
.venv/dev.stamp: requirements-dev.lock
.venv/%.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, and $(PYTHON) is older or missing: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PY) -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@echo "installing $< into .venv: once, a minute or so" && $(PY) -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@
