"""An exhaustive model of how writes make answers unreachable.

A few clients do one thing each: ask a question, write, change the catalog. Whatever one of them does
is cut into atomic steps: reading or changing one generation word, sending, the commit inside
Postgres, looking at the shelf of stored answers. `explore` walks every order of these steps and
looks at each answer that a client gets.

What is demanded is linearizability as clients can see it. The server's states are numbered in the
order of commits. `floor` is the highest number that somebody has been told of, by the
acknowledgement of a write or by an answer. An answer that was asked for when the floor was f must be
what the question gives in some state from f to the newest: older is stale, and going back behind an
answer that somebody has seen is non-monotonic.

Each rule of the protocol has a name in RULES and can be left out. The model is only worth something
if leaving out a rule is found: test_model.py demands both.

The order of "bump and open" and the acknowledgement is not among the rules: the model has shown that
it does not matter as long as the words stay closed until they are bumped.

A word is (bumps, closings), as in include/coherence/generations.h. Stored answers carry stamps:
the bumps of each word that the question depends on.
"""
from typing import NamedTuple, Optional

RULES = {
    "close": "the words of a write are closed before it is sent",
    "bump": "the words of a write are bumped when its answer is there",
    "bump_all": "every word of a write is bumped, not only the first",
    "one_step": "bumping and opening a word is one atomic step",
    "stamps_first": "the stamps of a fetch are read before it is sent",
    "stamps_open": "no stamp is taken from a closed word",
    "check_stamps": "a hit compares every stamp",
    "stay_closed": "words of a lost write stay closed until its backend is gone",
    "bump_lost": "a lost write is bumped, whatever became of it",
    "join_equal": "a reader joins a fetch only with equal stamps, or looks at the shelf afterwards",
    "widen": "DDL makes older writes in flight close the whole database",
    "old_catalog": "a write judged on an old snapshot closes the whole database",
    "pinned_scan": "a write of one key moves what reads without that key",
    "pinned_column": "a write of one key moves what reads by another column",
}


class Question(NamedTuple):
    cells: tuple  # what it reads
    words: tuple  # what an answer to it depends on


class World(NamedTuple):
    history: tuple  # states of the server: each a tuple of versions, one a cell
    floor: int  # index into history: somebody knows of this state
    words: tuple  # (bumps, closings)
    shelf: tuple  # a stored answer a question: None or (stamps, values)
    flights: tuple  # a fetch under way a question: None or its stamps
    landed: tuple  # what the last fetch of a question brought, for the flawed coalescing
    trigger: bool  # DDL has been committed: writing cell 0 writes cell 1 as well
    ddl_done: bool  # and the proxy has finished it
    people: tuple


class Flaw(Exception):
    """An answer that no history explains."""


def replace_at(values, index, value):
    return values[:index] + (value,) + values[index + 1:]


class Person:
    """One client and what the proxy does for it. `place` is where it is, `memory` what it knows."""

    def __init__(self, number, scenario, off):
        self.number = number
        self.scenario = scenario
        self.off = off

    def rule(self, name):
        return name not in self.off

    def go(self, world, place, memory=None):
        return world._replace(people=replace_at(world.people, self.number, (place, memory)))

    @staticmethod
    def with_word(world, word, bumps=0, closings=0):
        old = world.words[word]
        return world._replace(
            words=replace_at(world.words, word, (old[0] + bumps, old[1] + closings)))


class Reader(Person):
    """Asks one question.

    shelf ─ hit ─► compare each word ─► answer
      └ miss ─► stamp each word ─► fetch under way? ─ yes ─► wait ─► shelf, once more
                   └ closed ─► ask      └ no ─► send ─► snapshot ─► compare ─► store ─► answer
    """

    first = ("ask", None)

    def __init__(self, number, scenario, off, question, coalesces=False):
        super().__init__(number, scenario, off)
        self.index = question
        self.question = scenario.questions[question]
        self.coalesces = coalesces

    def value(self, world):
        state = world.history[-1]
        return tuple(state[cell] for cell in self.question.cells)

    def answer(self, world, asked, value):
        """The client gets `value`: is there a state since `asked` that explains it?"""
        for number in range(asked, len(world.history)):
            if tuple(world.history[number][cell] for cell in self.question.cells) == value:
                return self.go(world._replace(floor=max(world.floor, number)), "end")
        raise Flaw(f"reader {self.number} got {value}, which is older than state {asked}")

    def moves(self, world):
        place, memory = world.people[self.number]
        step = getattr(self, "do_" + place, None)
        return step(world, memory) if step else []

    def do_ask(self, world, _):
        return [("asks", self.go(world, "look", (world.floor, False)))]

    def do_look(self, world, memory):
        asked, again = memory
        stored = world.shelf[self.index]
        if stored is None:
            return [("misses", self.miss(world, asked, again))]
        return [("finds an answer", self.go(world, "compare", (asked, again, stored, 0)))]

    def miss(self, world, asked, again):
        if not self.rule("stamps_first"):
            return self.go(world, "snapshot", (asked, None))
        return self.go(world, "stamp", (asked, again, ()))

    def do_compare(self, world, memory):
        asked, again, stored, at = memory
        stamps, value = stored
        limit = len(stamps) if self.rule("check_stamps") else 0
        if at < limit:
            bumps, closings = world.words[self.question.words[at]]
            closed = closings and self.rule("stamps_open")
            if closed or bumps != stamps[at]:
                return [("sees that it moved", self.miss(world, asked, again))]
            return [("compares", self.go(world, "compare", (asked, again, stored, at + 1)))]
        return [(f"is served {value}", self.answer(world, asked, value))]

    def do_stamp(self, world, memory):
        asked, again, stamps = memory
        if len(stamps) < len(self.question.words):
            bumps, closings = world.words[self.question.words[len(stamps)]]
            if closings and self.rule("stamps_open"):
                return [("finds it closed", self.go(world, "uncached", asked))]
            return [("stamps", self.go(world, "stamp", (asked, again, stamps + (bumps,))))]
        flight = world.flights[self.index]
        if self.coalesces and not again and flight is not None:
            if flight == stamps or not self.rule("join_equal"):
                return [("joins a fetch", self.go(world, "wait", asked))]
        if flight is None:
            world = world._replace(flights=replace_at(world.flights, self.index, stamps))
            return [("sends", self.go(world, "snapshot", (asked, stamps, True)))]
        return [("sends", self.go(world, "snapshot", (asked, stamps, False)))]

    def do_wait(self, world, asked):
        if world.flights[self.index] is not None:
            return []
        if not self.rule("join_equal"):
            return [("takes what came", self.answer(world, asked, world.landed[self.index]))]
        return [("looks again", self.go(world, "look", (asked, True)))]

    def do_uncached(self, world, asked):
        return [("is answered by Postgres", self.answer(world, asked, self.value(world)))]

    def do_snapshot(self, world, memory):
        value = self.value(world)
        if memory[1] is None:  # the flaw: stamps come after the snapshot
            return [("snapshot", self.go(world, "late_stamp", (memory[0], value, ())))]
        return [("snapshot", self.go(world, "store", memory + (value, 0)))]

    def do_late_stamp(self, world, memory):
        asked, value, stamps = memory
        if len(stamps) < len(self.question.words):
            bumps, closings = world.words[self.question.words[len(stamps)]]
            if closings:
                return [("does not store", self.answer(world, asked, value))]
            return [("stamps", self.go(world, "late_stamp", (asked, value, stamps + (bumps,))))]
        return [("stores", self.stored(world, asked, stamps, value))]

    def do_store(self, world, memory):
        asked, stamps, leads, value, at = memory
        if at < len(stamps):
            bumps, closings = world.words[self.question.words[at]]
            if closings or bumps != stamps[at]:
                world = self.land(world, leads, value)
                return [("does not store", self.answer(world, asked, value))]
            return [("compares", self.go(world, "store", (asked, stamps, leads, value, at + 1)))]
        return [("stores", self.stored(self.land(world, leads, value), asked, stamps, value))]

    def land(self, world, leads, value):
        if not leads:
            return world
        return world._replace(flights=replace_at(world.flights, self.index, None),
                              landed=replace_at(world.landed, self.index, value))

    def stored(self, world, asked, stamps, value):
        world = world._replace(shelf=replace_at(world.shelf, self.index, (stamps, value)))
        return self.answer(world, asked, value)


class Writer(Person):
    """Writes its cells.

    close each word ─► send ─► commit ─► bump and open each word ─► acknowledgement

    fate  "commit"; "rollback": nothing is committed, words are opened without a bump;
          "call": two commits under way; "lost": the answer never comes, the commit may
    """

    first = ("close", (0, ()))

    def __init__(self, number, scenario, off, cells, words, fate="commit"):
        super().__init__(number, scenario, off)
        self.cells = cells
        self.words = words
        self.fate = fate

    def moves(self, world):
        place, memory = world.people[self.number]
        step = getattr(self, "do_" + place, None)
        return step(world, memory) if step else []

    def all_words(self, world):
        """What it closes when it begins: judged on an old snapshot, the whole database."""
        database = self.scenario.database_word
        if database is not None and world.ddl_done and self.rule("old_catalog"):
            return (database,) + self.words
        return self.words

    def do_close(self, world, memory):
        at, closed = memory
        words = closed or self.all_words(world)
        if self.rule("close") and at < len(words):
            world = self.with_word(world, words[at], closings=1)
            return [("closes", self.go(world, "close", (at + 1, words)))]
        return [("sends", self.go(world, "sent", (words, -1)))]

    def do_close_rest(self, world, memory):
        """DDL has added the database at the end, closed already: the rest is still to be closed."""
        at, words = memory
        if at < len(words) - 1:
            world = self.with_word(world, words[at], closings=1)
            return [("closes", self.go(world, "close_rest", (at + 1, words)))]
        return [("sends", self.go(world, "sent", (words, -1)))]

    def commit(self, world):
        state = list(world.history[-1])
        for cell in self.cells + ((1,) if world.trigger and 1 not in self.cells else ()):
            state[cell] += 1
        return world._replace(history=world.history + (tuple(state),))

    def do_sent(self, world, memory):
        words, _ = memory
        if self.fate == "rollback":
            return [("rolls back", self.go(world, "open", (words, 0, -1)))]
        after = self.commit(world)
        told = len(after.history) - 1
        if self.fate == "call":
            return [("commits once", self.go(after, "again", (words, told)))]
        moves = [("commits", self.go(after, "finish", (words, 0, told, False)))]
        if self.fate == "lost":
            # The connection breaks: the commit has come, will come, or never comes.
            moves = [("is lost", self.go(world, "lost", (words, 0)))]
            if not self.rule("stay_closed"):
                moves = [("is lost", self.go(world, "finish_early", (words, 0, -1, False)))]
        return moves

    def do_again(self, world, memory):
        after = self.commit(world)
        told = len(after.history) - 1
        return [("commits again", self.go(after, "finish", (memory[0], 0, told, False)))]

    def do_lost(self, world, memory):
        words, _ = memory
        moves = [("is proven gone", self.go(world, "finish", (words, 0, -1, False)))]
        after = self.commit(world)
        moves.append(("commits unheard", self.go(after, "gone", words)))
        return moves

    def do_gone(self, world, words):
        return [("is proven gone", self.go(world, "finish", (words, 0, -1, False)))]

    def do_finish_early(self, world, memory):
        """The flaw: opened at the disconnect, while the commit may still come."""
        words, at, _, _ = memory
        if at < len(words):
            world = self.with_word(world, words[at], bumps=1, closings=-1)
            return [("bumps and opens", self.go(world, "finish_early", (words, at + 1, -1, False)))]
        return [("commits unheard", self.go(self.commit(world), "end")),
                ("is gone", self.go(world, "end"))]

    def do_open(self, world, memory):
        words, at, _ = memory
        if at < len(words) and self.rule("close"):
            world = self.with_word(world, words[at], closings=-1)
            return [("opens", self.go(world, "open", (words, at + 1, -1)))]
        return [("is told of the rollback", self.go(world, "end"))]

    def told(self, world, number):
        return world._replace(floor=max(world.floor, number)) if number >= 0 else world

    def do_finish(self, world, memory):
        words, at, told, half = memory
        if at < len(words):
            bumps = 1 if self.rule("bump") and (at == 0 or self.rule("bump_all")) else 0
            if self.fate == "lost" and not self.rule("bump_lost"):
                bumps = 0
            closings = -1 if self.rule("close") else 0
            if not self.rule("one_step"):
                if not half:
                    world = self.with_word(world, words[at], closings=closings)
                    return [("opens", self.go(world, "finish", (words, at, told, True)))]
                closings = 0
            world = self.with_word(world, words[at], bumps=bumps, closings=closings)
            return [("bumps and opens", self.go(world, "finish", (words, at + 1, told, False)))]
        return [("is acknowledged", self.go(self.told(world, told), "end"))]


class Definer(Person):
    """DDL: gives cell 0 a trigger that writes cell 1."""

    first = ("close", None)

    def moves(self, world):
        place, _ = world.people[self.number]
        database = self.scenario.database_word
        if place == "close":
            return [("closes the database",
                     self.go(self.with_word(world, database, closings=1), "commit"))]
        if place == "commit":
            return [("commits DDL", self.go(world._replace(trigger=True), "widen"))]
        if place == "widen":
            # One step, under the mutex of the realm: a new snapshot is wanted from now on.
            world = world._replace(ddl_done=True)
            if self.rule("widen"):
                for number, person in enumerate(world.people):
                    world = self.widen(world, number, person)
            return [("widens what is in flight", self.go(world, "finish"))]
        if place == "finish":
            world = self.with_word(world, database, bumps=1, closings=-1)
            return [("bumps and opens the database", self.go(world, "end"))]
        return []

    def widen(self, world, number, person):
        database = self.scenario.database_word
        place, memory = person
        if not isinstance(self.scenario.cast[number], Writer) or place in ("end", "open"):
            return world
        at_start = place == "close"
        words = memory[1] if at_start else memory[0]
        if at_start and not memory[0]:
            return world  # it has closed nothing yet: it will see that its snapshot is old
        if database in words or (place == "finish" and memory[1] > 0):
            return world
        words = words + (database,)
        memory = (memory[0], words) if at_start else (words,) + memory[1:]
        place = "close_rest" if at_start else place
        world = self.with_word(world, database, closings=1)
        return world._replace(people=replace_at(world.people, number, (place, memory)))


class Scenario:
    """Who takes part. `cast` is made anew for each exploration, with the rules that are off."""

    def __init__(self, name, cells, words, questions, people, database_word=None):
        self.name = name
        self.cells = cells
        self.word_count = words
        self.questions = questions
        self.people = people
        self.database_word = database_word
        self.cast = []

    def begin(self, off):
        self.cast = [kind(number, self, off, **arguments)
                     for number, (kind, arguments) in enumerate(self.people)]
        nothing = (None,) * len(self.questions)
        return World(history=((0,) * self.cells,), floor=0, words=((0, 0),) * self.word_count,
                     shelf=nothing, flights=nothing, landed=nothing, trigger=False, ddl_done=False,
                     people=tuple(person.first for person in self.cast))


class Found(NamedTuple):
    states: int
    flaw: Optional[str]
    trace: tuple


def explore(scenario, off=frozenset()):
    """Walks every order of steps. Ends at the first flaw, with the steps that lead to it."""
    start = scenario.begin(frozenset(off))
    seen = {start}
    stack = [(start, None)]
    while stack:
        world, trace = stack.pop()
        for person in scenario.cast:
            try:
                moves = person.moves(world)
            except Flaw as flaw:
                return Found(len(seen), str(flaw), steps_of(trace))
            for label, after in moves:
                if after not in seen:
                    seen.add(after)
                    stack.append((after, (f"{person.number}: {label}", trace)))
    return Found(len(seen), None, ())


def steps_of(trace):
    steps = []
    while trace is not None:
        steps.append(trace[0])
        trace = trace[1]
    return tuple(reversed(steps))


def reader(question=0, coalesces=False):
    return (Reader, {"question": question, "coalesces": coalesces})


def writer(cells, words, fate="commit"):
    return (Writer, {"cells": cells, "words": words, "fate": fate})


ONE = [Question(cells=(0,), words=(0,))]
JOIN = [Question(cells=(0, 1), words=(0, 1))]

# A table with the key columns c and d and two rows. Words: all, scan, c=1, d=1, col(d), col(c).
# Cell 0 is the row with c=1, cell 1 the other; d=1 is in the first row.
ALL, SCAN, C1, D1, COLUMN_D, COLUMN_C = range(6)
KEYS = [
    Question(cells=(0,), words=(ALL, COLUMN_C, C1)),
    Question(cells=(0, 1), words=(ALL, SCAN)),
    Question(cells=(0,), words=(ALL, COLUMN_D, D1)),
]


def key_writes(off):
    """The words of UPDATE ... WHERE c = 1, as the rules say."""
    words = (C1,)
    if "pinned_scan" not in off:
        words += (SCAN,)
    if "pinned_column" not in off:
        words += (COLUMN_D,)
    return words


def scenarios(off=frozenset()):
    pinned = key_writes(off)
    return [
        Scenario("one writer, one filler, two readers", 1, 1, ONE,
                 [writer((0,), (0,)), reader(), reader(), reader()]),
        Scenario("two writers of one table", 1, 1, ONE,
                 [writer((0,), (0,)), writer((0,), (0,)), reader(), reader()]),
        Scenario("a join and two writers", 2, 2, JOIN,
                 [writer((0,), (0,)), writer((1,), (1,)), reader(), reader()]),
        Scenario("one writer of two tables", 2, 2, JOIN + ONE + [Question((1,), (1,))],
                 [writer((0, 1), (0, 1)), reader(1), reader(2), reader(2)]),
        Scenario("a rollback", 1, 1, ONE,
                 [writer((0,), (0,), "rollback"), writer((0,), (0,)), reader(), reader()]),
        Scenario("commits inside a call", 1, 1, ONE,
                 [writer((0,), (0,), "call"), reader(), reader(), reader()]),
        Scenario("a lost answer", 1, 1, ONE,
                 [writer((0,), (0,), "lost"), reader(), reader(), reader()]),
        Scenario("a lost answer of two tables", 2, 2, JOIN,
                 [writer((0, 1), (0, 1), "lost"), reader(), reader(), reader()]),
        Scenario("coalesced readers", 1, 1, ONE,
                 [writer((0,), (0,)), reader(0, True), reader(0, True), reader(0, True)]),
        Scenario("coalesced readers of a join", 2, 2, JOIN,
                 [writer((0,), (0,)), writer((1,), (1,)), reader(0, True), reader(0, True)]),
        Scenario("DDL overtakes a write", 2, 3, [Question((1,), (2, 1))],
                 [writer((0,), (0,)), (Definer, {}), reader(), reader()], database_word=2),
        Scenario("reads by key, by the same key, and of all", 2, 6, KEYS,
                 [writer((0,), pinned), reader(0), reader(1), reader(1)]),
        Scenario("reads by another key column", 2, 6, KEYS,
                 [writer((0,), pinned), reader(2), reader(2), reader(2)]),
        Scenario("a write whose rows are unknown", 2, 6, KEYS,
                 [writer((0, 1), (ALL, SCAN)), reader(0), reader(0), reader(1)]),
    ]
