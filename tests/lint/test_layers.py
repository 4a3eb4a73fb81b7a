from pathlib import Path

from layers import problems_of, web_problems_of
from tree import TOP, text, tracked


def exists(name: Path) -> bool:
    return (TOP / name).is_file()


def test_includes_obey_the_layers() -> None:
    names = tracked("src/*.cpp", "src/*.hpp", "include/*.hpp")
    assert len(names) > 20
    problems = [problem for name in names for problem in problems_of(name, text(name), exists)]
    assert not problems, "\n".join(problems)


def test_web_imports_obey_the_layers() -> None:
    names = tracked("src/web/*.ts", "src/web/*.tsx", "src/web/*.vue")
    assert names
    problems = [problem for name in names for problem in web_problems_of(name, text(name))]
    assert not problems, "\n".join(problems)


def problems(name: str, source: str, *files: str) -> list[str]:
    return list(problems_of(Path(name), source, lambda path: str(path) in files))


def test_the_check_sees_an_include_that_goes_up() -> None:
    assert problems("src/base/a.cpp", '#include "parley/store/sql.hpp"\n')
    assert problems("include/parley/store/a.hpp", '\n#include <parley/session/peer.hpp>')[0].startswith("include/parley/store/a.hpp:2: store (layer 3)")


def test_the_check_sees_neighbours_and_private_headers_of_others() -> None:
    assert problems("src/domain/a.cpp", '#include "parley/tenant/tokens.hpp"')
    assert problems("src/net/a.cpp", '#include "store/connection.hpp"', "src/store/connection.hpp")
    assert problems("src/net/api/a.cpp", '#include "../../store/connection.hpp"')
    assert problems("src/moon/a.cpp", "")


def test_the_check_leaves_what_is_right_alone() -> None:
    good = '#include <vector>\n#include "parley/base/ids.hpp"\n#include "parley/net/http.hpp"\n#include "router.hpp"\n#include "api/json.hpp"\n'
    assert not problems("src/net/api/a.cpp", good, "src/net/router.hpp", "src/net/api/json.hpp")


def test_the_web_check_sees_an_import_that_goes_up() -> None:
    assert list(web_problems_of(Path("src/web/shared/net/a.ts"), "import { x } from '../../widget/app/y'"))
    assert list(web_problems_of(Path("src/web/shared/a.ts"), "const x = await import('@console/y')"))
    assert list(web_problems_of(Path("src/web/widget/a.ts"), "import x from '@console/y'"))
    assert not list(web_problems_of(Path("src/web/console/a.ts"), "import x from '@shared/net'\nimport y from './widget/z'"))
