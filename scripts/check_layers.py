#!/usr/bin/env python3
"""Checks who includes whom. Deny by default: what no rule here allows is an error.

  scripts/check_layers.py              check the tree
  scripts/check_layers.py --self-test  show that violations are caught

Rules, from ARCHITECTURE.md:
  * a folder of src/ includes only itself and the folders in MAY_USE;
  * base to oidc are pure: from the system only the headers in PURE_HEADERS, no clock, no randomness;
  * each outside library belongs to the folders in OWNERS, and to nobody else;
  * Beast is in no header outside src/net; OpenSSL is in src/crypto, and <openssl/ssl.h> and
    <openssl/err.h> also in src/net/tls_*;
  * nothing includes apps/; CMake's DEPS follow the same table.
Tests beside the source keep the folder rules; they may read files and clocks, and use tests/support.
"""

import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Bottom up. A folder absent here may not exist under src/.
PURE = ["base", "crypto", "wire", "gatt", "pki", "pairing", "attest", "enroll", "grant", "oidc"]
MAY_USE = {
    "base": set(),
    "crypto": {"base"},
    "wire": {"base"},
    # A byte stream over a radio's values; knows nothing of what is said on it.
    "gatt": {"base"},
    "pki": {"base", "crypto"},
    "pairing": {"base", "crypto", "wire"},
    "attest": {"base", "crypto", "wire"},
    "enroll": {"base", "crypto", "wire", "pki", "pairing", "attest"},
    "grant": {"base", "crypto", "wire", "pki", "attest"},
    "oidc": {"base", "crypto", "wire"},
    # Stores write down values; STORE_VALUES_DENY names what is not one.
    "store": {"base", "crypto", "grant", "pairing", "enroll", "attest"},
    # These decide. They reach store, discovery, net and platform through interfaces of their own.
    "agent": set(PURE),
    "front": set(PURE),
    "provider": set(PURE),
    "cache": set(PURE),
    # Shells.
    "discovery": {"base", "crypto", "wire"},
    "net": {"base", "crypto", "wire", "gatt"},
    "platform": {"base", "crypto", "wire"},
    "bluez": {"base", "wire", "net"},
}
DECIDERS = ["agent", "front", "provider", "cache"]
SHELLS = ["store", "discovery", "net", "platform", "bluez"]

# Shells implement interfaces that the deciding folders own; those headers, and no others, are open
# to them.
INTERFACE_HEADER = re.compile(r"^(agent|front|provider|cache)/(ports|records|\w+_port|\w+_interface)\.h$")

# Headers that hold state machines only, no values and no interface that a store implements.
STORE_VALUES_DENY = re.compile(r"^(enroll/session|pairing/(session|spake2plus))\.h$")

# Single headers open to a folder that may not use the rest of the other: enrolment ends in a grant,
# so it needs that value, but not what a grant is used for. The media cache's store asks who has to give
# way inside the transaction that makes them go.
VALUE_HEADERS = {"enroll": {"grant/grant.h"}, "store": {"cache/quota.h"}}

PURE_HEADERS = {
    # Values, containers, text, errors. Not <random>, <thread>, <fstream>, <filesystem>, <iostream>.
    "algorithm", "any", "array", "bit", "bitset", "cassert", "charconv", "chrono", "cinttypes",
    "climits", "cmath", "compare", "concepts", "cstddef", "cstdint", "cstdio", "cstdlib", "cstring",
    "ctime", "deque", "exception", "expected", "format", "forward_list", "functional",
    "initializer_list", "iomanip", "ios", "iosfwd", "iterator", "limits", "list", "map", "memory",
    "new", "numeric", "optional", "ostream", "queue", "ranges", "set", "source_location", "span",
    "sstream", "stack", "stdexcept", "string", "string_view", "tuple", "type_traits", "typeinfo",
    "unordered_map", "unordered_set", "utility", "variant", "vector", "version",
    "mutex",             # std::call_once for a value made late; std::mutex itself is refused below
    "string.h",          # explicit_bzero
    "tl/expected.hpp",
}
PURE_PREFIXES = ("nlohmann/", "boost/url", "boost/core")

# What a pure folder must not name, whatever it includes.
PURE_WORDS = [
    (r"\b(?:system_clock|steady_clock|high_resolution_clock|utc_clock)::now\b", "reads the clock"),
    (r"(?<![\w.>:])(?:std::|::)?(?:time|clock)\s*\(\s*(?:nullptr|NULL|0|&\w+)?\s*\)", "reads the clock"),
    (r"\b(?:clock_gettime|gettimeofday|localtime(?:_r)?|mktime)\s*\(", "reads the clock or the time zone"),
    (r"\brandom_device\b|\bs?rand\s*\(|\bgetrandom\s*\(|\bgetentropy\s*\(|\bmt19937", "makes randomness"),
    (r"\bgetenv\s*\(", "reads the environment"),
    (r"\b(?:fopen|freopen|tmpfile|popen|system)\s*\(", "touches files or processes"),
    (r"\bstd::(?:thread|jthread|mutex|condition_variable)\b", "uses threads"),
]

# Outside libraries and the only folders that may include them. A path is a folder below the root
# or, ending in "*", the start of a file's path.
OWNERS = [
    (re.compile(r"^openssl/(?:ssl|err)\.h$"), ["src/crypto", "src/net/tls_*", "bench/load_*", "bench/tls_load.cc"], "OpenSSL's TLS"),
    # A benchmark may stand beside what OpenSSL does bare.
    (re.compile(r"^openssl/"), ["src/crypto", "bench"], "OpenSSL"),
    (re.compile(r"^cjose/"), ["src/crypto"], "cjose"),
    (re.compile(r"^boost/beast"), ["src/net", "apps/*.cc", "tests", "bench"], "Beast"),
    (re.compile(r"^boost/asio"), ["src/net", "src/discovery", "src/bluez", "apps", "tests", "bench"], "Asio"),
    (re.compile(r"^avahi-"), ["src/discovery"], "Avahi"),
    (re.compile(r"^sdbus-c\+\+/"), ["src/bluez"], "sdbus-c++"),
    (re.compile(r"^(?:SQLiteCpp/|sqlite3\.h)"), ["src/store", "tests", "bench"], "SQLite"),
    (re.compile(r"^soci/"), ["src/store", "tests", "bench"], "SOCI"),
    (re.compile(r"^p11-kit"), ["src/platform"], "PKCS#11"),
    (re.compile(r"^curl/"), ["src/net"], "libcurl"),
    (re.compile(r"^nghttp2/"), ["src/net"], "libnghttp2"),
    (re.compile(r"^pugixml\.hpp$"), ["src/cache"], "pugixml"),
    (re.compile(r"^(?:nss3?/|nspr4?/|nss\.h|cert\.h|certdb\.h|pk11pub\.h|prinit\.h|secmod\.h|prerror\.h)"),
     ["src/platform"], "NSS"),
    (re.compile(r"^libsecret/"), ["src/platform"], "libsecret"),
    (re.compile(r"^qrencode\.h$"), ["src/platform", "apps"], "qrencode"),
    (re.compile(r"^CLI/"), ["apps", "bench"], "CLI11"),
    (re.compile(r"^spdlog/"), ["src/net", "src/discovery", "src/platform", "src/store", "apps", "bench"],
     "spdlog"),
    (re.compile(r"^(?:sys/socket|sys/un|netinet/.*|arpa/.*|netdb|net/.*|ifaddrs|linux/.*)\.h$|^(?:netinet|arpa)/"),
     ["src/net", "src/discovery", "src/platform", "src/bluez", "apps", "tests", "bench"], "sockets"),
    (re.compile(r"^benchmark/"), ["bench"], "Google Benchmark"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
CMAKE_CALL = re.compile(r"latchkey_(library|test|program)\s*\(\s*([\w-]+)([^)]*)\)", re.S)


def code_of(text):
    """The text without comments and literals, line numbers kept."""
    return COMMENT_OR_STRING.sub(lambda m: "\n" * m[0].count("\n"), text)


def within(path, owners):
    for owner in owners:
        if "*" in owner:
            start, _, end = owner.partition("*")
            if path.startswith(start) and path.endswith(end):
                return True
        elif path.startswith(owner + "/"):
            return True
    return False


class Check:
    def __init__(self, root):
        self.root = root
        self.findings = []
        self.files = 0

    def find(self, path, line, message):
        self.findings.append(f"{path}:{line}: {message}")

    def run(self):
        for top in ("src", "apps", "tests", "bench", "fuzz"):
            for file in sorted((self.root / top).rglob("*")):
                if "node_modules" in file.parts or not file.is_file():
                    continue
                path = file.relative_to(self.root).as_posix()
                if file.suffix in (".h", ".cc"):
                    self.source(path, file.read_text(errors="replace"))
                elif file.suffix == ".c" and path.startswith("tests/"):
                    continue  # preloaded into programs under test: plain C, outside the build
                elif file.suffix in (".c", ".hpp", ".cpp", ".cxx", ".hh", ".inc", ".ipp"):
                    self.find(path, 1, "sources are named .h and .cc")
                elif file.name == "CMakeLists.txt":
                    self.cmake(path, file.read_text())
        return self.findings

    def source(self, path, text):
        self.files += 1
        parts = path.split("/")
        folder = parts[1] if parts[0] == "src" else None
        if folder is not None and folder not in MAY_USE:
            self.find(path, 1, f"src/{folder} has no rule in scripts/check_layers.py: add one")
            return
        is_test = path.endswith("_test.cc")
        for number, line in enumerate(text.splitlines(), 1):
            if match := INCLUDE.match(line):
                kind, header = match.groups()
                if kind == '"':
                    self.own_header(path, number, parts, folder, header)
                else:
                    self.system_header(path, number, folder, is_test, header)
        if folder in PURE and not is_test:
            for number, line in enumerate(code_of(text).splitlines(), 1):
                for pattern, what in PURE_WORDS:
                    if re.search(pattern, line):
                        self.find(path, number, f"src/{folder} is pure, but this {what}")

    def own_header(self, path, number, parts, folder, header):
        target = header.split("/")[0]
        if header.startswith("apps/") or ".." in header.split("/"):
            self.find(path, number, f'"{header}": nothing includes apps/, and no path climbs with ".."')
        elif parts[0] == "src":
            if "/" not in header:
                self.find(path, number, f'"{header}": write the folder too, as "{folder}/{header}"')
            elif target != folder:
                self.between(path, number, folder, target, header)
        elif target not in MAY_USE:
            # apps, tests, bench and fuzz may use all of src/, and files beside themselves.
            if not (self.root / path).parent.joinpath(header).exists() and \
                    target != "support" and parts[0] != "apps":
                self.find(path, number, f'"{header}" is neither in src/ nor beside this file')

    def between(self, path, number, folder, target, header):
        if target == "support" and path.endswith("_test.cc"):
            return  # tests/support: fakes and readers of test data
        if target not in MAY_USE:
            self.find(path, number, f'"{header}" is not a folder of src/')
        elif folder in SHELLS and INTERFACE_HEADER.match(header):
            return
        elif target not in MAY_USE[folder] and header not in VALUE_HEADERS.get(folder, set()):
            self.find(path, number, f'src/{folder} may not use src/{target} ("{header}")')
        elif folder == "store" and STORE_VALUES_DENY.match(header) and not path.endswith("_test.cc"):
            self.find(path, number, f'src/store may use values only, "{header}" is a state machine')

    def system_header(self, path, number, folder, is_test, header):
        for pattern, owners, name in OWNERS:
            if pattern.match(header):
                if not within(path, owners):
                    self.find(path, number, f"{name} (<{header}>) belongs to {', '.join(owners)}")
                elif header.startswith("boost/beast") and path.endswith(".h") and \
                        not path.startswith("src/net/"):
                    self.find(path, number, f"<{header}>: no header outside src/net includes Beast")
                return
        if folder in PURE and not is_test and header not in PURE_HEADERS and \
                not header.startswith(PURE_PREFIXES):
            self.find(path, number, f"src/{folder} is pure and may not include <{header}>")

    def cmake(self, path, text):
        parts = path.split("/")
        if parts[0] != "src" or len(parts) != 3:
            return
        folder = parts[1]
        for match in CMAKE_CALL.finditer(text):
            if match[1] != "library":
                continue
            number = text[:match.start()].count("\n") + 1
            words = match[3].split()
            deps = words[words.index("DEPS") + 1:] if "DEPS" in words else []
            for dep in deps:
                if dep.isupper():
                    break
                by_value = {header.split("/")[0] for header in VALUE_HEADERS.get(folder, set())}
                if dep != folder and dep not in MAY_USE.get(folder, set()) | by_value and \
                        not (folder in SHELLS and dep in DECIDERS):
                    self.find(path, number, f"src/{folder} may not link src/{dep}")


def check_table():
    """The table itself has no cycle: walking it bottom up, each folder uses only what came before."""
    seen = []
    rest = dict(MAY_USE)
    while rest:
        ready = [name for name, uses in rest.items() if uses <= set(seen)]
        assert ready, f"the rules have a cycle among {sorted(rest)}"
        seen += ready
        for name in ready:
            del rest[name]


# (path, content, a word of the finding, or None where it must be allowed)
CASES = [
    ("src/base/a.h", '#include <vector>\n#include "base/b.h"', None),
    ("src/base/a.h", '#include "crypto/x.h"', "may not use src/crypto"),
    ("src/crypto/a.cc", '#include <openssl/evp.h>\n#include "base/b.h"', None),
    ("src/pki/a.cc", "#include <openssl/evp.h>", "OpenSSL"),
    ("src/pairing/a.cc", '#include "wire/x.h"\n#include "crypto/y.h"', None),
    ("src/pairing/a.cc", '#include "pki/x.h"', "may not use src/pki"),
    ("src/enroll/a.cc", '#include "grant/grant.h"', None),
    ("src/enroll/a.cc", '#include "grant/ticket.h"', "may not use src/grant"),
    ("src/grant/a.cc", '#include "attest/x.h"\n#include "wire/y.h"', None),
    ("src/wire/a.cc", '#include "crypto/x.h"', "may not use src/crypto"),
    ("src/store/a.cc", '#include "grant/grant.h"\n#include <SQLiteCpp/Database.h>', None),
    ("src/store/a.cc", '#include "pairing/session.h"', "values only"),
    ("src/store/a.cc", '#include "agent/ports.h"', None),
    ("src/agent/a.cc", '#include "agent/ports.h"\n#include "oidc/x.h"', None),
    ("src/agent/a.cc", '#include "store/db.h"', "may not use src/store"),
    ("src/agent/a.cc", '#include "front/x.h"', "may not use src/front"),
    ("src/front/a.cc", '#include "net/x.h"', "may not use src/net"),
    ("src/front/a.cc", "#include <boost/asio/ip/tcp.hpp>", "Asio"),
    ("src/net/a.cc", '#include "front/x.h"', "may not use src/front"),
    ("src/net/a.cc", '#include "front/upstream_port.h"\n#include <boost/beast/http.hpp>', None),
    ("src/net/tls_stream.h", "#include <openssl/ssl.h>", None),
    ("src/net/tls_stream.h", "#include <openssl/evp.h>", "OpenSSL"),
    ("src/net/http.cc", "#include <openssl/ssl.h>", "OpenSSL's TLS"),
    ("src/mystery/a.cc", "", "has no rule"),
    ("src/grant/a.cc", "#include <boost/asio.hpp>", "Asio"),
    ("src/grant/a.cc", "#include <avahi-core/core.h>", "Avahi"),
    ("src/grant/a.cc", "#include <sqlite3.h>", "SQLite"),
    ("src/grant/a.cc", "#include <sys/socket.h>", "sockets"),
    ("src/grant/a.cc", "#include <fstream>", "may not include <fstream>"),
    ("src/grant/a.cc", "#include <random>", "may not include <random>"),
    ("src/grant/a.cc", "#include <unistd.h>", "may not include <unistd.h>"),
    ("src/grant/a.cc", "auto t = std::chrono::system_clock::now();", "reads the clock"),
    ("src/grant/a.cc", "auto t = std::time(nullptr);", "reads the clock"),
    ("src/grant/a.cc", "auto t = offer.time(0);", None),
    ("src/grant/a.cc", "std::random_device device;", "makes randomness"),
    ("src/grant/a.cc", "// never system_clock::now()\nconst char* s = \"random_device\";", None),
    ("src/grant/a_test.cc", "#include <fstream>\n#include <gtest/gtest.h>", None),
    ("src/grant/a_test.cc", '#include "enroll/x.h"', "may not use src/enroll"),
    ("src/store/CMakeLists.txt", "latchkey_library(store SOURCES a.cc DEPS base enroll)", None),
    ("src/grant/a_test.cc", '#include "support/files.h"', None),
    ("src/grant/a.cc", '#include "support/files.h"', "not a folder of src/"),
    ("fuzz/a_fuzz.cc", '#include "support/files.h"\n#include "wire/cbor.h"', None),
    ("fuzz/a_fuzz.cc", '#include "mystery/files.h"', "neither in src/"),
    ("bench/a.cc", "#include <openssl/evp.h>", None),
    ("src/base/a.cc", '#include "apps/agent/x.h"', "nothing includes apps/"),
    ("tests/a_test.cc", '#include "apps/agent/x.h"', "nothing includes apps/"),
    ("apps/agent/main.cc", '#include "store/db.h"\n#include <CLI/CLI.hpp>', None),
    ("apps/agent/run.h", "#include <boost/beast/http.hpp>", "Beast"),
    ("apps/agent/run.cc", "#include <openssl/ssl.h>", "OpenSSL's TLS"),
    ("src/base/a.cc", '#include "../crypto/x.h"', 'no path climbs'),
    ("src/base/a.cc", '#include "b.h"', "write the folder too"),
    ("src/base/a.cpp", "", "named .h and .cc"),
    ("src/base/CMakeLists.txt", "latchkey_library(base SOURCES a.cc DEPS crypto)", "may not link"),
    ("src/pki/CMakeLists.txt", "latchkey_library(pki SOURCES a.cc DEPS base crypto LIBS x)", None),
]


def self_test():
    check_table()
    for path, content, expected in CASES:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / path
            file.parent.mkdir(parents=True)
            file.write_text(content + "\n")
            findings = Check(Path(folder)).run()
        if expected is None:
            assert not findings, f"allowed, but reported: {path}: {content!r}: {findings}"
        else:
            assert len(findings) == 1 and expected in findings[0], \
                f"not caught: {path}: {content!r} should say {expected!r}: {findings}"
    print(f"check_layers self-test: {len(CASES)} cases")


def main():
    if "--self-test" in sys.argv[1:]:
        self_test()
        return 0
    check_table()
    check = Check(ROOT)
    findings = check.run()
    for finding in findings:
        print(finding)
    print(f"check_layers: {check.files} files, {len(findings)} violations")
    return 1 if findings or check.files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
