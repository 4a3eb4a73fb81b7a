#!/usr/bin/env python3
"""Counts what test programs reported.

usage: results.py FILE...   prints "<passed> <failed>" and, on stderr, one line for each failed test.

Reads JUnit XML (GoogleTest, pytest, vitest) and TAP (*.tap, node --test). Skipped tests count as neither. A file that is
missing or cannot be read is one failed test: a program that died before its report must not look like a quiet success.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count_junit(path: Path) -> tuple[int, list[str]]:
    passed, failed = 0, []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = ".".join(filter(None, [case.get("classname"), case.get("name")]))
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif case.find("skipped") is None and case.get("status") not in ("notrun", "disabled"):
            passed += 1
    return passed, failed


def count_tap(path: Path) -> tuple[int, list[str]]:
    """Leaves only: a suite's own line follows a nested plan ("    1..3") and would count its tests twice."""
    passed, failed = 0, []
    nested_depth = -1
    for line in path.read_text(errors="replace").splitlines():
        indent = len(line) - len(line.lstrip(" "))
        if re.match(r"\s*1\.\.\d+", line):
            nested_depth = indent
            continue
        found = re.match(r"\s*(not )?ok \d+(?: - (.*))?$", line)
        if not found:
            continue
        suite = nested_depth > indent
        nested_depth = -1
        if suite and found[1] and not failed:
            failed.append(found[2] or "unnamed")  # its tests passed, but the suite itself (a hook) did not
        if suite or re.search(r"# (SKIP|TODO)\b", found[2] or ""):
            continue
        if found[1]:
            failed.append(found[2] or "unnamed")
        else:
            passed += 1
    return passed, failed


def count(path: Path) -> tuple[int, list[str]]:
    try:
        return count_tap(path) if path.suffix == ".tap" else count_junit(path)
    except (OSError, ElementTree.ParseError) as error:
        return 0, [f"{path.name}: no report ({error.__class__.__name__})"]


def main(names: list[str]) -> None:
    passed, failed = 0, []
    for name in names:
        more_passed, more_failed = count(Path(name))
        passed += more_passed
        failed += more_failed
    for name in failed:
        print(f"FAILED {name}", file=sys.stderr)
    print(passed, len(failed))


if __name__ == "__main__":
    main(sys.argv[1:])
