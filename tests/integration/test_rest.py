"""REST: who may do what, and what is said to who may not."""
import asyncio

import pytest
from parley_test.site import ORIGIN, PASSWORD, Problem, Rest, Site
from parley_test.wire import Wire, new_dev

ROLES = ["agent", "supervisor", "admin", "owner"]


async def staff(daemon) -> Site:
    site = await Site.make(daemon)
    for role in ROLES:
        await site.hire(role.title(), role)
    return site


async def test_each_role_may_do_what_it_may(daemon) -> None:
    site = await staff(daemon)
    word_list = {"name": "x", "action": "mask", "words": ["zzz"]}
    calls = [
        ("GET", "/agents", None, "agent"),
        ("GET", "/channels", None, "agent"),
        ("GET", "/conversations?view=open", None, "agent"),
        ("GET", "/tokens", None, "agent"),
        ("GET", "/word-lists", None, "supervisor"),
        ("POST", "/word-lists", word_list, "admin"),
        ("POST", "/channels", {"name": "Second", "allowed_origins": []}, "admin"),
        ("PATCH", "/tenant", {"name": "Shop"}, "admin"),
    ]
    for method, path, body, least in calls:
        for role in ROLES:
            rest = site.rest_of(role.title())
            if ROLES.index(role) >= ROLES.index(least):
                await rest.call(method, "/api/v1" + path, body)
            else:
                problem = await rest.fails(method, path, 403, body)
                assert problem["code"] == "forbidden" and problem["status"] == 403, (role, path, problem)
        problem = await site.rest.fails(method, path, 401, body)
        assert problem["code"] == "unauthenticated"


async def test_only_owners_make_owners_and_the_last_one_stays(daemon) -> None:
    site = await staff(daemon)
    new = {"email": "new@shop.test", "display_name": "New", "role": "owner", "password": PASSWORD}
    await site.rest_of("Admin").fails("POST", "/agents", 403, new)
    made = await site.rest_of("Owner").post("/agents", new)
    problem = await site.rest_of("Owner").fails("POST", "/agents", 409, new)
    assert problem["code"] == "email_taken"
    owner = site.rest_of("Owner")
    await owner.patch(f"/agents/{made['id']}", {"disabled": True})
    problem = await owner.fails("PATCH", f"/agents/{site.people['Owner'].id}", 409, {"role": "agent"})
    assert problem["code"] == "last_owner"
    problem = await owner.fails("PATCH", f"/agents/{site.people['Owner'].id}", 409, {"disabled": True})
    assert problem["code"] == "last_owner"


async def test_a_disabled_agent_is_out_everywhere(daemon) -> None:
    site = await staff(daemon)
    agent = await site.agent("Agent")
    await site.rest_of("Owner").patch(f"/agents/{site.people['Agent'].id}", {"disabled": True})
    assert (await agent.wire.ended())[0] == 4501
    await site.rest_of("Agent").fails("GET", "/agents", 401)
    await site.rest.fails("POST", "/session", 403, {"email": site.people["Agent"].email, "password": PASSWORD})


async def test_console_session_cookie_and_csrf(daemon) -> None:
    site = await staff(daemon)
    rest = site.rest
    me = await rest.post("/session", {"email": site.people["Admin"].email, "password": PASSWORD})
    assert me["agent"]["role"] == "admin" and me["tenant"]["slug"] == "shop"
    assert list(rest.cookies) == ["parley"]
    assert (await rest.get("/session"))["account"]["email"] == site.people["Admin"].email
    body = {"name": "x", "action": "mask", "words": ["zzz"]}
    for headers in ({}, {"Content-Type": "application/json"}, {"Content-Type": "application/json", "X-Parley-CSRF": "1", "Origin": "https://evil.example"}):
        problem = await rest.fails("POST", "/word-lists", 403, body, headers=headers, csrf=False)
        assert problem["code"] == "csrf", headers
    await rest.post("/word-lists", body)
    wire = await Wire.open(daemon.ws, origin=daemon.http, cookie=f"parley={rest.cookies['parley']}")
    ready = await wire.request({"t": "hello", "ver": 1, "role": "agent", "dev": new_dev(), "vis": True, "cursors": {}}, "ready")
    assert ready["me"]["id"] == me["agent"]["id"]
    for origin in ("https://evil.example", None):
        thief = await Wire.open(daemon.ws, origin=origin, cookie=f"parley={rest.cookies['parley']}")
        await thief.send({"t": "hello", "id": 1, "ver": 1, "role": "agent", "dev": new_dev(), "vis": True, "cursors": {}})
        assert (await thief.ended())[0] in (4501, 4504), "a cookie alone proves nothing"
    await rest.delete("/session")
    await rest.fails("GET", "/session", 401)


async def test_wrong_passwords_are_slowed_down(daemon) -> None:
    site = await staff(daemon)
    codes = []
    for _ in range(15):
        try:
            await site.rest.post("/session", {"email": site.people["Agent"].email, "password": "wrong password 1"})
        except Problem as problem:
            codes.append((problem.status, problem.code))
            if problem.status == 429:
                assert problem.body["after_ms"] > 0
    assert (401, "bad_credentials") in codes and (429, "locked") in codes, codes


@pytest.mark.parametrize("body, field", [({"name": ""}, "name"), ({"name": "x", "action": "burn", "words": []}, "action"), ({"name": "x", "action": "mask", "words": "y"}, "words")])
async def test_a_bad_field_is_named(daemon, body, field) -> None:
    site = await staff(daemon)
    problem = await site.rest_of("Admin").fails("POST", "/word-lists", 400, body)
    assert problem["field"] == field and problem["ref"]


async def test_problems_are_rfc_9457(daemon) -> None:
    site = await Site.make(daemon)
    status, headers, text = await site.rest.call("GET", "/api/v1/agents", raw=True)
    assert status == 401 and headers["Content-Type"].startswith("application/problem+json")
    assert '"status":401' in text.replace(" ", "") and '"code"' in text
    status, headers, text = await site.rest.call("GET", "/api/v1/nowhere", raw=True)
    assert status == 404 and headers["Content-Type"].startswith("application/problem+json")


async def test_the_widgets_routes(daemon) -> None:
    site = await Site.make(daemon)
    status, headers, text = await site.rest.call("GET", f"/api/v1/widget/config?key={site.key}", headers={"Origin": ORIGIN}, raw=True)
    assert status == 200 and headers["Access-Control-Allow-Origin"] == ORIGIN and "max-age=60" in headers["Cache-Control"] and len(text) <= 2048
    status, headers, _ = await site.rest.call("GET", f"/api/v1/widget/config?key={site.key}", headers={"Origin": "https://evil.example"}, raw=True)
    assert status == 403
    assert (await site.rest.fails("GET", "/widget/config?key=pk_none", 404))["code"] == "unknown_key"
    visitor = site.new_visitor()
    await visitor.token()
    first, refresh = visitor.id, visitor.refresh
    await visitor.token()
    assert visitor.id == first and visitor.refresh != "", "the same person"
    for bad in (refresh[:-2] + "xx", visitor.last, "x"):
        problem = await site.rest.fails("POST", "/widget/session", 401, {"key": site.key, "refresh": bad}, headers={"Origin": ORIGIN})
        assert problem["code"] == "refresh_invalid"
    problem = await site.rest.fails("POST", "/widget/session", 403, {"key": site.key}, headers={"Origin": "https://evil.example"})
    assert problem["code"] == "origin_not_allowed"


async def test_conversations_are_listed_and_paged(daemon) -> None:
    site = await staff(daemon)
    visitors = [await site.visitor() for _ in range(5)]
    for visitor in visitors:
        await visitor.tell("hello")
    rest = site.rest_of("Agent")
    seen, cursor = [], ""
    while True:
        page = await rest.get(f"/conversations?view=waiting&limit=2{cursor}")
        seen += [c["conv"] for c in page["items"]]
        if not page.get("next"):
            break
        cursor = f"&cursor={page['next']}"
    assert sorted(seen) == sorted(v.own for v in visitors) and len(set(seen)) == 5
    await rest.fails("GET", "/conversations?view=strange", 400)


async def test_the_first_run_asks_for_the_code(daemon) -> None:
    rest = Rest(daemon)
    assert (await rest.get("/setup"))["needed"] is True
    body = {"email": "me@shop.test", "password": PASSWORD, "display_name": "Me", "organisation": "Shop", "locale": "en", "time_zone": "UTC"}
    assert (await rest.fails("POST", "/setup", 403, {**body, "code": "AAAA-BBBB-CCCC"}))["code"] == "bad_code"
    for _ in range(100):
        if (daemon.data / "setup-code").exists():
            break
        await asyncio.sleep(0.02)
    assert (daemon.data / "setup-code").stat().st_mode & 0o777 == 0o600
    made = await rest.post("/setup", {**body, "code": (daemon.data / "setup-code").read_text().strip()})
    assert made["agent"]["role"] == "owner" and rest.cookies
    assert (await rest.get("/setup"))["needed"] is False
    assert (await Rest(daemon).fails("POST", "/setup", 409, {**body, "code": "AAAA-BBBB-CCCC"}))["code"] == "already_set_up"
