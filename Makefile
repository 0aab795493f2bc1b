# Everything there is to do with a clone. "make demo" and "make test" are all that a newcomer needs.

CARGO := cargo
FUZZ_SECONDS := 60
PREFIX := /usr/local

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z]*\): .*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: demo
demo: ## Watch psql talk to an AlloyDB emulator through Querycop; ONCE=1 does not wait for Ctrl-C, ON=postgres goes without AlloyDB
	scripts/bootstrap
	$(CARGO) build --locked --package querycop
	ONCE=$(ONCE) ON=$(ON) scripts/demo

.PHONY: test
test: ## Run all tests, those against real servers and with real drivers among them
	scripts/bootstrap test
	$(CARGO) test --locked --workspace --all-features

.PHONY: check
check: ## Check format, lints (warnings are errors), and the connector's public API against its record
	scripts/bootstrap check
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- --deny warnings
	crates/alloydb-connector/tests/public-api

.PHONY: bench
bench: ## Measure beside HAProxy, PgBouncer and no proxy at all; BENCH="--quick" and other flags: bench/README.md
	scripts/bootstrap bench
	$(CARGO) build --locked --release --package querycop
	bench/run $(BENCH)

.PHONY: fuzz
fuzz: ## Fuzz each decoder for FUZZ_SECONDS=60; needs a nightly toolchain and cargo-fuzz
	set -e; for target in $$($(CARGO) +nightly fuzz list); do \
		$(CARGO) +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS); \
	done

.PHONY: install
install: ## Build for release; install querycop, and alloydb-auth-proxy as a link to it, below PREFIX=/usr/local
	$(CARGO) build --locked --release --package querycop
	install -D -m 755 target/release/querycop $(DESTDIR)$(PREFIX)/bin/querycop
	ln -sf querycop $(DESTDIR)$(PREFIX)/bin/alloydb-auth-proxy

.PHONY: deny
deny: ## Check licences, duplicates, advisories and sources of dependencies; needs cargo-deny
	$(CARGO) deny --locked check
