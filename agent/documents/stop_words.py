"""What says nothing about what is looked for: words, and in Japanese pairs of signs."""

import re
from collections.abc import Iterator

from agent.documents.folding import folded

_STOP_WORDS = """
a about after all also an and any are as at be because been but by can could did do does for from
had has have he her his how i if in into is it its just many may me more most much my need no not of
on one or our out please s she should so some tell than that the their them then there these they
this to up us was we were what when where which who whom whose why will with would you your
aber als am an auch auf aus bei bis bist da dann das dass dem den der des die dies diese doch
du ein eine einem einen einer eines er es fur gibt haben hier ich ihr ihre im in ist ja kann
kein keine mein mich mir mit muss nach nicht noch nur oder sein seine sich sie sind so soll
uber um und uns unser viel viele vom von vor wann warum was welche welchem welchen welcher
welches wer werden wie wieviel wir wird wo wurde zu zum zur
au aux avec c ce ces cette combien comment d dans de des dois doit donc du elle en es est et etre
faut fait il ils j je l la le les leur leurs ma mais mes moi mon n ne nos notre nous on ont ou par
pas peut plus pour pourquoi qu quand que quel quelle quelles quels qui quoi sa se ses si sont
sur ta te tu un une vos votre vous y a t
al como con cual cuales cuando cuanto cuantos de del donde el ella ellos en entre es esta este
la las lo los me mi muy no o para pero por porque que quien se ser si su sus tiene un
una y ya che chi come cosa cui dei della delle di dove e gli ha il io le lo ma nel non per piu
quale quando quanto sono sul tra um uma os as ao da dos das em foi mais nao na nos ou pelo quais
qual quem sao ser seu sua tem aan dat de een er het hoe ik in is je kan met naar niet of om ook op
te voor waar wat welke wie zijn
ما من في على إلى عن هل كم متى أين كيف هو هي هذا هذه ذلك التي الذي أن إن لا مع أو ثم كان أي لماذا
از در به که این آن چه چند کجا است را با برای تا کی چگونه
של את על מה מי זה זו הוא היא איפה מתי כמה איך לא עם יש אם או כל
"""

_GRAMMAR = """
です ます した して しま すか まし から まで より いつ どこ いく くら らい なん なに など
って ある あり りま ませ せん ださ くだ さい どう うし すれ れば ばい いい いで でし しょ
ょう いま とき こと もの ため れる られ する のは のが のを には では とは ての だけ ない
なの のか かか いる いて えて おし てく はど こで つで らで
"""

STOP = frozenset(folded(f"{_STOP_WORDS} {_GRAMMAR}").split())
"""A stop word that is a noun in another language is none: war, bin, van, hat.

Of hiragana only what endings and particles are made of: many a noun is written in it, too."""

_CAPITALS = re.compile(r"\b[A-Z]{2,}\b|(?<=[^\W\d] )(?!I\b)[A-Z]\b")
_CAPITALISED = re.compile(r"\b[a-zß-ÿ]\w*,? (?!(?:Sie|Ihr\w*)\b)([A-Z][a-zß-ÿ]+)\b")


def names(text: str) -> Iterator[str]:
    """What is written like a name, though it sounds like a stop word: the IT, plan A, in May."""
    if not text.isupper():
        yield from map(folded, _CAPITALS.findall(text))
        yield from map(folded, _CAPITALISED.findall(text))
