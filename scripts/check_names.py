#!/usr/bin/env python3
"""Checks that C++ and TypeScript name the same things on the border between agent and extension.

  scripts/check_names.py              src/wire/names.h and src/wire/error.* against
                                      extension/src/protocol/names.ts
  scripts/check_names.py --self-test

Both files hold one constant a line under heading comments, spelt alike:
  C++   inline constexpr std::string_view kPairBegin = "pair.begin";
  TS    export const kPairBegin = 'pair.begin';
C++ is the list. Rules:
  * events and error codes are the same set on both sides; an error code's enumerator, its constant
    and its text follow one spelling (kWrongCode, wrong_code);
  * a method that the extension names must be one of C++'s (the command line uses some alone);
  * a constant that stands on both sides has one text;
  * fields and values that the extension names stand in names.h or, where it has no such heading, as
    a literal in the C++ that reads and writes these messages.
  * the id of the add-on in Firefox is the same in CMakeLists.txt and in the extension's manifest.
An empty list is an error: a check that reads nothing checks nothing.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES_H = ROOT / "src" / "wire" / "names.h"
ERROR_H = ROOT / "src" / "wire" / "error.h"
ERROR_CC = ROOT / "src" / "wire" / "error.cc"
FIREFOX_MANIFEST = ROOT / "extension" / "manifest" / "firefox.json"
NAMES_TS = ROOT / "extension" / "src" / "protocol" / "names.ts"
# Where C++ may spell fields as literals while names.h does not list them.
LITERAL_FOLDERS = ["src/wire", "src/gatt", "src/attest", "src/grant", "src/agent", "apps/agent", "apps/native-host"]

CPP_CONSTANT = re.compile(r'^inline constexpr std::string_view (k\w+)\s*=\s*"([^"]*)";')
TS_CONSTANT = re.compile(r"""^export const (k\w+)(?::[^=]+)?\s*=\s*["']([^"']*)["'](?: as const)?;""")
FIREFOX_ID = re.compile(r'^set\(LATCHKEY_FIREFOX_EXTENSION_ID "([^"]+)"\)', re.M)
HEADING = re.compile(r"^// (\w+)")
ENUM = re.compile(r"enum class ErrorCode\s*\{(.*?)\};", re.S)
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def read_constants(text, pattern):
    """{heading: {constant: text}}; the heading is the first word of the comment above."""
    lists = {}
    heading = "other"
    joined = re.sub(r"=\s*\n\s+", "= ", text)  # a constant that was broken over two lines
    for line in joined.splitlines():
        if match := HEADING.match(line):
            heading = match[1].lower()
        elif match := pattern.match(line):
            lists.setdefault(heading, {})[match[1]] = match[2]
    return lists


def flat(lists):
    return {name: text for group in lists.values() for name, text in group.items()}


def snake(enumerator):
    """kWindowClosed -> window_closed"""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", enumerator[1:]).lower()


def error_codes(header, source):
    """({constant: text} from the enumeration, findings)"""
    body = ENUM.search(header)
    if not body:
        return {}, ["error.h: no `enum class ErrorCode`"]
    names = re.findall(r"\bk[A-Z]\w*", re.sub(r"//[^\n]*", "", body[1]))
    texts = set(LITERAL.findall(source))
    return {name: snake(name) for name in names}, \
        [f'error.cc: no text "{snake(name)}" for {name}' for name in names if snake(name) not in texts]


def same_set(what, cpp, ts):
    if not cpp or not ts:
        return [f"{what}: none found in {'C++' if not cpp else 'TypeScript'}"]
    return [f'{what}: {name} ("{cpp[name]}") is in C++ only' for name in cpp if name not in ts] + \
           [f'{what}: {name} ("{ts[name]}") is in TypeScript only' for name in ts if name not in cpp]


def check(names_h, error_h, error_cc, names_ts, literals):
    """(findings, how many names were compared). `literals`: every string in the C++ of the agent."""
    cpp = read_constants(names_h, CPP_CONSTANT)
    ts = read_constants(names_ts, TS_CONSTANT)
    errors, findings = error_codes(error_h, error_cc)
    findings += same_set("events", cpp.get("events", {}), ts.get("events", {}))
    findings += same_set("error codes", errors, ts.get("errors", {}))

    methods = ts.get("methods", {})
    if not methods or not cpp.get("methods"):
        findings.append("methods: none found in one of the two")
    findings += [f'methods: {name} ("{methods[name]}") is in TypeScript only'
                 for name in methods if name not in cpp.get("methods", {})]

    every_cpp = flat(cpp) | errors
    every_ts = flat(ts)
    for name, text in every_ts.items():
        if name in every_cpp and every_cpp[name] != text:
            findings.append(f'{name} is "{every_cpp[name]}" in C++ and "{text}" in TypeScript')
    known = set(every_cpp.values()) | (set() if "fields" in cpp else literals)
    for heading in set(ts) - {"methods", "events", "errors"}:
        findings += [f'{heading}: {name} ("{text}") is in TypeScript only'
                     for name, text in ts[heading].items() if text not in known]
    return findings, len(every_ts)


def cpp_literals(root):
    literals = set()
    for folder in LITERAL_FOLDERS:
        for file in (root / folder).rglob("*"):
            if file.suffix in (".h", ".cc") and not file.name.endswith("_test.cc"):
                # Escaped JSON in a literal (\"field\") counts too.
                text = file.read_text(errors="replace").replace('\\"', '"')
                literals.update(LITERAL.findall(text))
    return literals


def add_on_ids(cmake, manifest):
    """Findings about the add-on's id, which the native side and the extension both name."""
    built = FIREFOX_ID.search(cmake)
    if not built:
        return ["CMakeLists.txt: no LATCHKEY_FIREFOX_EXTENSION_ID"]
    shown = manifest.get("browser_specific_settings", {}).get("gecko", {}).get("id")
    return [] if shown == built[1] else \
        [f'the add-on is "{built[1]}" in CMakeLists.txt and "{shown}" in {FIREFOX_MANIFEST.name}']


def self_test():
    header = ('// Host.\ninline constexpr std::string_view kNativeHostName = "org.x";\n// Methods.\n'
              'inline constexpr std::string_view kHello = "hello";\n'
              'inline constexpr std::string_view kDoctor = "doctor";\n// Events.\n'
              'inline constexpr std::string_view kLost =\n    "lost";\n')
    fields = header + '// Fields.\ninline constexpr std::string_view kPort = "port";\n'
    enum = "enum class ErrorCode {\n  kMalformed,  // kNot\n  kWrongCode,\n};"
    texts = '"malformed" "wrong_code"'
    ts = ("// The host\nexport const kNativeHostName = 'org.x';\n// Methods\n"
          "export const kHello = 'hello';\n// Events\nexport const kLost = 'lost';\n// Fields\n"
          "export const kPort = 'port';\n// Errors\nexport const kMalformed = 'malformed';\n"
          "export const kWrongCode = 'wrong_code';\n")
    cases = [
        (header, enum, texts, ts, {"port"}, None),
        (fields, enum, texts, ts, set(), None),
        (header, enum, texts, ts, set(), 'fields: kPort ("port") is in TypeScript only'),
        (fields.replace('"port"', '"prt"'), enum, texts, ts, {"port"}, 'kPort is "prt" in C++'),
        (header, enum, texts, ts.replace("kHello = 'hello'", "kBye = 'bye'"), {"port"}, "kBye"),
        (header, enum, texts, ts.replace("'hello'", "'hallo'"), {"port"}, 'kHello is "hello" in C++'),
        (header, enum, texts, ts.replace("export const kLost = 'lost';\n", ""), {"port"}, "none found"),
        (header, enum, texts, ts.replace("export const kWrongCode", "const x"), {"port"},
         'kWrongCode ("wrong_code") is in C++ only'),
        (header, enum, '"malformed"', ts, {"port"}, 'no text "wrong_code"'),
        (header, enum, texts, ts.replace("'org.x'", "'org.y'"), {"port"}, "kNativeHostName"),
        ("", enum, texts, ts, {"port"}, "none found in C++"),
        (header, enum, texts, "", {"port"}, "none found in TypeScript"),
    ]
    for number, (*files, expected) in enumerate(cases):
        findings, _ = check(*files)
        if expected is None:
            assert not findings, (number, findings)
        else:
            assert any(expected in finding for finding in findings), (number, expected, findings)
    cmake = 'set(LATCHKEY_FIREFOX_EXTENSION_ID "a@b")'
    assert not add_on_ids(cmake, {"browser_specific_settings": {"gecko": {"id": "a@b"}}})
    for wrong in ({}, {"browser_specific_settings": {"gecko": {"id": "a@c"}}}):
        assert add_on_ids(cmake, wrong)
    assert add_on_ids("", {})
    print(f"check_names self-test: {len(cases) + 4} cases")


def main():
    if "--self-test" in sys.argv[1:]:
        self_test()
        return 0
    files = (NAMES_H, ERROR_H, ERROR_CC, NAMES_TS)
    missing = [file for file in files if not file.exists()]
    for file in missing:
        print(f"{file.relative_to(ROOT)}: missing")
    if missing:
        return 1
    findings, count = check(*(file.read_text() for file in files), cpp_literals(ROOT))
    findings += add_on_ids((ROOT / "CMakeLists.txt").read_text(), json.loads(FIREFOX_MANIFEST.read_text()))
    for finding in findings:
        print(finding)
    print(f"check_names: {count} names, {len(findings)} differences")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
