# A fresh machine has Debian 12, python3 (3.11) and make; everything else is installed here, without questions.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= data
CONFIG ?= ocs.yaml
PYTEST_ARGS ?=
# Many tests wait for real programs and real clocks: more processes than cores. A file stays in one process.
TEST_PROCESSES ?= 3
PARALLEL := -n $(TEST_PROCESSES) --dist loadfile

# Real peers and stores that the tests talk to.
TEST_PACKAGES := kamailio kamailio-extra-modules kamailio-json-modules kamailio-ims-modules kamailio-radius-modules \
	sip-tester freediameterd freediameter-extensions libfreediameter-dev gcc libc6-dev openssl tshark chromium \
	redis-server freeradius freeradius-common freeradius-utils postgresql erlang-diameter erlang-dev

SOURCES := hatch_build.py ocs tests $(if $(wildcard bench/*.py),bench)

# apt_install PACKAGES: install what is missing, as root or through sudo, without a question.
define apt_install
missing=""; \
for package in $(1); do \
	dpkg-query -W -f '$${Status}' "$$package" 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
done; \
if [ -n "$$missing" ]; then \
	echo "installing:$$missing"; \
	as_root=""; [ "$$(id -u)" = 0 ] || as_root="sudo"; \
	$$as_root apt-get update -qq; \
	echo "wireshark-common wireshark-common/install-setuid boolean false" | $$as_root debconf-set-selections; \
	$$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends \
		-o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 $$missing </dev/null; \
fi
endef

.PHONY: help install run test test-long bench lint format clean test-packages

help:
	@echo "make install    create $(VENV) with the ocs command"
	echo "make run        install and start the server with $(CONFIG)"
	echo "make test       lint, types and all tests, with real Diameter peers (installs Debian packages)"
	echo "make test-long  the tests that take minutes"
	echo "make bench      measure"
	echo "make lint       ruff and mypy only"
	echo "make clean      remove everything that was made here"

PACKAGE := $(shell find ocs dictionaries -type f -not -name '*.pyc') pyproject.toml hatch_build.py hatch_attributes.h
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/bin/python:
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then
		$(call apt_install,python3-venv)
	fi
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --upgrade 'pip>=25.1'

# The hot path compiled to C, from the same sources; without a compiler it stays plain Python.
install: $(VENV)/.installed

$(VENV)/.installed: $(PACKAGE) | $(VENV)/bin/python
	@if ! $(PYTHON) -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null \
			|| ! command -v gcc >/dev/null; then
		($(call apt_install,gcc libc6-dev python3-dev)) || echo "no compiler, and no right to install one"
	fi
	echo "installing, with the hot path compiled: a minute or two"
	OCS_COMPILE=1 $(PIP_INSTALL) '.[fast]'
	touch $@ $(VENV)/.runnable

# Enough to try it: plain Python, in seconds; what is installed already is used as it is.
$(VENV)/.runnable: | $(VENV)/bin/python
	$(PIP_INSTALL) '.[fast]'
	touch $@

# What the tests need besides the server; they import it from the sources, not from $(VENV).
$(VENV)/.tools: pyproject.toml | $(VENV)/.installed
	$(PIP_INSTALL) --group dev
	touch $@

run: $(VENV)/.runnable
	@echo "starting; open http://127.0.0.1:2080/ and, in another terminal, try:"
	echo "  $(BIN)/ocs client traffic        # so that something moves"
	echo "  $(BIN)/ocs account show 15550100001"
	echo "  $(BIN)/ocs client ccr --kind initial --subscriber 15550100001 --rating-group 10 --request 100MB"
	echo "  $(BIN)/ocs session ls"
	echo "Ctrl-C stops the server."
	exec $(BIN)/ocs serve --config $(CONFIG) --data-dir $(DATA)

test-packages:
	@$(call apt_install,$(TEST_PACKAGES))

lint: $(VENV)/.tools
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy --strict $(SOURCES)

format: $(VENV)/.tools
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# First the sources, then what drives the server from outside once more, on the installed, compiled package.
COMPILED_TESTS := tests/conformance tests/replay tests/simulation tests/charging/test_core_machine.py \
	tests/charging/test_engine.py tests/charging/test_engine_time.py tests/charging/test_onetime.py \
	tests/charging/cgrates tests/sessions tests/cgrates/test_golden_sessions.py tests/rpc/test_dispatch.py

test: test-packages lint install
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)
	$(BIN)/python -P -m pytest --import-mode=append -p no:cacheprovider -q $(PARALLEL) $(COMPILED_TESTS)

test-long: test-packages $(VENV)/.tools
	$(BIN)/python -m pytest -m long --timeout 3600 $(PYTEST_ARGS)

bench: $(VENV)/.tools
	@for file in bench/*.py; do
		case "$$file" in */__init__.py) continue;; esac
		echo "== $$file"
		$(BIN)/python "$$file"
	done

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
