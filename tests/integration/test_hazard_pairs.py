"""Every hazard of the list below has a test named with it for the wrong answer, and one that proves a hit
of what stands next to it. A hazard without the first is not looked at; without the second, a cache that
refuses everything would do.

The ids are those of the hazard tests: a class and a number. What needs another server than PostgreSQL 15,
or a change stream, is in the heads of their files and not here.
"""

import ast
import pathlib
import re

import pytest

HERE = pathlib.Path(__file__).parent
FILES = sorted(HERE.glob("test_hazards_*.py"))

IDS = """
S01-S26 S29-S32 S34-S37
Q01-Q06 Q08-Q18 Q20-Q23 Q25-Q29 Q31-Q35 Q37 Q42 Q43 Q46-Q50
P05 P06 P08-P10
W01-W28 W29-W37 W40-W43 W45 W46 W50
K01-K13 K15 K16 K18-K23 K27
T01-T08 T11-T13
L01 L02
"""

# A hit is proven by one of these; `warm` and the like only say that the cache works at all.
PROOF = re.compile(r"\blab\.cached\(|\blab\.cached_messages\(|\b(?:lines|asked) == 0|\breaches\([^\n]*== \(.*, 0\)")


def ids():
    for part in IDS.split():
        first, _, last = part.partition("-")
        for number in range(int(first[1:]), int((last or first)[1:]) + 1):
            yield f"{first[0]}{number:02d}"


def source(lines, node):
    return "\n".join(lines[node.lineno - 1:node.end_lineno])


def with_what_it_names(text, lists):
    """A text with the lists that it names, and those that they name."""
    seen = set()
    while more := {name for name in lists if name not in seen and re.search(rf"\b{name}\b", text)}:
        seen |= more
        text += "".join(f"\n{lists[name]}" for name in sorted(more))
    return text


def collected():
    """The file of each test, its name with its cases, its source with that of its helpers."""
    for file in FILES:
        lines = file.read_text().splitlines()
        tree = ast.parse("\n".join(lines))
        lists = {node.targets[0].id: source(lines, node) for node in tree.body
                 if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        for name, node in functions.items():
            if not name.startswith("test_"):
                continue
            marks = "\n".join(source(lines, mark) for mark in node.decorator_list)
            body = source(lines, node)
            helpers = "\n".join(source(lines, other) for called, other in functions.items()
                                if called != name and re.search(rf"\b{called}\(", body))
            yield file.name, with_what_it_names(f"{name}\n{marks}", lists), f"{body}\n{helpers}"


TESTS = list(collected())


def named(hazard):
    """Its tests: W01_ in a function's name, "W01-..." or "W01" among its cases; Q15/Q48 stand apart."""
    return [(file, body) for file, name, body in TESTS if re.search(rf"(?<![A-Z0-9]){hazard}(?![0-9])", name)]


@pytest.mark.parametrize("hazard", ids())
def test_has_its_wrong_answer_and_a_hit_beside_it(hazard):
    found = named(hazard)
    wrong = [file for file, _ in found if "more" not in file]
    assert wrong, f"{hazard}: no test is named after it"
    hits = [file for file, body in found if PROOF.search(body)]
    assert hits, f"{hazard}: no test proves a hit beside it"
