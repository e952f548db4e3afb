# make run       start a node here; ARGS="-c FILE -s section.key=value" go to node.py
# make demo      three nodes and a test stream
# make test      every test but the long ones; as root it installs the programs that they run
# make lint      what ruff and mypy have to say
# make soak      the long tests
# make bench     what can be measured; ARGS="fanout -n 100" measures it
# make install   only .venv, for those who start the node themselves
.PHONY: run install demo test lint soak bench packages
.SILENT:

PYTHONS = python3 python3.14 python3.13 python3.12 python3.11
PACKAGES = ffmpeg rtmpdump redis-server chromium iproute2 gstreamer1.0-tools gstreamer1.0-libav \
	$(addprefix gstreamer1.0-plugins-,base good bad ugly)

run: .venv/run
	exec .venv/bin/python node.py $(ARGS)

install: .venv/run

demo: .venv/run
	exec .venv/bin/python tools/demo $(ARGS)

test: .venv/test packages
	.venv/bin/pytest -n 2 --dist worksteal $(ARGS)

soak: .venv/test packages
	.venv/bin/pytest -m soak $(ARGS)

bench: .venv/run
	exec .venv/bin/python tools/bench $(ARGS)

lint: .venv/lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

.venv/run: setup.cfg pyproject.toml | .venv/bin/pip
	echo "installing Mediamesh into .venv ..."
	.venv/bin/pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/test .venv/lint: .venv/run
	.venv/bin/pip install --quiet --disable-pip-version-check --editable ".[$(@F)]"
	touch $@

.venv/bin/pip:
	for python in $(PYTHONS); do \
		$$python -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && break; python=; \
	done; \
	test "$$python" || { echo "needs Python 3.11 or newer (on Debian: apt install python3)"; exit 1; }; \
	$$python -c "import ensurepip, venv" 2>/dev/null || \
		{ echo "$$python lacks its venv module (on Debian: apt install python3-venv)"; exit 1; }; \
	$$python -m venv .venv

packages:
	missing=$$(for package in $(PACKAGES); do dpkg -s $$package >/dev/null 2>&1 || echo $$package; done); \
	test -z "$$missing" || { \
		test "$$(id -u)" = 0 && apt-get -qq update && \
		DEBIAN_FRONTEND=noninteractive apt-get -qqy install --no-install-recommends $$missing; \
	} || echo "tests may fail for want of these packages:" $$missing
