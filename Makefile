# SPDX-License-Identifier: MIT
# `make help` lists the targets. Longer recipes are in scripts/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

JOBS ?= $(shell nproc)
BASE_URL ?= http://localhost:$(or $(PORT),8080)
PREFIX ?= /usr/local
COMPOSE := docker compose -f deploy/compose.yaml
export BASE_URL JOBS

# The server that these start on a developer's machine has POST /test/crash: no other machine shall reach it unasked.
run unified-server: export ENABLE_TEST_ENDPOINTS := $(or $(ENABLE_TEST_ENDPOINTS),1)
run unified-server: override export PORT := $(if $(findstring :,$(PORT)),,127.0.0.1:)$(or $(PORT),8080)

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-20s %s\n", $$1, $$2 } /^##@ / { printf "\n%s\n", substr($$0, 5) }' $(MAKEFILE_LIST)

##@ Run
.PHONY: setup run unified-server relay run-relay migrate migrate-down backfill
setup: ## Installs packages, starts the native servers, builds, migrates
	@scripts/bootstrap test
	@$(MAKE) up build migrate

run: build ## Builds, then runs unified-server and relay with no server at all; Ctrl-C stops both
	@scripts/run

unified-server: build ## Runs the HTTP server, with the servers of `make up` (or docker-up) where they run
	@scripts/with-servers bin/unified-server

relay: build ## Runs the outbox relay, likewise
	@mkdir -p .services/log
	@scripts/with-servers bin/relay 2>&1 | tee -i -a .services/log/relay.log

run-relay: relay ## Another name of relay

migrate: build ## Applies the migrations
	@scripts/with-servers bin/migrate up

migrate-down: build ## Takes the newest migration back
	@scripts/with-servers bin/migrate down

backfill: build ## Replays events: make backfill ARGS='-dry-run -aggregate-type=user'
	@scripts/with-servers bin/backfill $(ARGS)

##@ Build
.PHONY: build release install clean
build: ## Builds every program into bin/, installing the packages it needs
	@scripts/bootstrap build
	@test -f build/release/build.ninja || cmake --preset release
	@cmake --build build/release -j $(JOBS) --target daemons/all

release: ## Builds everything optimised: programs, tests, benchmarks
	@scripts/bootstrap build
	@cmake --preset release
	@cmake --build build/release -j $(JOBS)

install: release ## Installs the library and the programs into PREFIX (/usr/local)
	@cmake --install build/release --prefix "$(PREFIX)"

clean: ## Deletes build/ and bin/; keeps data/ and the servers' data
	@rm -rf build bin

##@ Test
.PHONY: test integration-test chaos test-all test-scripts clang-test mutants snippets snippets-check bench fmt fmt-check lint
test: ## Runs the unit tests; they need no server
	@scripts/run-tests unit

integration-test: ## Starts the servers, runs the integration and end-to-end tests, stops them
	@scripts/run-tests integration

chaos: ## Kills, cuts and pauses everything under exactly-once delivery, the long form (CHAOS_FORM=short: as in test-all)
	@scripts/run-tests chaos $(ARGS)

test-all: ## Installs and starts what is missing, builds, runs every test, stops the servers
	@scripts/run-tests all

test-scripts: ## Tests scripts/services: copies, kills, recycled state
	@scripts/tests/services_test.sh

clang-test: ## Runs the unit tests of the policies with clang's sanitizers (ARGS='asan' or 'tsan' for one)
	@scripts/clang-test $(ARGS)

mutants: ## Takes guards out of the headers one by one; a test must fail each time (ARGS='circuit_breaker')
	@scripts/mutants -j $(JOBS) $(ARGS)

snippets: ## Copies the code of the pages from the sources that are compiled and run
	@scripts/snippets

snippets-check: ## Fails when the code in a page differs from its source
	@scripts/snippets --check

bench: ## Runs the benchmarks of an optimised build against the native servers
	@scripts/run-bench

fmt: ## Formats the C++ in place
	@scripts/format

fmt-check: ## Fails when a file is not formatted
	@scripts/format --check

lint: ## Runs clang-tidy over the sources
	@scripts/lint

##@ Native servers (PostgreSQL, Redis, Kafka on free loopback ports)
.PHONY: up down restart status logs-db logs-redis logs-kafka logs-relay
up: ## Starts them; their data is kept in .services/
	@scripts/bootstrap test
	@scripts/services start

down: ## Stops them
	@scripts/services stop

restart: ## Stops and starts them, then applies the migrations
	@scripts/services restart
	@$(MAKE) migrate

status: ## Says which servers and programs answer
	@scripts/status

logs-db: ## Shows the log of PostgreSQL (FOLLOW=1 follows)
	@scripts/services logs $(if $(FOLLOW),-f) postgres

logs-redis: ## Shows the log of Redis
	@scripts/services logs $(if $(FOLLOW),-f) redis

logs-kafka: ## Shows the log of Kafka
	@scripts/services logs $(if $(FOLLOW),-f) kafka

logs-relay: ## Shows the log of the relay
	@test -f .services/log/relay.log || { echo 'logs-relay: the relay was not started with make run or make relay yet' >&2; exit 1; }
	@tail -n 100 $(if $(FOLLOW),-F) .services/log/relay.log

##@ Look inside
.PHONY: db-shell redis-shell check-outbox test-token-bucket test-user-api test-crash
db-shell: ## Opens psql, or sqlite3 on the embedded database
	@scripts/with-servers scripts/db-shell

redis-shell: ## Opens redis-cli
	@scripts/with-servers scripts/redis-shell

check-outbox: ## Shows the newest rows of the outbox
	@scripts/with-servers scripts/check-outbox

test-token-bucket: ## Scenario: takes ten tokens fast from a running server, the eleventh is refused
	@scripts/scenarios/token_bucket.sh

test-user-api: ## Scenario: creates, reads and changes a user; the event stands in the outbox
	@scripts/with-servers scripts/scenarios/user_api.sh

test-crash: ## Scenario: the server dies after the commit; the relay publishes the event
	@scripts/with-servers scripts/scenarios/crash.sh

##@ Docker
.PHONY: docker-up docker-down docker-logs docker-check
docker-check:
	@docker compose version >/dev/null 2>&1 || { echo 'docker compose is not installed; `make up` starts the same servers without it' >&2; exit 1; }

docker-up: docker-check ## Starts PostgreSQL, Redis, Kafka and Kafka UI (http://localhost:8081) in containers
	@$(COMPOSE) up -d --wait

docker-down: docker-check ## Stops the containers
	@$(COMPOSE) --profile app down

docker-logs: docker-check ## Shows the logs of the containers
	@$(COMPOSE) --profile app logs --tail 100 $(if $(FOLLOW),-f)
