"""The training text: small stories, single-step facts and chats, drawn from our own grammar.

Everything follows from a seed. A document is a list of (text, weight) segments; a text that stands
in SPECIALS is a control token, and the weight says how much its tokens count in the loss: what the
model must answer counts more than what it is only asked.

    python3 stories.py [SEED]     prints a few documents of each kind
"""

import random
import re
import sys
import zlib
from pathlib import Path

import words

BOS, EOS, USER, ASSISTANT, SYSTEM = "<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>"
SPECIALS = [BOS, EOS, USER, ASSISTANT, SYSTEM]

# Answers count double; a user's words need not be foreseen, only read.
WEIGHT_ANSWER, WEIGHT_TEXT, WEIGHT_READ, WEIGHT_MARK = 2.0, 1.0, 0.3, 0.0

# One pair in twelve (look with thing, thing with place) never occurs in training.
HELD_OUT_ONE_IN = 12

HERE = Path(__file__).resolve().parent
CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")
VOWEL = re.compile(r"\b([Aa]) (?=[aeiou])")


def sections(name):
    """Reads a grammar file: {section: [beat]}, a beat being (is_optional, [alternative])."""
    found, beats = {}, None
    for line in (HERE / name).read_text().splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("== "):
            beats = found.setdefault(line[3:], [(False, [])])
        elif line == "?":
            beats[-1] = (True, beats[-1][1])
        elif line:
            beats[-1][1].append(line)
        elif beats is not None and beats[-1][1]:
            beats.append((False, []))
    return {key: [beat for beat in value if beat[1]] for key, value in found.items()}


TALES = sections("tales.txt")
FACTS = {key: beats[0][1] for key, beats in sections("facts.txt").items()}
PLOTS = [name for name in TALES if name not in ("open", "next", "end")]


def is_held_out(left, right):
    """Whether the pair belongs to the held-out split; a hash, so that it holds for every seed."""
    return zlib.crc32(f"{left}/{right}".encode()) % HELD_OUT_ONE_IN == 0


def tell(rng, template, scene):
    """Picks among the choices of a template and fills its slots from the scene."""
    while CHOICE.search(template):
        template = CHOICE.sub(lambda found: rng.choice(found[1].split("|")), template)
    text = VOWEL.sub(r"\1n ", SLOT.sub(lambda found: scene[found[1]], template))
    return text[0].upper() + text[1:]


def invented_name(rng):
    """A name that stands in no list, so that names are copied by their pieces, not only whole."""
    sounds = ["ba", "ko", "mi", "ru", "ta", "ze", "lo", "vi", "ne", "da", "pu", "sha", "gri", "el"]
    return "".join(rng.sample(sounds, rng.choice((2, 2, 3)))).capitalize()


def scene(rng, held_out=False, colour_only=False):
    """Draws who, what and where; the held-out split differs in its pairs and in nothing else."""
    people = [(name, "girl") for name in words.GIRLS] + [(name, "boy") for name in words.BOYS]
    cast = rng.sample(people, 4)
    if not held_out and rng.random() < 0.06:
        cast[rng.randrange(2)] = (invented_name(rng), rng.choice(("girl", "boy")))
    while True:
        colour, thing = rng.choice(words.COLOURS), rng.choice(words.THINGS)
        look = colour if colour_only or rng.random() < 0.6 else rng.choice(words.LOOKS)
        place, other = rng.sample(words.PLACES, 2)
        pairs = is_held_out(look, thing), is_held_out(thing, place)
        if pairs == (held_out, held_out) and thing not in place:
            break
    if not held_out and not colour_only and rng.random() < 0.15:
        look = ""
    named = f"{look} {thing}".strip()
    details = {"t": named, "at": f"a {named}", "o": thing, "c": colour, "p": place, "p2": other,
               "s": rng.choice(words.SPOTS), "f": rng.choice(words.FOODS),
               "e": rng.choice(words.ELDERS), "an": rng.choice(words.ANIMALS)}
    names = dict(zip("ABCD", (name for name, _ in cast)))
    return {**names, **details, **character(rng, cast)}


def character(rng, cast):
    """The slots of a tale's hero and friend: names, kind and pronouns."""
    (hero, hero_kind), (friend, friend_kind) = cast[0], cast[1]
    she, he = ("she", "her", "her"), ("he", "his", "him")
    mine, other = she if hero_kind == "girl" else he, she if friend_kind == "girl" else he
    kind = hero_kind if rng.random() < 0.7 else rng.choice(words.ANIMALS)
    return {"H": hero, "F": friend, "kind": kind, "he": mine[0], "his": mine[1], "him": mine[2],
            "He": mine[0].capitalize(), "His": mine[1].capitalize(), "fhe": other[0],
            "Fhe": other[0].capitalize(), "fhis": other[1], "fhim": other[2]}


def fact(rng, topic, held_out=False):
    """One event and what is asked of it: (said, asked, answer), with small talk around it."""
    if topic is None:
        topic = rng.choice(("give", "give", "give", "put", "put", "see"))
    here = scene(rng, held_out, colour_only=topic == "see")
    said = [tell(rng, rng.choice(FACTS[topic + "_event"]), here)]
    if rng.random() < 0.3:
        said.insert(0, tell(rng, rng.choice(FACTS["before"]), here))
    if rng.random() < 0.25:
        said.append(tell(rng, rng.choice(FACTS["between"]), here))
    asked, answer = rng.choice(FACTS[topic + "_ask"]).split(" > ")
    answer = SLOT.sub(lambda found: here[found[1]], answer)
    return " ".join(said), tell(rng, asked, here), answer


def two_facts(rng, held_out=False):
    """Two events with other people and things; the question is about either of them."""
    first, second = fact(rng, None, held_out), fact(rng, None, held_out)
    _, asked, answer = rng.choice((first, second))
    return first[0] + " " + second[0], asked, answer


def fact_document(rng):
    """A few facts in a row as plain text, as somebody would note them down."""
    document = [(BOS, WEIGHT_MARK)]
    for index in range(rng.choice((1, 1, 2, 3))):
        said, asked, answer = two_facts(rng) if rng.random() < 0.15 else fact(rng, None)
        gap = rng.choice((" ", "\n")) if index else ""
        document.append((f"{gap}{said} {asked}", WEIGHT_TEXT))
        document.append((f" {answer}" + ("" if answer[-1] == "." else "."), WEIGHT_ANSWER))
    return document + [(EOS, WEIGHT_TEXT)]


def tale(rng, here, plots):
    """A story: an opening, one plot or more with the same people, an ending."""
    text = beats(rng, TALES["open"], here)
    for index, plot in enumerate(rng.sample(PLOTS, plots)):
        if index:
            fresh = scene(rng)
            here = {**here, **{key: fresh[key] for key in ("t", "at", "o", "p", "p2", "an")}}
            text += beats(rng, TALES["next"], here)
        text += beats(rng, TALES[plot], here)
    if rng.random() < 0.9:
        text += beats(rng, TALES["end"], here)
    return " ".join(text)


def beats(rng, told, here):
    kept = [choices for optional, choices in told if not optional or rng.random() < 0.5]
    return [tell(rng, rng.choice(choices), here) for choices in kept]


def tale_document(rng):
    text = tale(rng, scene(rng), rng.choice((1, 1, 1, 2)))
    return [(BOS, WEIGHT_MARK), (text, WEIGHT_TEXT), (EOS, WEIGHT_TEXT)]


def turn(marker, text, weight):
    """A chat turn: marker, line break, text, end of sequence, line break."""
    return [(marker, WEIGHT_MARK), ("\n", WEIGHT_MARK), (text, weight),
            (EOS, WEIGHT_TEXT if marker == ASSISTANT else WEIGHT_MARK), ("\n", WEIGHT_MARK)]


def exchange(user, assistant, weight=WEIGHT_ANSWER):
    return turn(USER, user, WEIGHT_READ) + turn(ASSISTANT, assistant, weight)


def question(rng, topic=None, held_out=False):
    """A fact whose question is a full question, as chat needs it."""
    while True:
        said, asked, answer = fact(rng, topic, held_out)
        if asked.endswith("?"):
            return said, asked, answer + ("" if answer[-1] == "." else ".")


def chat_document(rng):
    """One to three turns: facts with questions, small talk, or a story on request."""
    document = [(BOS, WEIGHT_MARK)] * rng.choice((1,) * 18 + (0, 2))
    if rng.random() < 0.15:
        document += turn(SYSTEM, rng.choice(FACTS["system"]), WEIGHT_READ)
    for _ in range(rng.choice((1, 1, 2, 3))):
        kind = rng.random()
        if kind < 0.7:
            document += asked_fact(rng)
        else:
            asked, answer = rng.choice(FACTS["chat_user"]).split(" > ")
            here = scene(rng)
            document += exchange(tell(rng, asked, here), tell(rng, answer, here))
    return document


def asked_fact(rng):
    said, asked, answer = question(rng)
    style = rng.random()
    if style < 0.8:
        return exchange(f"{said}{rng.choice(('  ', ' ', ' ', chr(10)))[-1]}{asked}", answer)
    return exchange(said, rng.choice(FACTS["told"])) + exchange(asked, answer)


def told_document(rng):
    """A chat in which the user wishes for a story, often about somebody or something."""
    here = scene(rng)
    wish = rng.choice(("story_any", "story_who", "story_who", "story_what"))
    asked = tell(rng, rng.choice(FACTS[wish]), here)
    return [(BOS, WEIGHT_MARK)] + exchange(asked, tale(rng, here, 1), WEIGHT_TEXT)


def document(rng):
    """One training document; stories are longer, so they make up most of the tokens."""
    kinds = (fact_document, tale_document, chat_document, told_document)
    return rng.choices(kinds, weights=(42, 20, 28, 10))[0](rng)


if __name__ == "__main__":
    SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    for make in (fact_document, tale_document, chat_document, told_document):
        for number in range(4):
            print("".join(text for text, _ in make(random.Random(SEED + number))), end="\n\n")
