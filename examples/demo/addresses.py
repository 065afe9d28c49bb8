"""Picks two loopback addresses, one for the hub and one for the edge device, on which all their ports are free: another
hub, another demo or another user may have some of them. Prints shell assignments.

    addresses.py [HUB [EDGE]]    these instead of the first free pair of 127.0.0.2 and .3, .4 and .5, ...
"""

import socket
import sys

HUB = (443, 8883)
EDGE = (443, 8883, 9600, 5001)
OTHER = {443: 8443}  # where 443 may not be bound


def is_free(address, port):
    """True, or False when somebody has it; PermissionError where we may not bind it."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((address, port))
            s.listen(1)
        except PermissionError:
            raise
        except OSError:
            return False
        return True


def usable(address, ports):
    """{port: the one to use}, or None when one of them is taken."""
    found = {}
    for port in ports:
        try:
            use = port if is_free(address, port) else None
        except PermissionError:
            use = OTHER[port] if port in OTHER and is_free(address, OTHER[port]) else None
        if use is None:
            return None
        found[port] = use
    return found


def main():
    given = [a for a in sys.argv[1:] if a]
    pairs = [(f"127.0.{i >> 7}.{2 * (i & 127)}", f"127.0.{i >> 7}.{2 * (i & 127) + 1}") for i in range(1, 4 * 128)]
    if given:
        pairs = [(given[0], given[1] if len(given) > 1 else given[0].rsplit(".", 1)[0] + "." + str(int(given[0].rsplit(".", 1)[1]) + 1))]
    for hub, edge in pairs:
        at_hub, at_edge = usable(hub, HUB), usable(edge, EDGE)
        if at_hub and at_edge:
            print(f"hub_address={hub} hub_port={at_hub[443]} edge_address={edge} edge_https={at_edge[443]}")
            return 0
    print("no two loopback addresses with free ports: " + ", ".join(map(str, pairs[0])), file=sys.stderr)
    return 1


sys.exit(main())
