"""Facts about the tree as a whole."""
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tree import TOP, text, tracked

CPP = ("src/*.cpp", "src/*.hpp", "include/*.hpp", "tests/*.cpp", "tests/*.hpp", "bench/*.cpp", "bench/*.hpp")


def is_shell(name: Path) -> bool:
    if name.suffix == ".sh":
        return True
    with open(TOP / name, "rb") as file:
        return bool(re.match(rb"#!.*\b(ba)?sh\b", file.readline(80)))


def test_the_top_level_holds_only_what_belongs_there() -> None:
    allowed = {"CMakeLists.txt", "src", "include", "tests", "bench", "config", "deploy", "docs", "README.md", "LICENSE"}
    odd = {name.parts[0] for name in tracked() if not name.parts[0].startswith(".")} - allowed
    assert not odd


@pytest.mark.timeout(300)
def test_cpp_is_formatted() -> None:
    names = [str(name) for name in tracked(*CPP)]
    run = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *names], cwd=TOP, capture_output=True, text=True)
    files = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", run.stderr, re.M)))
    assert run.returncode == 0, "run: clang-format-14 -i " + " ".join(files)


@pytest.mark.timeout(600)
def test_every_public_header_compiles_alone() -> None:
    def compile_alone(name: Path) -> str:
        command = ["g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Iinclude", "-DBOOST_ASIO_SEPARATE_COMPILATION", "-DBOOST_ASIO_NO_DEPRECATED"]
        source = f'#include "{name.relative_to("include")}"\n'
        run = subprocess.run([*command, "-x", "c++", "-"], cwd=TOP, input=source, capture_output=True, text=True)
        return "" if run.returncode == 0 and not run.stderr else f"{name}:\n{run.stderr[:600]}"

    headers = tracked("include/*.hpp")
    assert headers
    with ThreadPoolExecutor(2) as pool:
        problems = [problem for problem in pool.map(compile_alone, headers) if problem]
    assert not problems, "\n".join(problems)


def test_links_in_markdown_lead_somewhere() -> None:
    broken = []
    for name in tracked("*.md"):
        body = re.sub(r"```.*?```|`[^`]*`", "", text(name), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", body):
            link = (target[0] or target[1]).split("#")[0]
            if not link or re.match(r"[a-z]+:", link):
                continue
            if not (TOP / name.parent / link).exists():
                broken.append(f"{name}: {link}")
    assert not broken, "\n".join(broken)


def test_scripts_pass_shellcheck() -> None:
    scripts = [str(name) for name in tracked(".ci", "deploy", "tests", "bench") if is_shell(name)]
    assert "deploy/up" in scripts and "tests/run" in scripts
    run = subprocess.run(["shellcheck", "-x", *scripts], cwd=TOP, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


def test_scripts_may_be_run() -> None:
    assert not [str(name) for name in tracked(".ci", "deploy", "tests", "bench") if text(name)[:2] == "#!" and not (TOP / name).stat().st_mode & 0o100]


def test_no_file_names_a_machine_or_a_registry() -> None:
    # In pieces, so that this file does not find itself.
    words = ["/wo" + "rk/", "/tmp" + "/pw", "/ro" + "ot/", "://regi" + "stry.", "npm" + "mirror", "://mir" + "rors", "pypi" + ".org", "deb.deb" + "ian.org"]
    found = []
    for name in tracked():
        if name.suffix in {".png", ".woff2", ".ico", ".gz", ".br"}:
            continue
        for number, line in enumerate(text(name).splitlines(), 1):
            found += [f"{name}:{number}: {word}" for word in words if word in line]
    assert not found, "\n".join(found)


def test_the_lock_file_serves_every_platform_and_names_no_host() -> None:
    packages = json.loads(text(Path("src/web/package-lock.json")))["packages"]
    # npm drops the other platforms' optional packages when it rewrites a lock file beside an installed node_modules.
    assert len([name for name in packages if name.startswith("node_modules/@rollup/rollup-")]) == 26
    assert len([name for name in packages if name.startswith("node_modules/@esbuild/")]) == 26
    assert not [name for name, entry in packages.items() if "resolved" in entry]
