"""Were the answers that clients got possible, had there been no cache?

A register is something whose version only grows: a row's counter, a sum of them, the tag of a view.
Postgres' own locks put its versions in order. Everybody notes what was asked when, and which version
came back when; all clocks are the machine's monotonic one.

`violations` walks all of it in the order of time. The floor of a register is the highest version that
anybody had been told of: as the acknowledgement of a write or as an answer. A read that was invoked
when the floor was f must not return less. Less than what was acknowledged is stale; less than what
another read has returned is non-monotonic. A version from ROLLED_BACK on was never committed.
"""
from typing import NamedTuple

ROLLED_BACK = 1_000_000


class Operation(NamedTuple):
    invoked: int  # ns
    returned: int
    kind: str  # for people
    seen: tuple  # pairs of register and version


class Violation(NamedTuple):
    operation: Operation
    register: tuple
    version: int
    floor: int


# Registers that stand for the sum of all registers of a name: their floor is the sum of the floors.
SUMS = {("sum", "reg"): "reg"}


class Floors:
    def __init__(self):
        self.versions = {}
        self.totals = dict.fromkeys(SUMS.values(), 0)

    def of(self, register):
        floor = self.versions.get(register, 0)
        if register in SUMS:
            floor = max(floor, self.totals[SUMS[register]])
        return floor

    def raise_to(self, register, version):
        old = self.versions.get(register, 0)
        if version > old:
            self.versions[register] = version
            if register[0] in self.totals:
                self.totals[register[0]] += version - old


def violations(operations):
    """Everything that cannot have been, in the order of time."""
    events = []
    for number, operation in enumerate(operations):
        # At the same instant an invocation comes first: nothing is held against a tie.
        events.append((operation.invoked, 0, number))
        events.append((operation.returned, 1, number))
    events.sort()
    floors = Floors()
    invoked = {}
    found = []
    for _, returned, number in events:
        operation = operations[number]
        if not returned:
            invoked[number] = [floors.of(register) for register, _ in operation.seen]
            continue
        for (register, version), floor in zip(operation.seen, invoked.pop(number)):
            if version < floor or version >= ROLLED_BACK:
                found.append(Violation(operation, register, version, floor))
        for register, version in operation.seen:
            if version < ROLLED_BACK:
                floors.raise_to(register, version)
    return found
