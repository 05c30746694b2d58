#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests that an include points down the floors of the house, and never into another service, and that each
main fits into 10 to 40 lines.

    scripts/tests/floors_test.py [Floors.<test>...]
"""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADAPTERS = ["postgres", "sqlite", "redis", "kafka", "prometheus"]

# What a service shows to another one. All other headers of a service are its own affair.
FACES = {
    ("crash", "users"): {"routes.hpp", "user_store.hpp"},
    # A database that is opened brings its schema up to date, and waits as long as that needs.
    ("backing", "migrations"): {"schema.hpp", "waits.hpp"},
    # Whoever looks after an outbox is told which one by the words that its relay is told by.
    ("outbox_admin", "relay"): {"settings.hpp"},
}
# A service of several families of commands has a folder for each, besides those whose files all of them may include.
OPEN_TO_FAMILIES = {("outbox_admin", "outbox")}
# What a family shows to another one; "" is the program, which chooses between the commands.
FAMILY_FACES = {
    ("outbox_admin", "", "reading"): {"status.hpp", "verify.hpp"},
    ("outbox_admin", "", "audit"): {"audit.hpp"},
    ("outbox_admin", "", "lanes"): {"change_lanes.hpp"},
    ("outbox_admin", "", "letters"): {"dlq.hpp"},
    ("outbox_admin", "", "parked"): {"unpark.hpp"},
    # Whoever delivers again holds the lanes.
    ("outbox_admin", "audit", "lanes"): {"lane_hold.hpp"},
    # Parked events are dead letters that stand in order, and are sent and marked like those.
    ("outbox_admin", "parked", "letters"): {"dead_letters.hpp", "marks.hpp", "replay.hpp"},
}
C_LIBRARIES = r"(libpq-fe|sqlite3|hiredis/|librdkafka/|openssl/)"


def sources(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".hpp", ".cpp"):
                yield path


def includes(path):
    return re.findall(r'^#include [<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def adapter_of(path):
    """The adapter that a file or an include belongs to, or None."""
    parts = pathlib.PurePath(path).parts
    return next((part for part in parts[:-1] if part in ADAPTERS), None)


def wrong_service(module, included):
    """Whether a file of `module` may not include `modules/<other>/<header>`."""
    _, other, header = included.split("/", 2)
    return other not in (module, "backing") and header not in FACES.get((module, other), ())


def family_of(path):
    """The folder of a file inside its service; empty for one that stands in the service itself."""
    return "/".join(pathlib.PurePath(path).parts[1:-1])


def wrong_family(here, included):
    """Whether the file `here`, `<service>/...`, may not include `modules/<service>/<family>/<header>`."""
    there = included.removeprefix("modules/")
    service, mine, its = there.split("/")[0], family_of(here), family_of(there)
    if not here.startswith(service + "/") or its == mine or (service, its) in OPEN_TO_FAMILIES:
        return False
    return there.split("/")[-1] not in FAMILY_FACES.get((service, mine, its), ())


def wrong_main(path):
    """What keeps a file from being the main of a program that only composes; empty when nothing does."""
    text = path.read_text()
    lines = text.count("\n")
    if not re.search(r"^int main\(", text, re.MULTILINE):
        return f"{path.name} has no main"
    return "" if 10 <= lines <= 40 else f"{path.name} has {lines} lines"


class Floors(unittest.TestCase):
    def check(self, files, is_wrong):
        files = list(files)
        self.assertTrue(files)
        found = [f"{f.relative_to(ROOT)}: {i}" for f in files for i in includes(f) if is_wrong(f, i)]
        self.assertEqual(found, [])

    def test_a_service_includes_nothing_of_another(self):
        modules = ROOT / "daemons/modules"

        def is_wrong(path, included):
            return included.startswith("modules/") and wrong_service(path.relative_to(modules).parts[0], included)

        self.check((f for f in sources("daemons/modules") if f.parent != modules), is_wrong)

    def test_a_service_that_reached_into_another_would_be_found(self):
        self.assertTrue(wrong_service("bucket", "modules/users/user.hpp"))
        self.assertTrue(wrong_service("crash", "modules/users/user_writes.hpp"))
        self.assertFalse(wrong_service("crash", "modules/users/routes.hpp"))
        self.assertFalse(wrong_service("users", "modules/backing/database.hpp"))

    def test_a_family_of_commands_includes_nothing_of_another(self):
        modules = ROOT / "daemons/modules"

        def is_wrong(path, included):
            return included.startswith("modules/") and wrong_family(str(path.relative_to(modules)), included)

        self.check((f for f in sources("daemons/modules") if f.parent != modules), is_wrong)

    def test_a_family_that_reached_into_another_would_be_found(self):
        self.assertTrue(wrong_family("outbox_admin/audit/audit.cpp", "modules/outbox_admin/lanes/change_lanes.hpp"))
        self.assertTrue(wrong_family("outbox_admin/letters/dlq.cpp", "modules/outbox_admin/parked/unpark.hpp"))
        self.assertTrue(wrong_family("outbox_admin/outbox/tools.cpp", "modules/outbox_admin/reading/status.hpp"))
        self.assertTrue(wrong_family("outbox_admin/audit/audit.cpp", "modules/outbox_admin/program.hpp"))
        self.assertFalse(wrong_family("outbox_admin/audit/audit.cpp", "modules/outbox_admin/audit/audit_rows.hpp"))
        self.assertFalse(wrong_family("outbox_admin/audit/audit.cpp", "modules/outbox_admin/outbox/tools.hpp"))
        self.assertFalse(wrong_family("outbox_admin/program.cpp", "modules/outbox_admin/parked/unpark.hpp"))
        self.assertFalse(wrong_family("users/routes.cpp", "modules/users/user.hpp"))

    def test_a_program_only_composes(self):
        mains = sorted((ROOT / "daemons").glob("*.cpp"))
        self.assertTrue(mains)
        self.assertEqual([wrong for wrong in map(wrong_main, mains) if wrong], [])
        elsewhere = [p for p in sources("daemons/host", "daemons/modules") if "int main(" in p.read_text()]
        self.assertEqual(elsewhere, [])

    def test_the_host_knows_no_service(self):
        self.check(sources("daemons/host"), lambda _, i: i.startswith("modules/"))

    def test_the_library_knows_no_daemon(self):
        self.check(sources("include", "src"), lambda _, i: i.startswith(("host/", "modules/")))

    def test_beast_is_in_the_host_alone(self):
        self.check(sources("include", "src", "daemons/modules"), lambda _, i: i.startswith("boost/beast"))

    def test_adapters_do_not_know_each_other(self):
        def is_wrong(path, included):
            here, there = adapter_of(path.relative_to(ROOT)), adapter_of(included)
            return included.startswith("resilience/") and there is not None and there != here

        self.check(sources("include", "src"), is_wrong)

    def test_no_public_header_includes_a_c_library(self):
        self.check(sources("include"), lambda _, i: re.match(C_LIBRARIES, i) is not None)


if __name__ == "__main__":
    unittest.main()
