# core-runtime. Two commands do everything: `make demo` and `make test`. `make chaos` kills, stops and
# poisons workers a thousand times over what `make test` does.
#
# One profile and one target directory: llama.cpp is built once, and the tests attack the very
# binaries that ship. CARGO_TARGET_DIR may point elsewhere; ccache is used when it is there.

PREFIX ?= /usr/local
DESTDIR ?=
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)
export CARGO_TARGET_DIR := $(TARGET)
RELEASE := $(TARGET)/release
CARGO ?= cargo

# The engine is C++: let ccache serve it.
ifneq ($(shell command -v ccache 2>/dev/null),)
export CMAKE_C_COMPILER_LAUNCHER := ccache
export CMAKE_CXX_COMPILER_LAUNCHER := ccache
endif

.PHONY: all setup build demo test chaos lint bench mutate install clean

all: build

setup:
	@sh .tools/setup.sh

# The engine's build script stops at links that an earlier run of it left; nothing here uses them.
build: setup
	@rm -f $(foreach dir,. deps examples,$(RELEASE)/$(dir)/libggml*.so $(RELEASE)/$(dir)/libllama*.so)
	$(CARGO) build --release --locked --bins

demo: build
	@sh .tools/demo.sh "$(RELEASE)"

test: build
	@sh .tools/test.sh "$(RELEASE)"

# The full form of what `make test` does in short; it is ended after CHAOS_S seconds.
CHAOS_S ?= 5400
chaos: build
	$(CARGO) test --release --locked -p core-tests --features bare --test e2e --no-run
	CORE_CHAOS=full CORE_RELEASE_DIR="$(RELEASE)" timeout $(CHAOS_S) \
		$(CARGO) test --release --locked -p core-tests --features bare --test e2e chaos:: -- \
		--test-threads=1 --nocapture

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets --features core-tests/bare -- \
		-D warnings

bench: build
	$(CARGO) build --release --locked -p core-tests --features bare --bin bare --bin bare-steps
	CORE_BENCH_ONLY="$(ONLY)" CORE_RELEASE_DIR="$(RELEASE)" \
		$(CARGO) bench --locked -p core-tests --bench summary

# Takes each rule, right, seal and limit away in turn, from the programs that ship: three minutes, as
# root, and a part of `make test`. ONLY="filter/worker boot" runs those that begin so. GUARDS=8 takes
# eight of the checks in the code away besides, GUARDS=all every one that was not tried yet: a build
# of a crate's tests each, so a quarter of an hour.
mutate: build
	CORE_GUARDS="$(GUARDS)" CORE_RELEASE_DIR="$(RELEASE)" \
		$(CARGO) test --release --locked -p core-tests --features bare --test mutate -- $(ONLY)

install: build
	sh .tools/install.sh "$(RELEASE)" "$(DESTDIR)$(PREFIX)"

clean:
	$(CARGO) clean
