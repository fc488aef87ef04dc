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

# Real peers and stores that the tests talk to.
TEST_PACKAGES := kamailio kamailio-extra-modules kamailio-json-modules kamailio-ims-modules sip-tester \
	freediameterd freediameter-extensions libfreediameter-dev gcc redis-server tshark

SOURCES := ocs tests tools $(if $(wildcard bench/*.py),bench)

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

.PHONY: help install compile run test test-long bench lint format clean test-packages

help:
	@echo "make install    create $(VENV) with the ocs command"
	echo "make compile    compile the hot path (part of install)"
	echo "make run        install and start the server with $(CONFIG)"
	echo "make test       lint, types and all tests, with real Diameter peers (installs Debian packages)"
	echo "make test-long  the tests that take minutes"
	echo "make bench      measure"
	echo "make lint       ruff and mypy only"
	echo "make clean      remove everything that was made here"

install: $(VENV)/.installed compile

# The hot path in C, from the same sources; without a compiler or Python's headers it stays plain Python.
compile: $(VENV)/.installed
	@if ! $(BIN)/python -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null \
			|| ! command -v gcc >/dev/null; then
		($(call apt_install,gcc libc6-dev python3-dev)) || echo "no compiler and no right to install one"
	fi
	$(BIN)/python tools/compile.py

$(VENV)/bin/python:
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then
		$(call apt_install,python3-venv)
	fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml ocs/__init__.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fast,compile]'
	touch $@

$(VENV)/.installed-dev: pyproject.toml ocs/__init__.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fast,compile,dev]'
	touch $@ $(VENV)/.installed

run: $(VENV)/.installed
	@echo "starting; in another terminal try:"
	echo "  $(BIN)/ocs account show 15550100001"
	echo "  $(BIN)/ocs client ccr --kind initial --subscriber 15550100001 --rating-group 10 --request 100MB"
	echo "  $(BIN)/ocs session ls"
	echo "Ctrl-C stops the server."
	exec $(BIN)/ocs serve --config $(CONFIG) --data-dir $(DATA)

test-packages:
	@$(call apt_install,$(TEST_PACKAGES))

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy --strict $(SOURCES)

format: $(VENV)/.installed-dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

test: test-packages lint compile
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-long: test-packages $(VENV)/.installed-dev compile
	$(BIN)/python -m pytest -m long --timeout 3600 $(PYTEST_ARGS)

bench: $(VENV)/.installed-dev compile
	@for file in bench/*.py; do
		case "$$file" in */__init__.py) continue;; esac
		echo "== $$file"
		$(BIN)/python "$$file"
	done

clean:
	if [ -x $(BIN)/python ]; then $(BIN)/python tools/compile.py --clean; fi
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
