"""tests/results.py decides whether a run was green, so it is tested itself."""
import sys
from pathlib import Path

from tree import TOP

sys.path.insert(0, str(TOP / "tests"))
from results import count  # noqa: E402


def given(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


def test_counts_junit(tmp_path: Path) -> None:
    report = given(tmp_path, "a.xml", """<testsuites><testsuite>
      <testcase classname="A" name="good"/><testcase classname="A" name="bad"><failure/></testcase>
      <testcase name="broken"><error/></testcase><testcase name="later"><skipped/></testcase><testcase name="off" status="notrun"/>
    </testsuite></testsuites>""")
    assert count(report) == (1, ["A.bad", "broken"])


def test_counts_the_leaves_of_tap(tmp_path: Path) -> None:
    report = given(tmp_path, "a.tap", """TAP version 13
# Subtest: file
    # Subtest: one
    ok 1 - one
      ---
      duration_ms: 1
      ...
    # Subtest: group
        not ok 1 - two
        ok 2 - three # SKIP
        1..2
    not ok 2 - group
    1..2
not ok 1 - file
ok 2 - four
1..2
# pass 2
""")
    assert count(report) == (2, ["two"])


def test_a_suite_that_fails_by_itself_counts(tmp_path: Path) -> None:
    report = given(tmp_path, "a.tap", "    ok 1 - one\n    1..1\nnot ok 1 - hook failed\n1..1\n")
    assert count(report) == (1, ["hook failed"])


def test_a_missing_or_torn_report_is_a_failure(tmp_path: Path) -> None:
    assert count(tmp_path / "none.xml") == (0, ["none.xml: no report (FileNotFoundError)"])
    assert count(given(tmp_path, "torn.xml", "<testsuite><testcase name='a'/>"))[1]
    assert count(tmp_path / "none.tap")[1]
