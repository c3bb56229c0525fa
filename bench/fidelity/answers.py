"""What models answer: many languages, many shapes, and the traps that a filter may fall into."""

_LONG = [
    "A star is a balance: gravity pulls its gas inwards, the heat of fusion pushes it outwards.",
    "Als der Wasserstoff knapp wird, schrumpft der Kern, und die Hülle dehnt sich aus.",
    "恒星的颜色取决于表面温度：蓝色的更热，红色的更冷。",
    "Une étoile massive finit en supernova ; une petite s'éteint lentement.",
]

ANSWERS = [
    # Short ones, and none at all
    "42",
    "",
    "Yes.",
    "O",
    "2,518,731",
    "It is 37593 * 67 = 2518731, so about 2.5 million.",
    # Many scripts
    "Die Straßenbahn fährt über die Brücke; größer als 5 °C wird es heute nicht.",
    "L'été à Besançon : déjà 30 °C, « c'est rare », dit-on. Ça dépend de l'œil.",
    "北京今天多云，最高气温二十五度，适合散步。",
    "東京の人口は約1,400万人です。「最大の都市」と呼ばれます。",
    "عاصمة المغرب هي الرباط، وعدد سكانها نحو ٥٨٠ ألف نسمة.",
    "भारत की राजधानी नई दिल्ली है; यहाँ क़रीब ३ करोड़ लोग रहते हैं।",
    "Столица — Москва; река — Ока. Население: 13 млн.",
    "서울은 대한민국의 수도이며 한강이 흐릅니다.",
    "Κρήτη, ไทย, עברית, ქართული: four scripts in one line.",
    "Family 👩‍👩‍👧‍👦, flag 🏴‍☠️, thumbs 👍🏽 and a rocket 🚀.",
    "🎉🎊",
    "Rare: 𝒜 (U+1D49C), 𠮷野家, and n\u0303 with a combining mark.",
    # Quotes, escapes, markup
    'He said: "Measure twice, cut once." Then he left.',
    "The path is C:\\Users\\new\\table.txt, and the pattern is \\d+\\s*\\n.",
    "Use a/b or a\\b; a tab\there, and a quote ' there.",
    "First line.\nSecond line.\n\nA new paragraph.",
    "Steps:\n1. Open the valve.\n2. Wait 5 s.\n   - not longer\n3. Close it.",
    "| city | people |\n| --- | ---: |\n| Oslo | 717,710 |\n| Bergen | 291,940 |\n\nIn 2023.",
    "# Result\n\n**Bold**, *slanted*, `code`, ~~gone~~ and [a link](https://example.org/?q=a&b=1).",
    "If x < 3 && y > 4 then </b> is <i>wrong</i>; a <tag/> stays. 1 << 3 is 8.",
    "Write <tool> in front of the name and </tool> behind it.",
    "The link [[Paris]] and the list [[1, 2], [3]] are fine.",
    "Energy is $E = mc^2$, and \\(\\frac{a}{b}\\) is a fraction.",
    # Code and JSON in the answer
    'Run this:\n```python\nfor i in range(3):\n    print(f"{i}\\n")\n```\nIt prints three numbers.',
    "```sql\nSELECT name FROM t WHERE id = '7';\n```",
    'Send this:\n\n```json\n{"action": "create", "action_input": {"name": "x"}}\n```\n\nThen wait.',
    '{"ok": true, "items": [1, 2, {"a": "}"}]}',
    'Braces } and ] and { alone; even "} at the end"}',
    'A dictionary: {"k": "v"}.',
    # Talk about the formats themselves
    'The agent writes "Final Answer:" before it answers.',
    "Write it so:\nFinal Answer: your text\nand nothing else.",
    "Thought: is a label. Action: is another one. Action Input: is the third.",
    'The reply is {"action": "Final Answer", "action_input": "text"}.',
    'OpenAI: a company. "AI:" is how its turn begins, and Human: is ours.',
    "We saw it.\nObserve twice.\nObs. 3 is missing.\nO",
    "Close it with three backticks, ```, and go on.",
    # Long ones
    " ".join(_LONG),
    "\n\n".join(f"{place}. {' '.join(_LONG[place % 4 :])}" for place in range(5)),
    "Items: " + ", ".join(f"item {number}" for number in range(60)) + ".",
]
