#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests what deploy/compose.yaml says, as far as that needs no docker.

    PROGRAMS=<folder of the built programs> scripts/tests/compose_test.py [Compose.<test>...]

PROGRAMS defaults to bin/.
"""
import os
import pathlib
import re
import subprocess
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy/compose.yaml"
TEXT = FILE.read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
README = (ROOT / "README.md").read_text()
PROGRAMS = pathlib.Path(os.environ.get("PROGRAMS", ROOT / "bin"))

# service -> its program; the others are other people's images.
OURS = {name: service["command"][0] for name, service in SERVICES.items() if "build" in service}


def settings_of(program):
    """The variables that `--help` of a program lists, with their defaults."""
    text = subprocess.run([PROGRAMS / program, "--help"], check=True, capture_output=True, text=True).stdout
    return dict(re.findall(r"^  ([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))


def published():
    """service, address, port on this machine, port in the container."""
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            address, outside, inside = port.split(":")
            yield name, address, outside, inside


class Compose(unittest.TestCase):
    def check_documented(self, text):
        self.assertTrue(re.search(rf"\b{re.escape(text)}\b", README), f"README.md does not tell of {text}")

    def test_each_service_can_be_had(self):
        for name, service in SERVICES.items():
            with self.subTest(service=name):
                if name not in OURS:
                    self.assertRegex(service["image"], r"^[a-z0-9/.-]+:v?[0-9][0-9.]*$")
                    continue
                context = (FILE.parent / service["build"]["context"]).resolve()
                self.assertEqual(context, ROOT)
                self.assertTrue((context / service["build"]["dockerfile"]).is_file())
                self.assertTrue(os.access(PROGRAMS / OURS[name], os.X_OK))
        self.assertEqual(set(OURS.values()), {"migrate", "unified-server", "relay"})

    def test_what_a_service_waits_for_is_there_and_can_come_true(self):
        for name, service in SERVICES.items():
            for other, wait in service.get("depends_on", {}).items():
                with self.subTest(service=name, other=other):
                    self.assertIn(other, SERVICES)
                    if wait["condition"] == "service_healthy":
                        self.assertIn("healthcheck", SERVICES[other])
                    else:
                        self.assertEqual(wait["condition"], "service_completed_successfully")
                        self.assertEqual(SERVICES[other]["restart"], "no")

    def test_ports_are_the_documented_ones_of_this_machine_alone(self):
        for name, address, outside, inside in published():
            with self.subTest(service=name):
                self.assertEqual(address, "127.0.0.1")
                self.check_documented(outside)
                if name in OURS:
                    environment = SERVICES[name]["environment"]
                    own = environment.get("PORT", environment.get("METRICS_PORT"))
                    self.assertEqual((outside, inside), (own, own))
        ports = {name: outside for name, _, outside, _ in published()}
        self.assertEqual(
            ports,
            {"postgres": "5432", "redis": "6379", "kafka": "9092", "kafka-ui": "8081", "unified-server": "8080", "relay": "9103"},
        )

    def test_kafka_ui_shows_the_kafka_of_the_programs(self):
        shown = SERVICES["kafka-ui"]["environment"]["KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"]
        self.assertEqual(shown, SERVICES["relay"]["environment"]["KAFKA_BROKERS"])
        self.check_documented("http://localhost:8081")

    def test_each_variable_is_a_setting_of_its_program(self):
        for name, program in OURS.items():
            settings = settings_of(program)
            self.assertIn("DB_HOST", settings)
            for variable in SERVICES[name]["environment"]:
                with self.subTest(service=name, variable=variable):
                    self.assertIn(variable, settings)
                    self.check_documented(variable)

    def test_what_is_written_with_an_event_is_told_to_the_program_that_writes_it(self):
        for variable in ("KAFKA_TOPIC", "RELAY_MAX_RETRIES"):
            self.assertIn(variable, SERVICES["unified-server"]["environment"])

    def test_servers_are_found_at_the_names_and_ports_of_their_services(self):
        for name in OURS:
            environment = SERVICES[name]["environment"]
            self.assertEqual((environment["DB_HOST"], environment["DB_PORT"]), ("postgres", "5432"))
        self.assertEqual(SERVICES["unified-server"]["environment"]["REDIS_ADDR"], "redis:6379")
        brokers = SERVICES["relay"]["environment"]["KAFKA_BROKERS"]
        self.assertIn(f"CONTAINERS://{brokers}", SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"])
        database = SERVICES["postgres"]["environment"]
        for ours, theirs in (("DB_USER", "POSTGRES_USER"), ("DB_PASSWORD", "POSTGRES_PASSWORD"), ("DB_NAME", "POSTGRES_DB")):
            self.assertEqual(SERVICES["migrate"]["environment"][ours], database[theirs])

    def test_defaults_are_those_of_the_programs_and_stand_in_the_head_of_the_file(self):
        head = TEXT[: TEXT.index("\nname:")]
        for name, program in OURS.items():
            settings = settings_of(program)
            for variable, value in SERVICES[name]["environment"].items():
                wanted = re.fullmatch(r"\$\{([A-Z_]+):-(.*)\}", value)
                if not wanted:
                    continue
                with self.subTest(service=name, variable=variable):
                    self.assertEqual(wanted[1], variable)
                    self.assertIn(f"{variable} ({wanted[2]})", head)
                    # A bare duration is in seconds.
                    shown = (wanted[2], f"{wanted[2]}s")
                    self.assertIn(settings[variable], shown)

    def test_each_volume_is_declared(self):
        declared = yaml.safe_load(TEXT)["volumes"]
        used = {volume.split(":")[0] for s in SERVICES.values() for volume in s.get("volumes", [])}
        self.assertEqual(used, set(declared))


if __name__ == "__main__":
    unittest.main()
