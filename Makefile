# Two commands: `make demo` shows the main job on an embedded cloud, `make test` runs the default suite. Both set
# themselves up from nothing: git, make and Python 3.11 or newer are all they need.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
MEMORY := $(BIN)/python -m tests.rigs.memory
JOBS ?= 4
OPENSTACK_TESTS ?= tests/e2e/openstack
OPENSTACK_JOBS ?= 3

.PHONY: demo test unit lint docs links release bench bench-openstack bench-queues bench-flat bench-hosts bench-many bench-market bench-tables test-bulk test-dirac test-pythons \
	test-openstack test-context test-boot test-crash test-hosts test-hostile test-native test-pages audit clean

demo: $(VENV)/ready
	@$(BIN)/python -m tests.demo

test: $(VENV)/ready
	@$(BIN)/python -m tests.run -n $(JOBS) --maxschedchunk 1 -m 'not native' tests/e2e/terraform tests/e2e/moto \
		tests/e2e/clouds tests/contract tests/unit

# What starts hashicorp/aws, whose every start takes seconds, or needs LocalStack.
test-native: $(VENV)/ready
	@$(BIN)/python -m tests.e2e.localstack.run -q -n $(JOBS) --maxschedchunk 1 -m native tests/e2e/localstack tests/e2e/moto \
		tests/e2e/terraform

unit: $(VENV)/ready
	@$(MEMORY) $(BIN)/python -m pytest -q -rs tests/unit

# The unit tests on the other Pythons that are here, each in a venv of its own; says which it skipped.
test-pythons:
	@for v in 3.12 3.13; do \
	if python$$v -c '' 2>/dev/null; then $(MAKE) --no-print-directory unit PYTHON=python$$v VENV=.cache/venv-$$v || exit 1; \
	else echo "python$$v is not here: skipped"; fi; done

# A real OpenStack from PyPI and the real provider; Linux, apt for what Debian has, Go or its PyPI wheel for the provider.
test-openstack: $(VENV)/ready
	@TFCE_REQUIRE_RIGS=1 $(BIN)/python -m tests.e2e.openstack.run -q -n $(OPENSTACK_JOBS) $(OPENSTACK_TESTS)

# tfce's own provider, on an EC2 API; part of `make test`.
test-bulk: $(VENV)/ready
	@$(BIN)/python -m tests.run -n $(JOBS) -m 'not native' tests/e2e/moto

# A cloud that means harm: a drawn sample of the faults, or all with ALL=1; SEED=... draws the same again.
test-hostile: $(VENV)/ready
	@ALL=$(ALL) SEED=$(SEED) $(MEMORY) $(BIN)/python -m tests.e2e.hostile.run

# cloud-init for real, in a Debian 12 root made by debootstrap; as root.
test-context: $(VENV)/ready
	@TFCE_REQUIRE_RIGS=1 $(BIN)/python -m pytest -q -n $(JOBS) tests/guest/stages

# VMs that boot: QEMU under that OpenStack, a Debian 12 of our own as the guest; as root, apt for what is missing.
test-boot: $(VENV)/ready
	@TFCE_REQUIRE_RIGS=1 $(BIN)/python -m pytest -q tests/guest/boot

# A crash before every step of every verb: kill -9 on real Terraform and an EC2 API, loss of power on the fakes too.
# A sample; ALL=1: every step. SEED repeats a run.
test-crash: $(VENV)/ready
	@TFCE_POWER=$(if $(ALL),0,12) TFCE_SEED=$(or $(SEED),0) $(MEMORY) $(BIN)/python -m pytest -q -s -n 2 tests/contract/test_power.py
	@$(MEMORY) $(BIN)/python -m tests.crash $(if $(ALL),--all) --seed $(or $(SEED),0)

# The alert rules and the dashboard on a Prometheus, the report in a Chromium, both of Debian's packages.
test-pages: $(VENV)/ready
	@TFCE_REQUIRE_RIGS=1 $(BIN)/python -m pytest -q tests/pages

# Hosts that serve one queue, each with a network of its own, on PostgreSQL, S3 and http: a sample, and a trial at random.
# ALL=1: all of it, and twenty minutes of the trial; SEED repeats a run.
test-hosts: $(VENV)/ready
	@TFCE_REQUIRE_RIGS=1 ALL=$(ALL) SEED=$(SEED) $(BIN)/python -m tests.e2e.hosts.run

test-dirac: $(VENV)/ready
	@$(BIN)/python tests/rigs/dirac.py test

# The documentation site, in .cache/site: no warning, no link that leads nowhere.
docs: $(VENV)/docs
	@$(BIN)/sphinx-build -q -W --keep-going -n -E -c docs/site docs .cache/site && echo ".cache/site/index.html"

# Whether the pages' links to elsewhere answer; without network it says which were skipped.
links: $(VENV)/ready
	@$(BIN)/python -m tests.links

# What a release is made of, in dist/: built twice, equal byte by byte, looked into, checked.
release: $(VENV)/release
	@$(BIN)/python -m tests.release

# Known holes in what is installed and in what the rigs install; needs PyPI's or OSV's list of them.
audit: $(VENV)/audit
	@$(BIN)/pip-audit --strict --skip-editable --progress-spinner off && \
	for rig in tests/rigs/moto tests/rigs/localstack; do \
	$(BIN)/pip-audit --progress-spinner off --disable-pip --require-hashes -r $$rig-requirements.txt || exit 1; done

lint: $(VENV)/lint
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

# What a cycle costs; options of the programs in BENCH: make bench BENCH='--running 10 --who bulk'.
bench: $(VENV)/ready
	@$(BIN)/python -m benchmarks.ec2 $(BENCH)

# Beside DIRAC's own element, on the same OpenStack.
bench-openstack: $(VENV)/ready
	@$(BIN)/python -m benchmarks.openstack $(BENCH)

# Twenty queues at once.
bench-queues: $(VENV)/ready
	@$(BIN)/python -m benchmarks.queues $(BENCH)

# A backend that hosts share: PostgreSQL, S3 fifty milliseconds away.
bench-hosts: $(VENV)/ready
	@$(BIN)/python -m benchmarks.hosts $(BENCH)

# Many queues with many pilots each on one PostgreSQL.
bench-many: $(VENV)/ready
	@$(BIN)/python -m benchmarks.many $(BENCH)

# Beside 10, 1000 and 10 000 running pilots, on a fast nova of our own.
bench-flat: $(VENV)/ready
	@$(BIN)/python -m benchmarks.flat $(BENCH)

# A simulated market of flavors and zones: 500 of SiteDirector's cycles.
bench-market: $(VENV)/ready
	@$(BIN)/python -m benchmarks.market $(BENCH)

# Tables and chart of what was measured last.
bench-tables: $(VENV)/ready
	@$(BIN)/python -m benchmarks.report --write

$(VENV)/ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it: make PYTHON=..."; exit 1; }
	@echo "setting up $(VENV) with $(PYTHON) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -U 'pip>=25.1'
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e . --group test
	@needed=`$(BIN)/python -m tfce.terraform.toolchain` && \
	if [ -n "$$needed" ]; then echo "installing $$needed" && $(BIN)/python -m pip install -q $$needed; fi
	@touch $@

$(VENV)/lint: $(VENV)/ready
	@$(BIN)/python -m pip install -q --disable-pip-version-check --group lint
	@touch $@

$(VENV)/docs: $(VENV)/ready
	@$(BIN)/python -m pip install -q --disable-pip-version-check --group docs
	@touch $@

$(VENV)/audit: $(VENV)/ready
	@$(BIN)/python -m pip install -q --disable-pip-version-check --group audit
	@touch $@

$(VENV)/release: $(VENV)/ready
	@$(BIN)/python -m pip install -q --disable-pip-version-check --group release
	@touch $@

clean:
	rm -rf $(VENV) .cache
