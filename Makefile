# Two commands matter: `make run` starts a working gateway, `make test` runs every test. Both install what they need.

.DEFAULT_GOAL := help
.PHONY: help setup run run-openbao run-softhsm test test-peers lint bench fuzz advisories clean

FOR ?= tests
DATA ?= keyport-data
LISTEN ?= 127.0.0.1:8443
ADMIN ?= 127.0.0.1:8444

help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: ## Install the pinned Rust toolchain, its Wasm target and the few system tools that are missing; FOR=run: only what that needs
	@.ci/setup $(FOR)

run: FOR = run
run: setup ## Build a release and start a gateway on its embedded token; prints a curl that signs
	cargo build --release --locked -p keyport
	target/release/keyport dev --data $(DATA) --listen $(LISTEN) --admin $(ADMIN)

run-softhsm: FOR = run-softhsm
run-softhsm: DATA = keyport-softhsm
run-softhsm: setup ## The same on a SoftHSM token, which is made in DATA; see examples/softhsm
	cargo build --release --locked -p keyport
	KEYPORT=target/release/keyport examples/softhsm/run.sh $(DATA) --listen $(LISTEN) --admin $(ADMIN)

run-openbao: FOR = run-openbao
run-openbao: DATA = keyport-openbao
run-openbao: setup ## The same on the transit engine of an OpenBao, which is started with it; see examples/openbao
	cargo build --release --locked -p keyport
	bao=$$(.ci/setup-openbao) && \
		KEYPORT=target/release/keyport BAO=$$bao examples/openbao/run.sh $(DATA) --listen $(LISTEN) --admin $(ADMIN)

test: setup ## Run every test
	cargo test --workspace --locked

test-peers: setup ## Test what takes minutes: more PKCS#11 tokens (NSS, a TPM in software, Kryoptic), an emulator of AWS (LocalEmu), providers in Go and Python, a gateway built without key services
	@.ci/setup-peers
	CI=true cargo test --workspace --locked --test peers
	CI=true cargo test -p keyport --locked --test e2e -- --ignored
	cargo test -p keyport --no-default-features --locked --lib

lint: FOR = run
lint: setup ## Formatting, clippy, documentation, dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --workspace --test peers --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	@.ci/setup $(FOR) cargo-deny
	cargo deny --locked check bans licenses sources

bench: setup ## Measure; writes target/bench and prints the README's table
	cargo build --release --locked -p keyport
	cargo run --release --locked -p keyport-bench

fuzz: FOR = run
fuzz: setup ## Fuzz every parser for SECONDS each (default 60); needs a nightly toolchain and cargo-fuzz
	@.ci/setup $(FOR) cargo-fuzz
	@tests/fuzz/run $(or $(SECONDS),60)

advisories: FOR = run
advisories: setup ## Check dependencies against the RustSec database (needs the internet)
	@.ci/setup $(FOR) cargo-deny
	cargo deny check advisories

clean: ## Remove what was built
	cargo clean
