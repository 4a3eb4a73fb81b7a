"""What the tests of the running daemon share: starting it, speaking parley.v1 and REST to it, recording what clients saw, and reading its store.

Needs only packages of Debian 12: python3-websockets, python3-aiohttp, python3-pytest, python3-pytest-timeout.
"""
