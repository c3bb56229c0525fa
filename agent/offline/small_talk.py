"""What users say to a model itself, and by which words it is known. Pure: no IO.

With documents, only what says nothing else counts: "What can you do?", but not "What can you do
against seasickness?", which the documents may answer.
"""

import re

# A name is one word in any script; with a capital letter it may be up to three, or follow "I'm".
_CAPITALIZED = r"[^\W\d_a-z][\w’'-]{0,30}"
_NAMED = (
    r"(?i:my name is|my name's|my name’s|je m'appelle|ich heiße|me llamo) "
    rf"(?!(?i:not|what|a|the|in|on)\b)([^\W\d_][\w’'-]{{0,30}}(?: {_CAPITALIZED}){{0,2}})"
)
_CALLED = rf"(?:(?i:call me|i am|i'm|i’m) ({_CAPITALIZED}(?: {_CAPITALIZED}){{0,2}}))"
NAME = re.compile(rf"\b(?:{_NAMED}|{_CALLED}[.!]?$)")
_GREETINGS = (
    "hello|hi|hey|hiya|howdy|yo|greetings|good (?:morning|afternoon|evening|day)|hola|bonjour|salut"
    "|hallo|guten tag|moin|servus|ciao|buongiorno|olá|hej|ahoj|cześć|merhaba|привет|здравствуйте"
    "|你好|こんにちは|안녕하세요|नमस्ते|namaste|مرحبا|שלום"
)
_THANKS = "(?:thanks|thank you|thx|merci|danke|gracias|grazie)"
_FAREWELLS = "(?:bye|goodbye|see you|good night|au revoir|adiós|tschüss)"
_POLITE = (
    f"{_THANKS}|{_FAREWELLS}|you|so|very|much|a lot|again|and|beaucoup|mille|sehr|schön|vielmals"
    "|muchas|for (?:that|this|your help|everything)|then|now|soon|later|tomorrow|all|everyone"
    "|lastword"
)


def _rule(pattern: str) -> re.Pattern[str]:
    """Straight and curly apostrophes are the same."""
    return re.compile(pattern.replace("'", "['’]"), re.IGNORECASE)


def _alone(pattern: str) -> re.Pattern[str]:
    """All that is said, but for a greeting before it."""
    return _rule(rf"^\W*(?:(?:{_GREETINGS}|ok|okay)\b\W+)?(?:{pattern})\W*$")


_GREETING = _rule(
    rf"^\W*({_GREETINGS})(?:[\s,]+(?:there|again|all|everyone|you|world|lastword))*\W*$"
)

# The first that matches answers.
ANYWHERE: dict[str, re.Pattern[str]] = {
    "name": _rule(r"\b(?:what is|what's|know|remember|tell me) my name\b|\bwho am i\b"),
    "meet": NAME,
    "question": _rule(
        r"\bwhat did i (?:just |first )?(?:say|ask|tell|write)\b|\bremember what i\b"
        r"|\bwhat was my (?:first|last|previous) (?:question|message)\b"
    ),
    "answer": _rule(
        r"\bwhat did you (?:just )?(?:say|answer)\b|\b(?:say|repeat) that(?: again)?\b"
        r"|\bwhat(?:'s| is| was) (?:the|your) (?:last |previous )?(?:result|answer)\b"
    ),
    "connect": _rule(
        r"\b(?:connect|use|add|configure|switch to|set up)\b.{0,40}\b(?:model|llm|openai|key)\b"
        r"|\bapi key\b|\breal model\b"
    ),
    "introduce": _rule(
        r"\b(?:who|what) are you\b|\bwhat can you do\b|\bhow do you work\b|\byour name\b"
        r"|\b(?:introduce|about) yourself\b|\bwhat is lastword\b|^\W*help(?: me)?\W*$"
        r"|\bare you (?:an? )?(?:real|human|person|ai|bot|robot|llm|chatgpt|gpt|language)\b"
    ),
    "feel": _rule(r"\bhow are you\b|\bhow(?:'s| is) it going\b"),
    "thank": _rule(rf"^\W*{_THANKS}\b.{{0,40}}$"),
    "leave": _rule(rf"^\W*{_FAREWELLS}\b.{{0,40}}$"),
    "greet": _GREETING,
}
ALONE: dict[str, re.Pattern[str]] = {
    "name": _alone(r"(?:what is|what's|(?:do you )?(?:know|remember)|tell me) my name|who am i"),
    "meet": re.compile(rf"^\W*(?:(?i:{_GREETINGS})\b\W+)?(?:{_NAMED}|{_CALLED})\W*$"),
    "question": _alone(
        r"what did i (?:just )?(?:say|ask)(?: (?:first|last|before))?|what did i first (?:say|ask)"
        r"|what was my (?:first|last|previous) (?:question|message)"
    ),
    "answer": _alone(
        r"what did you (?:just )?(?:say|answer)|(?:say|repeat) that(?: again)?"
        r"|what(?:'s| is| was) your (?:last |previous )?(?:result|answer)"
    ),
    "introduce": _alone(
        r"(?:who|what) are you|what can you do(?: for me)?|how do you work|help(?: me)?"
        r"|what(?:'s| is) your name|(?:please )?(?:introduce|tell me about) yourself"
        r"|are you (?:an? )?(?:real|human|person|ai|bot|robot|llm|chatgpt|gpt|language model)"
    ),
    "feel": _alone(r"how are you(?: doing| today)*|how(?:'s| is) it going"),
    "thank": _alone(rf"{_THANKS}(?:\W+(?:{_POLITE})\b)*"),
    "leave": _alone(rf"{_FAREWELLS}(?:\W+(?:{_POLITE})\b)*"),
    "greet": _GREETING,
}
