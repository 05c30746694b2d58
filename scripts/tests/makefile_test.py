#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests the front: what `make help` lists, and what each documented target runs.

    scripts/tests/makefile_test.py [Front.<test>...]
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The documented commands, and what each of them must run.
BUILD = "--target daemons/all"
RUN_AND_BUILD = {
    "setup": ["scripts/bootstrap test", "scripts/services start", BUILD, "bin/migrate up"],
    "run": [BUILD, "scripts/run"],
    "unified-server": [BUILD, "scripts/with-servers bin/unified-server"],
    "relay": [BUILD, "scripts/with-servers bin/relay"],
    "run-relay": [BUILD, "scripts/with-servers bin/relay"],
    "build": ["scripts/bootstrap build", BUILD],
    "test": ["scripts/run-tests unit"],
    "integration-test": ["scripts/run-tests integration"],
    "test-all": ["scripts/run-tests all"],
}
INFRASTRUCTURE = {
    "docker-up": ["docker compose -f deploy/compose.yaml up"],
    "docker-down": ["docker compose -f deploy/compose.yaml --profile app down"],
    "restart": ["scripts/services restart", "bin/migrate up"],
    "status": ["scripts/status"],
    "migrate": [BUILD, "scripts/with-servers bin/migrate up"],
    "migrate-down": [BUILD, "scripts/with-servers bin/migrate down"],
    "db-shell": ["scripts/with-servers scripts/db-shell"],
    "redis-shell": ["scripts/with-servers scripts/redis-shell"],
    "check-outbox": ["scripts/with-servers scripts/check-outbox"],
}
HELPERS = {
    "test-token-bucket": ["scripts/scenarios/token_bucket.sh"],
    "test-user-api": ["scripts/with-servers scripts/scenarios/user_api.sh"],
    "test-crash": ["scripts/with-servers scripts/scenarios/crash.sh"],
    "docker-logs": ["docker compose -f deploy/compose.yaml --profile app logs"],
    "logs-db": ["scripts/services logs postgres"],
    "logs-redis": ["scripts/services logs redis"],
    "logs-kafka": ["scripts/services logs kafka"],
    "logs-relay": [".services/log/relay.log"],
}
OTHERS = ["help", "up", "down", "bench", "fmt", "lint", "clean"]


def make(*arguments, folder=ROOT, path=None):
    # What an outer make has set, such as its job server, is not for this one.
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "FOLLOW")}
    if path:
        environment["PATH"] = f"{path}:{environment['PATH']}"
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, text=True, capture_output=True)


def listed():
    """Target -> description, as `make help` prints them."""
    answer = make("help")
    assert answer.returncode == 0, answer.stderr
    return dict(re.findall(r"^  ([a-z][a-z-]*) +(\S.*)$", answer.stdout, re.MULTILINE))


def fake(folder, name, script):
    """Puts a program of this name into the folder."""
    program = pathlib.Path(folder, name)
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)


class Front(unittest.TestCase):
    def check_runs(self, documented):
        for target, commands in documented.items():
            with self.subTest(target=target):
                plan = make("-n", target)
                self.assertEqual(plan.returncode, 0, plan.stderr)
                runs, at = re.sub(" +", " ", plan.stdout), 0
                for command in commands:
                    at = runs.find(command, at)
                    self.assertGreaterEqual(at, 0, f"{command} in its place in:\n{runs}")

    def test_every_documented_target_is_listed(self):
        targets = listed()
        for name in [*RUN_AND_BUILD, *INFRASTRUCTURE, *HELPERS, *OTHERS]:
            self.assertIn(name, targets)

    def test_every_target_is_listed(self):
        text = (ROOT / "Makefile").read_text()
        phony = set(" ".join(re.findall(r"^\.PHONY:(.*)$", text, re.MULTILINE)).split())
        self.assertEqual(phony - set(listed()), {"docker-check"})

    def test_commands_that_run_and_build(self):
        self.check_runs(RUN_AND_BUILD)

    def test_commands_of_the_infrastructure(self):
        self.check_runs(INFRASTRUCTURE)

    def test_helpers_and_logs(self):
        self.check_runs(HELPERS)

    def test_every_script_that_a_target_runs_is_there(self):
        for name in set(re.findall(r"\bscripts/[A-Za-z0-9_./-]+", (ROOT / "Makefile").read_text())):
            script = ROOT / name
            self.assertTrue(script.is_dir() or os.access(script, os.X_OK), name)

    def test_a_build_puts_the_programs_into_bin(self):
        presets = (ROOT / "CMakePresets.json").read_text()
        self.assertIn('"CMAKE_RUNTIME_OUTPUT_DIRECTORY_DAEMONS": "${sourceDir}/bin"', presets)
        self.assertIn("/bin/", (ROOT / ".gitignore").read_text().splitlines())

    def test_a_server_with_test_endpoints_is_for_this_machine_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(ROOT / "Makefile", folder)
            pathlib.Path(folder, "scripts").mkdir()
            fake(f"{folder}/scripts", "bootstrap", "")
            fake(f"{folder}/scripts", "run", 'echo "$PORT $ENABLE_TEST_ENDPOINTS"')
            fake(f"{folder}/scripts", "with-servers", 'echo "$PORT $ENABLE_TEST_ENDPOINTS"')
            fake(folder, "cmake", "")
            for target in ("run", "unified-server"):
                for asked, told in (
                    ((), "127.0.0.1:8080 1"),
                    (("PORT=9000", "ENABLE_TEST_ENDPOINTS=0"), "127.0.0.1:9000 0"),
                    (("PORT=0.0.0.0:9000",), "0.0.0.0:9000 1"),
                ):
                    with self.subTest(target=target, asked=asked):
                        ran = make(target, *asked, folder=folder, path=folder)
                        self.assertEqual(ran.stdout.splitlines()[-1:], [told], ran.stderr)

    def test_logs_of_a_relay(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(ROOT / "Makefile", folder)
            before = make("logs-relay", folder=folder)
            self.assertNotEqual(before.returncode, 0)
            self.assertIn("logs-relay: the relay was not started", before.stderr)
            log = pathlib.Path(folder, ".services/log/relay.log")
            log.parent.mkdir(parents=True)
            log.write_text('{"msg":"ready"}\n')
            after = make("logs-relay", folder=folder)
            self.assertEqual((after.returncode, after.stdout), (0, '{"msg":"ready"}\n'))

    def test_redis_shell_takes_each_form_of_an_address(self):
        forms = {
            "localhost:6379": "-h localhost -p 6379 -n 2 PING",
            "10.0.0.1:1": "-h 10.0.0.1 -p 1 -n 2 PING",
            "[::1]:6379": "-h ::1 -p 6379 -n 2 PING",
            "unix:/run/a b.sock": "-s /run/a b.sock -n 2 PING",
        }
        with tempfile.TemporaryDirectory() as folder:
            fake(folder, "redis-cli", 'echo "$@"\n')
            for address, arguments in forms.items():
                with self.subTest(address=address):
                    environment = {
                        **os.environ,
                        "PATH": f"{folder}:{os.environ['PATH']}",
                        "REDIS_ADDR": address,
                        "REDIS_DB": "2",
                    }
                    answer = subprocess.run(
                        [ROOT / "scripts/redis-shell", "PING"], env=environment, capture_output=True, text=True
                    )
                    self.assertEqual((answer.returncode, answer.stdout), (0, arguments + "\n"), answer.stderr)

    def test_docker_is_asked_for_the_same_containers(self):
        with tempfile.TemporaryDirectory() as folder:
            fake(folder, "docker", f'echo "$@" >>"{folder}/calls"\n')
            for target in ("docker-up", "docker-logs", "docker-down"):
                answer = make(target, path=folder)
                self.assertEqual(answer.returncode, 0, answer.stderr)
            calls = [c for c in pathlib.Path(folder, "calls").read_text().splitlines() if c != "compose version"]
            compose = "compose -f deploy/compose.yaml"
            self.assertEqual(calls[0], f"{compose} up -d --wait")
            self.assertTrue(calls[1].startswith(f"{compose} --profile app logs"), calls[1])
            self.assertEqual(calls[2], f"{compose} --profile app down")

    def test_without_docker_a_sentence_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            fake(folder, "docker", "exit 1\n")
            for target in ("docker-up", "docker-logs", "docker-down"):
                answer = make(target, path=folder)
                self.assertNotEqual(answer.returncode, 0)
                self.assertIn("docker compose is not installed; `make up` starts the same servers", answer.stderr)


if __name__ == "__main__":
    unittest.main()
