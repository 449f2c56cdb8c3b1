# Every target sets up what it needs: a virtual environment from the locked, hashed requirements, with uv.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# ONNX Runtime's wheel reports to its maker unless it is told not to.
export ORT_DISABLE_TELEMETRY := 1

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
READY := $(VENV)/.ready
SOURCES := infra components stacks serving localcloud ops contract bench tests

UV := $(shell command -v uv 2>/dev/null || echo $(VENV)/.uv/bin/uv)

.PHONY: help demo test test-cluster scan lint format plan reference bench endurance lock up outputs clean

help: ## Show the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(READY): requirements/platform.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Python 3.11 or newer is needed, {sys.version.split()[0]} was found: run make PYTHON=/path/to/python3.11")'
	@if ! command -v uv >/dev/null 2>&1 && ! [ -x $(VENV)/.uv/bin/uv ]; then \
		echo "uv was not found: installing it into $(VENV)/.uv"; \
		$(PYTHON) -m venv $(VENV)/.uv && $(VENV)/.uv/bin/pip install --quiet --require-hashes --requirement requirements/uv.txt; \
	fi
	@[ -x $(BIN)/python ] || $(UV) venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements/platform.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## Provision the local stack, publish and serve a model, print predictions (KEEP=1 to leave it running).
	@$(BIN)/serveml local demo $(if $(KEEP),--keep)

test: $(READY) ## Run all tests that need no account.
	@$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

scan: $(READY) ## Scan the rendered manifests of prod with kube-score, checkov, kubernetes-validate and yamllint, those there are.
	@$(BIN)/python -m tests.scanners $(ARGS)

test-cluster: $(READY) ## Try every Kubernetes object on the cluster that KUBECONFIG names, and take it off again (docs/testing.md).
	@[ -n "$${KUBECONFIG:-}" ] || { echo "KUBECONFIG is not set: name the cluster to try the objects on (docs/testing.md)"; exit 1; }
	@command -v kubectl >/dev/null || { echo "kubectl was not found: install it (https://kubernetes.io/docs/tasks/tools/)"; exit 1; }
	@kubectl get --raw /readyz --request-timeout=10s >/dev/null 2>&1 || { echo "the cluster of KUBECONFIG=$$KUBECONFIG does not answer: start it, or name another"; exit 1; }
	@$(BIN)/pytest tests/cluster $(ARGS)

lint: $(READY) ## Format check, lint, strict types, and YAML lint.
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/pyright
	@$(BIN)/yamllint --strict Pulumi.yaml Pulumi.*.yaml

format: $(READY) ## Format the sources.
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

plan: $(READY) ## Write every stack's resource graph to tests/golden (CHECK=1 only compares).
	@$(BIN)/python -m localcloud.plan $(if $(CHECK),--check)

reference: $(READY) ## Generate the settings table, the stack files' schema, and the pages of commands and network flows.
	@$(BIN)/python -m stacks.reference
	@$(BIN)/python -m localcloud.network_flows
	@$(BIN)/python -m ops.reference

bench: $(READY) ## Measure the serving container beside its peers (needs wrk; ARGS=--quick for a first look).
	@$(BIN)/python -m bench.serving $(ARGS)

endurance: $(READY) ## Measure the container over time or in trouble (PART=soak|overload|stops|kill|away|start).
	@$(BIN)/python -m bench.endurance $(PART) $(ARGS)

lock: ## Resolve the locked requirements anew.
	uv pip compile --quiet --upgrade --extra serving --extra local --extra convert --extra dev --generate-hashes --no-emit-index-url --no-header --output-file requirements/platform.txt pyproject.toml
	uv pip compile --quiet --upgrade --constraint requirements/platform.txt --python-version 3.11.14 --generate-hashes --no-emit-index-url --no-header --output-file requirements/serving.txt serving/requirements.in
	uv pip compile --quiet --upgrade --constraint requirements/platform.txt --python-version 3.11.14 --generate-hashes --no-emit-index-url --no-header --output-file requirements/controller.txt requirements/controller.in
	for name in fastapi litserve bentoml kserve mlserver; do uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --output-file bench/requirements/$$name.txt bench/requirements/$$name.in; done
	echo uv | uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --no-annotate --output-file requirements/uv.txt -

up: $(READY) ## pulumi up for STACK=dev|staging|prod|local, with a Pulumi CLI.
	@command -v pulumi >/dev/null || { echo "the Pulumi CLI was not found: install it (https://www.pulumi.com/docs/install/) or run make demo, which needs none"; exit 1; }
	@[ -n "$(STACK)" ] || { echo "no stack was named: run make up STACK=dev (or staging, prod, local)"; exit 1; }
	@pulumi up --stack "$(STACK)"
	@$(MAKE) --no-print-directory outputs STACK="$(STACK)"

outputs: ## Write the outputs of STACK to where serveml looks for them (.serveml).
	@[ -n "$(STACK)" ] || { echo "no stack was named: run make outputs STACK=dev (or staging, prod)"; exit 1; }
	@mkdir -p .serveml && pulumi stack output --json --stack "$(STACK)" > ".serveml/$(STACK).json"

clean: ## Remove what the targets made.
	@rm -rf $(VENV) .local .pytest_cache .ruff_cache .hypothesis *.egg-info
