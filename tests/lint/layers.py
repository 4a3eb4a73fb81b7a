"""The layering rule: a folder includes itself and lower layers, and reaches another module only through "parley/<module>/...".

Modules of one layer do not know each other; they meet at an interface below, and `app` hands one to the other.
"""
import re
from pathlib import Path
from typing import Callable, Iterable, Optional

LAYERS = [
    ["base"],
    ["protocol", "config", "obs", "client"],
    ["domain", "tenant"],
    ["store", "cluster", "ai", "webhooks", "plugins"],
    ["pipeline"],
    ["session"],
    ["net"],
    ["app"],
]
LAYER = {module: number for number, modules in enumerate(LAYERS) for module in modules}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include\s+(?:"([^"]+)"|<(parley/[^>]+)>)', re.M)


def module_of(name: Path) -> Optional[str]:
    """The module a source file or public header belongs to; None if it belongs to none."""
    parts = name.parts
    if parts[:2] == ("include", "parley"):
        return parts[2] if len(parts) > 3 else "app"
    if parts[0] == "src" and len(parts) > 2 and parts[1] not in ("cmake", "web"):
        return parts[1]
    return None


def problems_of(name: Path, source: str, exists: Callable[[Path], bool]) -> Iterable[str]:
    module = module_of(name)
    if module is None:
        return
    if module not in LAYER:
        yield f"{name}: module {module} stands in no layer; add it to tests/lint/layers.py and to docs/architecture.md"
        return
    for match in INCLUDE.finditer(source):
        included = match[1] or match[2]
        line = source.count("\n", 0, match.start()) + 1
        where = f"{name}:{line}"
        if included.startswith("parley/"):
            other = module_of(Path("include") / included)
            if other not in LAYER:
                yield f"{where}: {included} belongs to no module"
            elif other != module and LAYER[other] >= LAYER[module]:
                yield f"{where}: {module} (layer {LAYER[module]}) may not include {included} (layer {LAYER[other]})"
        elif ".." in Path(included).parts:
            yield f"{where}: {included} leaves its folder; another module is reached through parley/<module>/"
        elif not any(exists(place / included) for place in (name.parent, Path("src") / module)):
            yield f"{where}: {included} is not in src/{module}; another module is reached through parley/<module>/"


WEB_IMPORT = re.compile(r"""(?:\bfrom\s*|\bimport\s*\(?\s*)['"]([^'"]+)['"]""")


def web_problems_of(name: Path, source: str) -> Iterable[str]:
    """src/web: shared knows neither widget nor console, and these two do not know each other."""
    area = name.parts[2]
    allowed = {"shared": {"shared"}, "widget": {"widget", "shared", "tokens"}, "console": {"console", "shared", "tokens"}}.get(area)
    if allowed is None:
        return
    for match in WEB_IMPORT.finditer(source):
        target = match[1]
        if target.startswith("."):
            parts: list[str] = list(name.parent.parts)
            for piece in Path(target).parts:
                if piece == "..":
                    parts = parts[:-1]
                elif piece != ".":
                    parts.append(piece)
            other = parts[2] if len(parts) > 2 else ""
        elif re.match(r"@(shared|widget|console)(/|$)", target):
            other = target[1:].split("/")[0]
        else:
            continue
        if other not in allowed and other in ("shared", "widget", "console"):
            yield f"{name}:{source.count(chr(10), 0, match.start()) + 1}: {area} may not import {target}"
