#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of what scripts/mutants knows without a compiler.

    scripts/tests/mutants_test.py [Mutants.<test>...]
"""
import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOADER = importlib.machinery.SourceFileLoader("mutants", str(ROOT / "scripts/mutants"))
mutants = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutants", LOADER))
LOADER.exec_module(mutants)

LAW = """mutant: a permit is never given back
file: include/resilience/bulkhead.hpp
test: tests/unit/core/bulkhead_test.cpp
find: {find}
with:
"""


def problem_of(entry):
    try:
        entry.check()
    except mutants.Problem as problem:
        return f"{entry.where}: {problem}"
    return None


class Mutants(unittest.TestCase):
    def entries(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "made_up.mutants"
            path.write_text(text)
            return list(mutants.read_entries(path))

    def test_each_fits_the_code_as_it_stands(self):
        paths = sorted((ROOT / "tests/mutants").glob("*.mutants"))
        self.assertTrue(paths)
        problems = [problem_of(entry) for path in paths for entry in mutants.read_entries(path)]
        self.assertEqual([problem for problem in problems if problem], [])

    def test_one_that_no_longer_fits_is_found(self):
        for find in ("no such line();", "#include"):
            with self.subTest(find=find):
                (entry,) = self.entries(LAW.format(find=find))
                self.assertIn("times in include/resilience/bulkhead.hpp", problem_of(entry))

    def test_one_without_its_test_is_found(self):
        (entry,) = self.entries(LAW.format(find="#ifndef RESILIENCE_BULKHEAD_HPP").replace("_test.cpp", "_gone.cpp"))
        self.assertIn("there is no tests/unit/core/bulkhead_gone.cpp", problem_of(entry))


if __name__ == "__main__":
    unittest.main()
