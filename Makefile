# Two commands for a fresh Debian or Ubuntu with Rust, a C compiler and make:
#
#   make demo    packs, installs, updates, rolls back and repairs a service
#   make test    every test, with a real container engine
#
# Both keep to target/ and leave nothing running. `ENGINES=all make test` also asks
# Podman to read packages. `make lint` is what CI asks of the code itself; .ci/run
# is all of CI.

CARGO ?= cargo
ENGINES_DIR = $(or $(CARGO_TARGET_DIR),target)/engines

.PHONY: demo test lint test-engines clear-engines

demo:
	@sh tests/engines/needs.sh demo
	$(CARGO) build --locked --bin caisson-pack --bin caisson-apply --bin caisson-demo
	@$(CARGO) run --locked --quiet --bin caisson-demo

# A real engine is fetched before the long build, so that no network is said early.
# Whatever the tests say, their engines are gone before this ends.
test:
	@sh tests/engines/needs.sh test
	@test -n "$$CAISSON_TEST_ENGINE" || sh tests/engines/fetch.sh $(ENGINES_DIR)
	@test "$$(id -u)" != 0 || for kind in newest skopeo; do \
	    sh tests/engines/fetch.sh $(ENGINES_DIR) $$kind || exit; done
	$(CARGO) test --locked --workspace --no-fail-fast; \
	result=$$?; sh tests/engines/engine.sh sweep "$$(realpath -m $(ENGINES_DIR)/run)" && exit $$result

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# The private engine by itself: comes up, survives cuts, leaves nothing.
test-engines:
	@sh tests/engines/needs.sh test
	$(CARGO) test --locked --package caisson-tests --test real_engine -- --nocapture

# What a killed run left behind, if the machine went down with it.
clear-engines:
	@sh tests/engines/engine.sh sweep "$$(realpath -m $(ENGINES_DIR)/run)"
