"""For tests in other languages: starts what a standard store stands on, prints its settings as one line of JSON, and ends it all when the standard input does.

usage: python3 -m parley_test.backing
"""
import json
import sys

from .servers import Servers


def main() -> None:
    servers = Servers()
    print(json.dumps(servers.backing().settings()), flush=True)
    sys.stdin.read()
    for server in (servers.redis, servers.postgres):
        server.stop()
        server.dispose()


if __name__ == "__main__":
    main()
